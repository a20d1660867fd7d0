#pragma once

#include <dualwrite/protocol/envelope.hpp>
#include <dualwrite/protocol/primitives.hpp>

#include <optional>

namespace dualwrite::protocol {

// Of QUERY, EXECUTE and BATCH. One byte on the wire in versions 3 and 4, four in version 5.
namespace query_flag {
inline constexpr std::uint32_t values = 0x01;
inline constexpr std::uint32_t skip_metadata = 0x02;
inline constexpr std::uint32_t page_size = 0x04;
inline constexpr std::uint32_t paging_state = 0x08;
inline constexpr std::uint32_t serial_consistency = 0x10;
inline constexpr std::uint32_t timestamp = 0x20;
inline constexpr std::uint32_t names = 0x40;
inline constexpr std::uint32_t keyspace = 0x80;         // version 5
inline constexpr std::uint32_t now_in_seconds = 0x100;  // version 5
}  // namespace query_flag

constexpr std::size_t query_flags_size(std::uint8_t version) noexcept
{
    return version >= 5 ? 4 : 1;
}

// What QUERY, EXECUTE and BATCH share. Offsets count from the beginning of the envelope's body, a
// custom payload included.
struct statement_options {
    protocol::consistency consistency{protocol::consistency::one};
    std::uint32_t flags{0};
    std::optional<protocol::consistency> serial_consistency;
    std::optional<std::int64_t> timestamp_us;
    std::optional<std::string_view> keyspace;
    std::optional<std::int32_t> now_in_seconds;
    std::size_t flags_offset{0};
    std::size_t timestamp_offset{0};  // where the 8 bytes stand, or would have to be inserted
    std::size_t now_offset{0};        // the same for the 4 bytes of now_in_seconds
};

struct query_parameters : statement_options {
    std::uint16_t value_count{0};
    bool named_values{false};
    bytes_view values{};  // raw, names included, without the count
    std::optional<std::int32_t> page_size;
    std::optional<bytes_view> paging_state;
};

// Calls f(name, value) for each of the raw `values`; the name is empty where they are not named.
// Fails where the bytes are not values; the calls until there have been made.
template <class F> result<void> for_each_value(bytes_view values, bool named, F&& f)
{
    cursor in(values);
    while (in.ok() && !in.remaining().empty()) {
        const auto name = named ? in.string() : std::string_view{};
        const auto value = in.value();
        if (in.ok()) f(name, value);
    }
    if (!in.ok()) return fail(errc::malformed);
    return {};
}

namespace detail {

// Moves over `count` values and returns their bytes. Version 3 knows no unset: its -2 would be a
// null for the server and an unset for a target of version 4, so it is refused.
inline bytes_view
skip_values(cursor& in, std::uint16_t count, bool named, std::uint8_t version) noexcept
{
    const auto begin = in.position();
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
        if (named) in.string();
        const auto value = in.value();
        if (version < 4 && value.is == bound_value::state::unset) in.set_failed();
    }
    return in.since(begin);
}

// Flags that a version does not define are read like those of version 5, as the server does.
inline query_parameters read_query_parameters(cursor& in, std::uint8_t version) noexcept
{
    query_parameters out;
    out.consistency = in.consistency_();
    out.flags_offset = in.position();
    out.flags = version >= 5 ? static_cast<std::uint32_t>(in.int_()) : in.byte_();
    const auto has = [&](std::uint32_t flag) { return (out.flags & flag) != 0; };

    if (has(query_flag::values)) {
        out.value_count = in.short_();
        out.named_values = has(query_flag::names);
        out.values = skip_values(in, out.value_count, out.named_values, version);
    }
    if (has(query_flag::page_size)) out.page_size = in.int_();
    if (has(query_flag::paging_state)) out.paging_state = in.bytes();
    if (has(query_flag::serial_consistency)) out.serial_consistency = in.consistency_();
    out.timestamp_offset = in.position();
    if (has(query_flag::timestamp)) out.timestamp_us = in.long_();
    if (has(query_flag::keyspace)) out.keyspace = in.string();
    out.now_offset = in.position();
    if (has(query_flag::now_in_seconds)) out.now_in_seconds = in.int_();
    return out;
}

// A custom payload, [bytes map], stands before the message itself.
inline void skip_prefix(cursor& in, std::uint8_t envelope_flags) noexcept
{
    if ((envelope_flags & flag_custom_payload) == 0) return;
    for (auto n = in.short_(); n > 0 && in.ok(); --n) {
        in.string();
        in.bytes();
    }
}

}  // namespace detail
}  // namespace dualwrite::protocol
