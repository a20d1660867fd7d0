#pragma once

#include <dualwrite/protocol/query_parameters.hpp>

#include <array>

namespace dualwrite::protocol {

// A QUERY, EXECUTE or BATCH body with another default timestamp, as the pieces of which it is made,
// so that the values can be forwarded from where they lie:
//
//   head flags middle timestamp tail [now rest]
struct request_patch {
    bytes_view head;
    std::array<std::byte, 4> flags_bytes{};
    std::uint8_t flags_size{1};
    bytes_view middle;
    std::array<std::byte, 8> timestamp{};
    bytes_view tail;
    std::array<std::byte, 4> now_bytes{};
    std::uint8_t now_size{0};  // 0: now_in_seconds stays as it was
    bytes_view rest{};

    bytes_view flags() const noexcept { return bytes_view(flags_bytes).first(flags_size); }
    bytes_view now() const noexcept { return bytes_view(now_bytes).first(now_size); }

    std::size_t size() const noexcept
    {
        return head.size() + flags_size + middle.size() + timestamp.size() + tail.size() +
               now_size + rest.size();
    }

    std::array<bytes_view, 7> pieces() const noexcept
    {
        return {head, flags(), middle, timestamp, tail, now(), rest};
    }
};

namespace detail {

inline std::uint32_t load_flags(bytes_view body, std::size_t offset, std::size_t size) noexcept
{
    DW_ASSERT(offset + size <= body.size());
    if (size == 4) return load_be<std::uint32_t>(body.data() + offset);
    return std::to_integer<std::uint32_t>(body[offset]);
}

inline void set_flags(request_patch& patch, std::uint32_t flags) noexcept
{
    if (patch.flags_size == 4)
        store_be(patch.flags_bytes.data(), flags);
    else
        patch.flags_bytes[0] = static_cast<std::byte>(flags);
}

}  // namespace detail

// The offsets are those of the parsed request. A timestamp that the body has already is replaced.
inline request_patch patch_timestamp(
    bytes_view body,
    std::uint8_t version,
    std::size_t flags_offset,
    std::size_t timestamp_offset,
    std::int64_t timestamp_us
) noexcept
{
    request_patch out;
    const auto flags_size = query_flags_size(version);
    const auto flags = detail::load_flags(body, flags_offset, flags_size);
    const auto middle_begin = flags_offset + flags_size;
    DW_ASSERT(middle_begin <= timestamp_offset && timestamp_offset <= body.size());
    const std::size_t replaced = (flags & query_flag::timestamp) != 0 ? 8 : 0;

    out.head = body.first(flags_offset);
    out.flags_size = static_cast<std::uint8_t>(flags_size);
    detail::set_flags(out, flags | query_flag::timestamp);
    out.middle = body.subspan(middle_begin, timestamp_offset - middle_begin);
    store_be(out.timestamp.data(), timestamp_us);
    out.tail = body.subspan(timestamp_offset + replaced);
    return out;
}

// Both times. now_in_seconds exists in version 5 only: from it the server derives expiry.
inline request_patch patch_times(
    bytes_view body,
    std::uint8_t version,
    const statement_options& options,
    std::int64_t timestamp_us,
    std::int32_t now_in_seconds
) noexcept
{
    DW_ASSERT(version >= 5);
    auto out = patch_timestamp(
        body, version, options.flags_offset, options.timestamp_offset, timestamp_us
    );
    const auto flags = load_be<std::uint32_t>(out.flags_bytes.data());
    const std::size_t replaced = (flags & query_flag::now_in_seconds) != 0 ? 4 : 0;
    const auto tail_begin = body.size() - out.tail.size();

    detail::set_flags(out, flags | query_flag::now_in_seconds);
    out.tail = body.subspan(tail_begin, options.now_offset - tail_begin);
    store_be(out.now_bytes.data(), now_in_seconds);
    out.now_size = 4;
    out.rest = body.subspan(options.now_offset + replaced);
    return out;
}

inline void append_patched(byte_buffer& out, const request_patch& patch)
{
    out.reserve(out.size() + patch.size());
    for (const auto piece : patch.pieces()) out.append(piece);
}

inline void append_with_timestamp(
    byte_buffer& out,
    bytes_view body,
    std::uint8_t version,
    std::size_t flags_offset,
    std::size_t timestamp_offset,
    std::int64_t timestamp_us
)
{
    append_patched(
        out, patch_timestamp(body, version, flags_offset, timestamp_offset, timestamp_us)
    );
}

}  // namespace dualwrite::protocol
