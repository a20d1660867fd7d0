#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/policy/cql_words.hpp>
#include <dualwrite/policy/statement_facts.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A write with a TTL that is delivered late must expire when it expires at the source. A target of
// protocol version 5 is told the time of the write (now_in_seconds); for an older one the TTL is
// shortened by the time that has passed. Never to nothing: also an expired cell has to shadow what
// is older, so that the least is 1 s (reliability anchors, B.1).

namespace dualwrite::replication {

constexpr std::int32_t shortened(std::int32_t ttl_s, std::int64_t elapsed_s) noexcept
{
    if (ttl_s <= 0) return ttl_s;  // 0: none
    return static_cast<std::int32_t>(std::max<std::int64_t>(1, ttl_s - elapsed_s));
}

namespace detail {

struct ttl_places {
    std::vector<policy::text_span> literals;  // in textual order
    std::vector<std::uint16_t> markers;
    std::vector<policy::text_span> marker_texts;  // of these markers
};

inline void find_ttls(const policy::statement_facts& facts, ttl_places& out)
{
    if (facts.ttl) out.literals.push_back(facts.ttl_text);
    if (facts.ttl_marker) {
        out.markers.push_back(*facts.ttl_marker);
        out.marker_texts.push_back(facts.ttl_text);
    }
    for (const auto& child : facts.children) find_ttls(child, out);
}

inline std::int32_t number_at(std::string_view cql, policy::text_span span) noexcept
{
    std::int64_t value = 0;
    for (const char c : cql.substr(span.offset, span.size))
        if (c >= '0' && c <= '9')
            value = std::min<std::int64_t>(value * 10 + (c - '0'), 0x7fffffff);
    return static_cast<std::int32_t>(value);
}

// The name under which a request that names its values gives this one.
inline std::string marker_name(std::string_view cql, policy::text_span span)
{
    policy::cql_lexer words(cql.substr(span.offset, span.size));
    if (words.next().text == "?") return "[ttl]";
    return policy::detail::unquote(words.next());
}

// Takes the name that stands before a named value; empty if the bytes end before.
inline std::optional<std::string_view> take_name(mutable_bytes& values) noexcept
{
    if (values.size() < 2) return {};
    const std::size_t size = load_be<std::uint16_t>(values.data());
    if (values.size() - 2 < size) return {};
    const auto name = as_text(values.subspan(2, size));
    values = values.subspan(2 + size);
    return name;
}

}  // namespace detail

// The same statement with every literal TTL shortened. `facts` must be classify(cql).
inline std::string shorten_ttl_literals(
    std::string_view cql, const policy::statement_facts& facts, std::int64_t elapsed_s
)
{
    detail::ttl_places places;
    detail::find_ttls(facts, places);
    std::string out;
    std::size_t position = 0;
    for (const auto span : places.literals) {
        out += cql.substr(position, span.offset - position);
        out += std::to_string(shortened(detail::number_at(cql, span), elapsed_s));
        position = span.offset + span.size;
    }
    out += cql.substr(position);
    return out;
}

// Shortens the TTLs among the raw values in place. `facts` must be classify(cql); with `named` each
// value has its name before it.
inline void shorten_ttl_values(
    mutable_bytes values,
    std::string_view cql,
    const policy::statement_facts& facts,
    std::int64_t elapsed_s,
    bool named = false
)
{
    detail::ttl_places places;
    detail::find_ttls(facts, places);
    const auto is_ttl = [&](std::uint16_t index, std::string_view name) {
        if (!named) return std::ranges::count(places.markers, index) != 0;
        return std::ranges::any_of(places.marker_texts, [&](auto span) {
            return detail::marker_name(cql, span) == name;
        });
    };
    for (std::uint16_t index = 0;; ++index) {
        const auto name = named ? detail::take_name(values) : std::string_view{};
        if (!name || values.size() < 4) return;
        const auto size = load_be<std::int32_t>(values.data());
        values = values.subspan(4);
        if (size <= 0) continue;  // null, unset, empty
        if (values.size() < static_cast<std::size_t>(size)) return;
        if (size == 4 && is_ttl(index, *name))
            store_be(values.data(), shortened(load_be<std::int32_t>(values.data()), elapsed_s));
        values = values.subspan(static_cast<std::size_t>(size));
    }
}

inline bool has_ttl_literal(const policy::statement_facts& facts)
{
    detail::ttl_places places;
    detail::find_ttls(facts, places);
    return !places.literals.empty();
}

}  // namespace dualwrite::replication
