#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>
#include <dualwrite/protocol/opcode.hpp>

#include <limits>

namespace dualwrite::protocol {

// envelope = version flags stream opcode size body
//   version  1 byte   protocol version; the top bit is set in responses
//   flags    1 byte
//   stream   2 bytes  signed; -1 for EVENT
//   opcode   1 byte
//   size     4 bytes  of the body
inline constexpr std::size_t envelope_header_size = 9;

inline constexpr std::uint8_t flag_compressed = 0x01;
inline constexpr std::uint8_t flag_tracing = 0x02;
inline constexpr std::uint8_t flag_custom_payload = 0x04;
inline constexpr std::uint8_t flag_warning = 0x08;
inline constexpr std::uint8_t flag_use_beta = 0x10;

struct envelope_header {
    std::uint8_t version{4};  // 3..5, without the direction bit
    bool response{false};
    std::uint8_t flags{0};
    std::int16_t stream{0};
    opcode op{opcode::error};
    std::uint32_t body_size{0};

    std::size_t size() const noexcept { return envelope_header_size + body_size; }

    friend bool operator==(const envelope_header&, const envelope_header&) = default;
};

// The body is not compressed. Valid as long as the buffer that it was read from.
struct envelope_view {
    envelope_header header;
    bytes_view body;
};

// For answers to envelopes that parse_envelope_header() refuses; `in` holds a whole header.
inline std::int16_t peek_stream(bytes_view in) noexcept
{
    DW_ASSERT(in.size() >= envelope_header_size);
    return load_be<std::int16_t>(in.data() + 2);
}

inline std::uint8_t peek_version(bytes_view in) noexcept
{
    DW_ASSERT(!in.empty());
    return std::to_integer<std::uint8_t>(in[0]) & 0x7f;
}

// `in` holds at least envelope_header_size bytes. The direction is not judged, nor whether the body
// is too large: both depend on the connection. A negative size is malformed, as for the server.
inline result<envelope_header> parse_envelope_header(bytes_view in) noexcept
{
    DW_ASSERT(in.size() >= envelope_header_size);
    const auto version = peek_version(in);
    const auto op = std::to_integer<std::uint8_t>(in[4]);
    if (version < version_min || version > version_max) return fail(errc::bad_version);
    if (!is_known(op)) return fail(errc::bad_opcode);
    const auto body_size = load_be<std::uint32_t>(in.data() + 5);
    if (body_size > std::numeric_limits<std::int32_t>::max()) return fail(errc::malformed);
    return envelope_header{
        .version = version,
        .response = (std::to_integer<std::uint8_t>(in[0]) & 0x80) != 0,
        .flags = std::to_integer<std::uint8_t>(in[1]),
        .stream = peek_stream(in),
        .op = static_cast<opcode>(op),
        .body_size = body_size,
    };
}

// Writes envelope_header_size bytes.
inline void store_envelope_header(std::byte* out, const envelope_header& header) noexcept
{
    out[0] = static_cast<std::byte>(header.version | (header.response ? 0x80 : 0));
    out[1] = static_cast<std::byte>(header.flags);
    store_be(out + 2, header.stream);
    out[4] = static_cast<std::byte>(header.op);
    store_be(out + 5, header.body_size);
}

// The size in `header` is replaced by that of `body`.
inline void append_envelope(byte_buffer& out, envelope_header header, bytes_view body)
{
    header.body_size = static_cast<std::uint32_t>(body.size());
    auto* begin = out.extend(header.size());
    store_envelope_header(begin, header);
    if (!body.empty()) std::memcpy(begin + envelope_header_size, body.data(), body.size());
}

// For bodies that are written in place: reserves the header, then finish_envelope() fills it.
inline std::size_t begin_envelope(byte_buffer& out)
{
    const auto begin = out.size();
    out.extend(envelope_header_size);
    return begin;
}

inline void finish_envelope(byte_buffer& out, std::size_t begin, envelope_header header) noexcept
{
    DW_ASSERT(begin + envelope_header_size <= out.size());
    header.body_size = static_cast<std::uint32_t>(out.size() - begin - envelope_header_size);
    store_envelope_header(out.data() + begin, header);
}

}  // namespace dualwrite::protocol
