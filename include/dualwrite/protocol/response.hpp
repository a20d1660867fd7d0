#pragma once

#include <dualwrite/protocol/envelope.hpp>
#include <dualwrite/protocol/error_response.hpp>
#include <dualwrite/protocol/event.hpp>
#include <dualwrite/protocol/rows.hpp>

namespace dualwrite::protocol {

// What stands before the message, in this order on the wire.
struct response_prefix {
    std::optional<uuid_value> tracing_id;
    string_list warnings;
    std::vector<std::pair<std::string_view, std::optional<bytes_view>>> custom_payload;
    bytes_view message;  // the rest: what every parser below takes
};

inline result<response_prefix> parse_response_prefix(std::uint8_t flags, bytes_view body)
{
    cursor in(body);
    response_prefix out;
    if ((flags & flag_tracing) != 0) out.tracing_id = in.uuid_();
    if ((flags & flag_warning) != 0) out.warnings = in.strings();
    if ((flags & flag_custom_payload) != 0) {
        for (auto n = in.short_(); n > 0 && in.ok(); --n) {
            const auto key = in.string();
            out.custom_payload.emplace_back(key, in.bytes());
        }
    }
    if (!in.ok()) return fail(errc::malformed);
    out.message = in.remaining();
    return out;
}

// The message without what stands before it, for callers who do not look at that. No allocation.
inline result<bytes_view> skip_response_prefix(std::uint8_t flags, bytes_view body) noexcept
{
    cursor in(body);
    if ((flags & flag_tracing) != 0) in.raw(16);
    if ((flags & flag_warning) != 0)
        for (auto n = in.short_(); n > 0 && in.ok(); --n) in.string();
    if ((flags & flag_custom_payload) != 0) {
        for (auto n = in.short_(); n > 0 && in.ok(); --n) {
            in.string();
            in.bytes();
        }
    }
    if (!in.ok()) return fail(errc::malformed);
    return in.remaining();
}

enum class result_kind : std::int32_t {
    void_ = 1,
    rows = 2,
    set_keyspace = 3,
    prepared = 4,
    schema_change = 5,
};

inline result<result_kind> parse_result_kind(bytes_view message) noexcept
{
    cursor in(message);
    const auto kind = in.int_();
    if (!in.ok() || kind < 1 || kind > 5) return fail(errc::malformed);
    return static_cast<result_kind>(kind);
}

namespace detail {

// A cursor behind the kind, which has to be `kind`.
inline cursor open_result(bytes_view message, result_kind kind) noexcept
{
    cursor in(message);
    if (in.int_() != static_cast<std::int32_t>(kind)) in.set_failed();
    return in;
}

}  // namespace detail

// The name as it is, not quoted.
inline result<std::string_view> parse_set_keyspace(bytes_view message) noexcept
{
    auto in = detail::open_result(message, result_kind::set_keyspace);
    const auto keyspace = in.string();
    if (!in.ok()) return fail(errc::malformed);
    return keyspace;
}

inline result<schema_change_view> parse_schema_change(bytes_view message)
{
    auto in = detail::open_result(message, result_kind::schema_change);
    auto change = detail::read_schema_change(in);
    if (!in.ok()) return fail(errc::malformed);
    return change;
}

// The ids are views into the message; the columns are owned.
struct prepared_result {
    bytes_view id;
    bytes_view result_metadata_id;          // version 5; empty below
    std::vector<std::uint16_t> pk_indexes;  // version 4 and above
    std::vector<column_spec> variables;     // the bind markers
    rows_metadata result;
};

inline result<prepared_result> parse_prepared(bytes_view message, std::uint8_t version)
{
    auto in = detail::open_result(message, result_kind::prepared);
    prepared_result out;
    out.id = in.short_bytes();
    if (version >= 5) out.result_metadata_id = in.short_bytes();

    const auto flags = static_cast<std::uint32_t>(in.int_());
    const auto count = detail::read_count(in);
    if (version >= 4)
        for (auto n = detail::read_count(in); n > 0 && in.ok(); --n)
            out.pk_indexes.push_back(in.short_());
    if ((flags & rows_flag::no_metadata) == 0)
        out.variables = detail::read_columns(in, flags, count);
    out.result = detail::read_rows_metadata(in);
    if (!in.ok()) return fail(errc::malformed);
    // An index that points at no marker would be followed into nothing.
    for (const auto index : out.pk_indexes)
        if (index >= out.variables.size()) return fail(errc::malformed);
    return out;
}

inline result<string_multimap> parse_supported(bytes_view message)
{
    return reader(message).string_multimap();
}

// The class of the server's authenticator.
inline result<std::string_view> parse_authenticate(bytes_view message) noexcept
{
    return reader(message).string();
}

}  // namespace dualwrite::protocol
