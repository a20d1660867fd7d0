#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>
#include <dualwrite/protocol/crc.hpp>

#include <array>
#include <lz4.h>

namespace dualwrite::protocol {

// Version 5 wraps envelopes into segments, little-endian:
//
//   segment = header crc24 payload crc32
//   header  plain  3 bytes  17 bits payload size, 1 bit self-contained, 6 bits 0
//           LZ4    5 bytes  17 bits payload size, 17 bits uncompressed size, 1 bit
//                           self-contained, 5 bits 0
//
// Self-contained: the payload is one or more whole envelopes. Otherwise it is a part of one
// envelope that is too large for a segment. With LZ4, an uncompressed size of 0 means that the
// payload is stored as it is. (The text of the specification says that the *compressed* size is 0;
// every implementation does it this way.)
inline constexpr std::size_t segment_payload_max = 131071;
inline constexpr std::size_t segment_trailer_size = 4;

constexpr std::size_t segment_header_size(bool lz4) noexcept
{
    return lz4 ? 8 : 6;
}

struct segment_header {
    std::uint32_t wire_size{0};          // of the payload as it is on the wire
    std::uint32_t uncompressed_size{0};  // 0: the payload is not compressed
    bool self_contained{true};

    // The whole segment on the wire.
    std::size_t size(bool lz4) const noexcept
    {
        return segment_header_size(lz4) + wire_size + segment_trailer_size;
    }

    friend bool operator==(const segment_header&, const segment_header&) = default;
};

// `in` holds at least segment_header_size(lz4) bytes.
inline result<segment_header> parse_segment_header(bytes_view in, bool lz4) noexcept
{
    const auto size = segment_header_size(lz4);
    DW_ASSERT(in.size() >= size);
    std::array<std::byte, 8> padded{};
    std::memcpy(padded.data(), in.data(), size);
    const auto bits = load_le<std::uint64_t>(padded.data());
    const auto data_bits = static_cast<unsigned>((size - 3) * 8);
    if (((bits >> data_bits) & 0xffffff) != crc24(in.first(size - 3))) return fail(errc::bad_crc);

    segment_header header;
    header.wire_size = bits & 0x1ffff;
    if (lz4) header.uncompressed_size = (bits >> 17) & 0x1ffff;
    header.self_contained = ((bits >> (lz4 ? 34 : 17)) & 1) != 0;
    return header;
}

// Writes segment_header_size(lz4) bytes.
inline void store_segment_header(std::byte* out, const segment_header& header, bool lz4) noexcept
{
    DW_ASSERT(header.wire_size <= segment_payload_max);
    DW_ASSERT(header.uncompressed_size <= segment_payload_max);
    std::uint64_t bits = header.wire_size;
    if (lz4) bits |= std::uint64_t{header.uncompressed_size} << 17;
    if (header.self_contained) bits |= std::uint64_t{1} << (lz4 ? 34 : 17);
    std::array<std::byte, 8> padded{};
    store_le(padded.data(), bits);

    const auto data_size = segment_header_size(lz4) - 3;
    const auto crc = crc24(bytes_view(padded).first(data_size));
    for (std::size_t i = 0; i < 3; ++i)
        padded[data_size + i] = static_cast<std::byte>(crc >> (8 * i));
    std::memcpy(out, padded.data(), segment_header_size(lz4));
}

// `segment` is the whole segment of which `header` was parsed. The payload is a view into it or,
// where it had to be decompressed, into `scratch`, which is overwritten.
inline result<bytes_view>
open_segment(bytes_view segment, const segment_header& header, bool lz4, byte_buffer& scratch)
{
    DW_ASSERT(segment.size() == header.size(lz4));
    const auto payload = segment.subspan(segment_header_size(lz4), header.wire_size);
    const auto crc = load_le<std::uint32_t>(segment.data() + segment.size() - 4);
    if (crc != crc32(payload)) return fail(errc::bad_crc);
    if (header.uncompressed_size == 0) return payload;

    scratch.clear();
    const auto size = static_cast<int>(header.uncompressed_size);
    const auto got = LZ4_decompress_safe(
        reinterpret_cast<const char*>(payload.data()),
        reinterpret_cast<char*>(scratch.extend(header.uncompressed_size)),
        static_cast<int>(payload.size()),
        size
    );
    if (got != size) return fail(errc::bad_compression);
    return scratch.view();
}

// Below this size the setup of a compressor costs more than the few bytes that it could save.
inline constexpr std::size_t segment_compress_min = 64;

// `payload` has at most segment_payload_max bytes and is not a part of `out`.
inline void append_segment(byte_buffer& out, bytes_view payload, bool self_contained, bool lz4)
{
    DW_ASSERT(payload.size() <= segment_payload_max);
    const auto head = segment_header_size(lz4);
    const auto begin = out.size();
    segment_header header{static_cast<std::uint32_t>(payload.size()), 0, self_contained};

    const auto compress = lz4 && payload.size() >= segment_compress_min;
    const auto size = static_cast<int>(payload.size());
    // Room for a result that is smaller than the payload; any other is not wanted.
    auto* body = out.extend(head + payload.size() + segment_trailer_size) + head;
    auto got = 0;
    if (compress)
        got = LZ4_compress_default(
            reinterpret_cast<const char*>(payload.data()),
            reinterpret_cast<char*>(body),
            size,
            size - 1
        );
    if (got > 0) {
        header.wire_size = static_cast<std::uint32_t>(got);
        header.uncompressed_size = static_cast<std::uint32_t>(size);
    } else if (!payload.empty()) {
        std::memcpy(body, payload.data(), payload.size());
    }
    store_segment_header(body - head, header, lz4);
    store_le(body + header.wire_size, crc32({body, header.wire_size}));
    out.truncate(begin + header.size(lz4));
}

// `envelopes`: whole envelopes that fit into one segment together, or one envelope of any size.
inline void append_as_segments(byte_buffer& out, bytes_view envelopes, bool lz4)
{
    if (envelopes.size() <= segment_payload_max) return append_segment(out, envelopes, true, lz4);
    while (!envelopes.empty()) {
        const auto part = std::min(envelopes.size(), segment_payload_max);
        append_segment(out, envelopes.first(part), false, lz4);
        envelopes = envelopes.subspan(part);
    }
}

}  // namespace dualwrite::protocol
