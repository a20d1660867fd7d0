#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/policy/statement_facts.hpp>

#include <algorithm>
#include <cstdint>
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
};

inline void find_ttls(const policy::statement_facts& facts, ttl_places& out)
{
    if (facts.ttl) out.literals.push_back(facts.ttl_text);
    if (facts.ttl_marker) out.markers.push_back(*facts.ttl_marker);
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

// Shortens the TTLs among raw positional values in place.
inline void shorten_ttl_values(
    mutable_bytes values, const policy::statement_facts& facts, std::int64_t elapsed_s
)
{
    detail::ttl_places places;
    detail::find_ttls(facts, places);
    std::size_t at = 0;
    for (std::uint16_t index = 0; values.size() - at >= 4; ++index) {
        const auto size = load_be<std::int32_t>(&values[at]);
        at += 4;
        if (size <= 0) continue;
        const auto width = static_cast<std::size_t>(size);
        if (values.size() - at < width) return;
        const bool ttl =
            std::find(places.markers.begin(), places.markers.end(), index) != places.markers.end();
        if (ttl && width == 4)
            store_be(&values[at], shortened(load_be<std::int32_t>(&values[at]), elapsed_s));
        at += width;
    }
}

inline bool has_ttl_literal(const policy::statement_facts& facts)
{
    detail::ttl_places places;
    detail::find_ttls(facts, places);
    return !places.literals.empty();
}

}  // namespace dualwrite::replication
