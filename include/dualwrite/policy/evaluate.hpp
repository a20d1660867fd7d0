#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/policy/statement_facts.hpp>
#include <dualwrite/protocol/value.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// now(), uuid() and their like give another value at each execution, so that source and target
// would never be equal. Here each call is evaluated once and its value takes its place: as a
// literal in a text that is executed at once, as a marker in one that is prepared.

namespace dualwrite::policy {

// Evaluates the functions as Cassandra does (TimeFcts.java, UuidFcts.java). `random` gives 64 bits
// that nobody can foresee. Single-threaded.
class function_evaluator {
public:
    explicit function_evaluator(std::function<std::uint64_t()> random)
        : random_(std::move(random)), clock_and_node_(random_())
    {
    }

    // The value as a bound marker carries it.
    std::string evaluate(function_value what, std::int64_t now_ms)
    {
        constexpr std::int64_t day_ms = 86'400'000;
        const auto days = now_ms / day_ms;
        switch (what) {
        case function_value::uuid:
            return random_uuid();
        case function_value::timeuuid:
            return timeuuid(now_ms);
        case function_value::timestamp:
            return big_endian(now_ms);
        case function_value::date:
            return big_endian(static_cast<std::uint32_t>(days + (std::int64_t{1} << 31)));
        case function_value::time:
            return big_endian((now_ms - days * day_ms) * 1'000'000);
        }
        return {};
    }

private:
    template <class T> static std::string big_endian(T value)
    {
        std::string out(sizeof value, '\0');
        store_be(reinterpret_cast<std::byte*>(out.data()), value);
        return out;
    }

    // RFC 9562, 4.1: the variant is in the two upper bits of the second half.
    static std::string uuid(std::uint64_t first, std::uint64_t second)
    {
        return big_endian(first) + big_endian((second & ~(3ull << 62)) | 2ull << 62);
    }

    std::string random_uuid()
    {
        const auto first = random_();
        const auto second = random_();
        return uuid((first & ~0xf000ull) | 0x4000ull, second);
    }

    // RFC 9562, 5.1: 100 ns since 1582-10-15, a clock sequence and a node, both random. The lowest
    // bit of the node's first byte says that it is no network card's.
    std::string timeuuid(std::int64_t now_ms)
    {
        constexpr std::int64_t epoch_ms = 12'219'292'800'000;
        const auto now = static_cast<std::uint64_t>(now_ms + epoch_ms) * 10'000;
        last_ticks_ = std::max(last_ticks_ + 1, now);
        const auto low = last_ticks_ & 0xffffffff;
        const auto middle = last_ticks_ >> 32 & 0xffff;
        const auto high = last_ticks_ >> 48 & 0x0fff;
        return uuid(low << 32 | middle << 16 | 0x1000 | high, clock_and_node_ | 1ull << 40);
    }

    std::function<std::uint64_t()> random_;
    std::uint64_t clock_and_node_;
    std::uint64_t last_ticks_{0};
};

namespace detail {

constexpr std::string_view type_name(function_value what) noexcept
{
    constexpr std::string_view names[] = {"uuid", "timeuuid", "timestamp", "date", "time"};
    return names[static_cast<std::size_t>(what)];
}

inline void append_literal(std::string& out, function_value what, std::string_view value)
{
    constexpr protocol::type_id ids[] = {
        protocol::type_id::uuid,
        protocol::type_id::timeuuid,
        protocol::type_id::timestamp,
        protocol::type_id::date,
        protocol::type_id::time};
    protocol::cql_type type;
    type.id = ids[static_cast<std::size_t>(what)];
    out += protocol::display(type, as_bytes(value));
}

// Copies `cql` with replace(out, i) in place of calls[i]. Where nothing around it tells the type,
// the replacement says it itself.
template <class Replace>
std::string
replace_calls(std::string_view cql, const std::vector<function_call>& calls, Replace&& replace)
{
    std::string out;
    std::size_t position = 0;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        const auto& call = calls[i];
        out += cql.substr(position, call.text.offset - position);
        if (call.nested) out.append("(").append(type_name(call.gives)).append(")");
        replace(out, i);
        position = call.text.offset + call.text.size;
    }
    out += cql.substr(position);
    return out;
}

inline constexpr std::string_view hidden_begin = " /* dualwrite binds:";
inline constexpr std::string_view hidden_end = " */";

}  // namespace detail

