#pragma once

#include <dualwrite/protocol/batch.hpp>
#include <dualwrite/protocol/query_parameters.hpp>
#include <dualwrite/protocol/request_build.hpp>
#include <dualwrite/protocol/request_patch.hpp>

namespace dualwrite::protocol {

// Requests as views: nothing is copied or allocated, and all views live as long as `body`, which is
// the uncompressed body of the envelope. `envelope_flags` say whether a custom payload precedes the
// message. Bytes after the message are ignored, as the specification asks.

struct query_view {
    std::string_view text;
    query_parameters parameters;
};

struct execute_view {
    bytes_view id;
    bytes_view result_metadata_id;  // version 5; empty below
    query_parameters parameters;
};

struct prepare_view {
    std::string_view text;
    std::optional<std::string_view> keyspace;  // version 5
};

// The message behind the custom payload.
inline result<bytes_view> skip_request_prefix(std::uint8_t envelope_flags, bytes_view body) noexcept
{
    cursor in(body);
    detail::skip_prefix(in, envelope_flags);
    if (!in.ok()) return fail(errc::malformed);
    return in.remaining();
}

inline result<query_view>
parse_query(bytes_view body, std::uint8_t version, std::uint8_t envelope_flags = 0) noexcept
{
    cursor in(body);
    detail::skip_prefix(in, envelope_flags);
    query_view out;
    out.text = in.long_string();
    out.parameters = detail::read_query_parameters(in, version);
    if (!in.ok()) return fail(errc::malformed);
    return out;
}

inline result<execute_view>
parse_execute(bytes_view body, std::uint8_t version, std::uint8_t envelope_flags = 0) noexcept
{
    cursor in(body);
    detail::skip_prefix(in, envelope_flags);
    execute_view out;
    out.id = in.short_bytes();
    if (version >= 5) out.result_metadata_id = in.short_bytes();
    out.parameters = detail::read_query_parameters(in, version);
    if (!in.ok()) return fail(errc::malformed);
    return out;
}

inline result<prepare_view>
parse_prepare(bytes_view body, std::uint8_t version, std::uint8_t envelope_flags = 0) noexcept
{
    cursor in(body);
    detail::skip_prefix(in, envelope_flags);
    prepare_view out;
    out.text = in.long_string();
    if (version >= 5 && (in.int_() & prepare_flag_keyspace) != 0) out.keyspace = in.string();
    if (!in.ok()) return fail(errc::malformed);
    return out;
}

// The options, in the order of the message.
inline result<string_map> parse_startup(bytes_view body)
{
    return reader(body).string_map();
}

inline std::optional<std::string_view>
find_option(const string_map& options, std::string_view name) noexcept
{
    for (const auto& [key, value] : options)
        if (key == name) return value;
    return std::nullopt;
}

// The names of the events that the client wants.
inline result<string_list> parse_register(bytes_view body)
{
    return reader(body).string_list();
}

// The token. AUTH_CHALLENGE and AUTH_SUCCESS have the same form.
inline result<std::optional<bytes_view>> parse_auth_token(bytes_view body) noexcept
{
    return reader(body).bytes();
}

}  // namespace dualwrite::protocol
