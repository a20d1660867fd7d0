#pragma once

#include <dualwrite/protocol/primitives.hpp>

namespace dualwrite::protocol {

// ERROR. What a code does not carry keeps its default.
struct error_view {
    error_code code{error_code::server_error};
    std::string_view message{};  // the server's words: untrusted
    protocol::consistency consistency{protocol::consistency::any};
    std::int32_t received{0};  // of UNAVAILABLE: replicas alive
    std::int32_t required{0};
    std::int32_t failures{0};  // replicas that answered with a failure
    std::string_view write_type{};
    bool data_present{false};
    std::uint16_t contentions{0};  // of a CAS write timeout, version 5
    bytes_view unprepared_id{};
    std::string_view keyspace{};  // of ALREADY_EXISTS and FUNCTION_FAILURE
    std::string_view name{};      // the table, empty for a keyspace; the function
};

namespace detail {

// Version 5 names the replicas, with an [inetaddr] and a [short] for each; before it was a count.
inline std::int32_t read_failures(cursor& in, std::uint8_t version) noexcept
{
    const auto count = in.int_();
    if (count < 0) in.set_failed();
    if (version < 5) return count;
    for (auto left = count; left > 0 && in.ok(); --left) {
        in.inet_address();
        in.short_();
    }
    return count;
}

inline void read_replicas(cursor& in, error_view& out) noexcept
{
    out.consistency = in.consistency_();
    out.received = in.int_();
    out.required = in.int_();
}

inline void read_error_details(cursor& in, error_view& out, std::uint8_t version) noexcept
{
    switch (out.code) {
    case error_code::unavailable:
        out.consistency = in.consistency_();
        out.required = in.int_();
        out.received = in.int_();
        break;
    case error_code::write_timeout:
        read_replicas(in, out);
        out.write_type = in.string();
        // Servers that are not Cassandra leave it out.
        if (version >= 5 && out.write_type == "CAS" && in.remaining().size() >= 2)
            out.contentions = in.short_();
        break;
    case error_code::read_timeout:
        read_replicas(in, out);
        out.data_present = in.byte_() != 0;
        break;
    case error_code::read_failure:
        read_replicas(in, out);
        out.failures = read_failures(in, version);
        out.data_present = in.byte_() != 0;
        break;
    case error_code::write_failure:
        read_replicas(in, out);
        out.failures = read_failures(in, version);
        out.write_type = in.string();
        break;
    case error_code::cas_write_unknown:
        read_replicas(in, out);
        break;
    case error_code::function_failure:
    case error_code::already_exists:
        out.keyspace = in.string();
        out.name = in.string();
        break;
    case error_code::unprepared:
        out.unprepared_id = in.short_bytes();
        break;
    default:
        break;
    }
}

}  // namespace detail

// `message` is the body behind the prefix. A code that we do not know has its text only.
inline result<error_view> parse_error(bytes_view message, std::uint8_t version) noexcept
{
    cursor in(message);
    error_view out;
    out.code = static_cast<error_code>(in.int_());
    out.message = in.string();
    if (in.ok()) detail::read_error_details(in, out, version);
    if (!in.ok()) return fail(errc::malformed);
    return out;
}

// For codes without details. A text that is too long for the message is cut.
inline void append_error_body(byte_buffer& out, error_code code, std::string_view text)
{
    append_int(out, static_cast<std::int32_t>(code));
    append_string(out, text.substr(0, 0xffff));
}

inline void append_unprepared_body(byte_buffer& out, bytes_view id, std::string_view text)
{
    append_error_body(out, error_code::unprepared, text);
    append_short_bytes(out, id);
}

}  // namespace dualwrite::protocol