// True if evaluate() and hide_calls() make a deterministic statement of this text.
inline bool is_evaluable(const statement_facts& facts) noexcept
{
    return facts.is_write() && !facts.unparsed && !facts.calls.empty();
}

// The same text with a literal in place of each call. `facts` are is_evaluable().
inline std::string evaluate(
    std::string_view cql,
    const statement_facts& facts,
    function_evaluator& evaluator,
    std::int64_t now_ms
)
{
    return detail::replace_calls(cql, facts.calls, [&](std::string& out, std::size_t i) {
        const auto what = facts.calls[i].gives;
        detail::append_literal(out, what, evaluator.evaluate(what, now_ms));
    });
}

// A marker that the client has not written and must not see.
struct hidden_marker {
    std::uint16_t position{0};  // among all markers of the text that is prepared
    function_value gives{function_value::uuid};
    friend bool operator==(const hidden_marker&, const hidden_marker&) = default;
};

// The name that a marker gets where the statement names its markers.
inline std::string hidden_name(std::size_t number)
{
    return "dualwrite_" + std::to_string(number);
}

// The same text with a marker in place of each call, to be prepared. A comment at its end says
// which they are: so a text says all that is to be known of it, and two statements that differ in
// nothing but the place of a call have not the same prepared id. `facts` are is_evaluable().
inline std::string hide_calls(std::string_view cql, const statement_facts& facts)
{
    auto out = detail::replace_calls(cql, facts.calls, [&](std::string& text, std::size_t i) {
        if (facts.named_markers)
            text += ':' + hidden_name(i);
        else
            text += '?';
    });
    out += detail::hidden_begin;
    for (std::size_t i = 0; i < facts.calls.size(); ++i) {
        const auto position = facts.calls[i].markers_before + i;
        out.append(" ").append(detail::type_name(facts.calls[i].gives)).append("@");
        out += std::to_string(position);
    }
    return out += detail::hidden_end;
}

// What the comment of hide_calls() says, in ascending order; empty for any other text.
inline std::vector<hidden_marker> hidden_markers(std::string_view text)
{
    if (!text.ends_with(detail::hidden_end)) return {};
    const auto begin = text.rfind(detail::hidden_begin);
    if (begin == std::string_view::npos) return {};
    text = text.substr(begin + detail::hidden_begin.size());
    text.remove_suffix(detail::hidden_end.size());
    std::vector<hidden_marker> out;
    while (!text.empty()) {
        if (text.front() != ' ') return {};
        const auto at = text.find('@');
        if (at == std::string_view::npos) return {};
        const auto name = text.substr(1, at - 1);
        hidden_marker next;
        bool known = false;
        for (int i = 0; i <= static_cast<int>(function_value::time) && !known; ++i) {
            next.gives = static_cast<function_value>(i);
            known = detail::type_name(next.gives) == name;
        }
        const auto digits = text.substr(at + 1);
        const auto* end = digits.data() + digits.size();
        const auto read = std::from_chars(digits.data(), end, next.position);
        if (!known || read.ec != std::errc{}) return {};
        if (!out.empty() && next.position <= out.back().position) return {};
        out.push_back(next);
        text = digits.substr(static_cast<std::size_t>(read.ptr - digits.data()));
    }
    return out;
}

// The text that was prepared, without the comment: for targets that read no comments.
inline std::string_view without_hidden_comment(std::string_view text)
{
    return hidden_markers(text).empty() ? text : text.substr(0, text.rfind(detail::hidden_begin));
}

}  // namespace dualwrite::policy
