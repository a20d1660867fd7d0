#include <dualwrite/protocol/envelope.hpp>
#include <dualwrite/protocol/segment.hpp>

#include <limits>

#include "guard.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

static_assert(DW_SEGMENT_PAYLOAD_MAX == protocol::segment_payload_max);

namespace {

bytes_view view(const void* bytes, std::size_t size) noexcept
{
    return {static_cast<const std::byte*>(bytes), size};
}

const std::uint8_t* as_c(const std::byte* bytes) noexcept
{
    return reinterpret_cast<const std::uint8_t*>(bytes);
}

// Says how many bytes are needed at least.
template <class Struct> int not_yet(Struct* out, Struct value, std::size_t needed) noexcept
{
    value.wire_size = static_cast<std::uint32_t>(needed);
    give(out, value);
    return DW_NOT_YET;
}

int parse_envelope(dw_envelope* out, bytes_view in, std::uint32_t body_size_max, dw_error* err)
{
    dw_envelope value = DW_ENVELOPE_INIT;
    if (in.size() < protocol::envelope_header_size)
        return not_yet(out, value, protocol::envelope_header_size);
    const auto header = protocol::parse_envelope_header(in);
    if (!header) return report(err, header.error(), "");
    // The size is signed in the specification.
    constexpr auto size_max = std::uint32_t{std::numeric_limits<std::int32_t>::max()};
    if (header->body_size > std::min(body_size_max, size_max))
        return report(err, make_error_code(errc::body_too_large), "");
    if (in.size() < header->size()) return not_yet(out, value, header->size());

    value.wire_size = static_cast<std::uint32_t>(header->size());
    value.body = as_c(in.data() + protocol::envelope_header_size);
    value.body_size = header->body_size;
    value.stream_id = header->stream;
    value.version = header->version;
    value.response = header->response ? 1 : 0;
    value.flags = header->flags;
    value.opcode = static_cast<std::uint8_t>(header->op);
    return give(out, value);
}

// Where a compressed payload goes; empty if there is no place.
struct target_buffer {
    std::byte* data;
    std::size_t capacity;
};

int parse_segment(dw_segment* out, bytes_view in, bool lz4, target_buffer buffer, dw_error* err)
{
    dw_segment value = DW_SEGMENT_INIT;
    if (in.size() < protocol::segment_header_size(lz4))
        return not_yet(out, value, protocol::segment_header_size(lz4));
    const auto header = protocol::parse_segment_header(in, lz4);
    if (!header) return report(err, header.error(), "");
    const auto size = header->size(lz4);
    if (in.size() < size) return not_yet(out, value, size);
    const bool compressed = header->uncompressed_size != 0;
    if (compressed && (buffer.data == nullptr || buffer.capacity < header->uncompressed_size))
        return report(err, DW_E_INVALID_ARGUMENT, "buffer is too small for this payload");

    // Kept between calls, so that segments of a connection do not allocate each.
    thread_local byte_buffer scratch;
    const auto payload = protocol::open_segment(in.first(size), *header, lz4, scratch);
    if (!payload) return report(err, payload.error(), "");
    value.wire_size = static_cast<std::uint32_t>(size);
    value.payload = as_c(payload->data());
    value.payload_size = static_cast<std::uint32_t>(payload->size());
    if (header->self_contained) value.flags |= DW_SEGMENT_SELF_CONTAINED;
    if (compressed) {
        value.flags |= DW_SEGMENT_COMPRESSED;
        std::memcpy(buffer.data, payload->data(), payload->size());
        value.payload = as_c(buffer.data);
    }
    return give(out, value);
}

}  // namespace

int dw_envelope_parse(
    dw_envelope* out, const void* bytes, size_t size, uint32_t body_size_max, dw_error* err
)
{
    return guard(err, [&] {
        if (const int code = check_struct(err, out, "out"); code != DW_OK) return code;
        if (bytes == nullptr && size != 0) return null_argument(err, "bytes");
        return parse_envelope(out, view(bytes, size), body_size_max, err);
    });
}

int dw_segment_parse(
    dw_segment* out,
    const void* bytes,
    size_t size,
    uint32_t flags,
    void* buffer,
    size_t capacity,
    dw_error* err
)
{
    return guard(err, [&] {
        if (const int code = check_struct(err, out, "out"); code != DW_OK) return code;
        if (bytes == nullptr && size != 0) return null_argument(err, "bytes");
        if ((flags & ~DW_SEGMENT_LZ4) != 0)
            return report(err, DW_E_INVALID_ARGUMENT, "flags has a bit other than DW_SEGMENT_LZ4");
        const target_buffer to{static_cast<std::byte*>(buffer), capacity};
        return parse_segment(out, view(bytes, size), (flags & DW_SEGMENT_LZ4) != 0, to, err);
    });
}
