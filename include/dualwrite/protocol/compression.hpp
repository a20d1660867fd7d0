#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>

#include <lz4.h>
#include <optional>
#include <snappy-c.h>
#include <string_view>

namespace dualwrite::protocol {

// Of the bodies of single envelopes, versions 3 and 4. Version 5 compresses segments instead, and
// knows LZ4 only.
enum class compression : std::uint8_t { none, lz4, snappy };

// The word that stands in STARTUP and SUPPORTED; empty for `none`.
constexpr std::string_view compression_name(compression kind) noexcept
{
    switch (kind) {
    case compression::none:
        return "";
    case compression::lz4:
        return "lz4";
    case compression::snappy:
        return "snappy";
    }
    return "";
}

// Servers accept the names in any case.
constexpr std::optional<compression> parse_compression(std::string_view name) noexcept
{
    for (const auto kind : {compression::none, compression::lz4, compression::snappy}) {
        const auto known = compression_name(kind);
        bool same = known.size() == name.size();
        for (std::size_t i = 0; same && i < name.size(); ++i) same = (name[i] | 0x20) == known[i];
        if (same) return kind;
    }
    return std::nullopt;
}

namespace detail {

// A block of LZ4 grows by at most 255 times: a larger claim is a lie, found before memory is taken.
inline constexpr std::uint64_t lz4_ratio_max = 255;
// Snappy makes at most 64 bytes of 3.
inline constexpr std::uint64_t snappy_ratio_max = 32;

inline result<void> decompress_lz4(bytes_view in, std::size_t size_max, byte_buffer& out)
{
    if (in.size() < 4) return fail(errc::bad_compression);
    const auto size = load_be<std::uint32_t>(in.data());
    const auto block = in.subspan(4);
    if (size > size_max || size > LZ4_MAX_INPUT_SIZE) return fail(errc::body_too_large);
    if (size > block.size() * lz4_ratio_max) return fail(errc::bad_compression);
    if (size == 0 && block.empty()) return {};
    const auto begin = out.size();
    const auto got = LZ4_decompress_safe(
        reinterpret_cast<const char*>(block.data()),
        reinterpret_cast<char*>(out.extend(size)),
        static_cast<int>(block.size()),
        static_cast<int>(size)
    );
    if (got == static_cast<int>(size)) return {};
    out.truncate(begin);
    return fail(errc::bad_compression);
}

inline result<void> decompress_snappy(bytes_view in, std::size_t size_max, byte_buffer& out)
{
    const auto* data = reinterpret_cast<const char*>(in.data());
    std::size_t size = 0;
    if (snappy_uncompressed_length(data, in.size(), &size) != SNAPPY_OK)
        return fail(errc::bad_compression);
    if (size > size_max) return fail(errc::body_too_large);
    if (size > in.size() * snappy_ratio_max) return fail(errc::bad_compression);
    const auto begin = out.size();
    auto* to = reinterpret_cast<char*>(out.extend(size));
    if (snappy_uncompress(data, in.size(), to, &size) == SNAPPY_OK) return {};
    out.truncate(begin);
    return fail(errc::bad_compression);
}

inline result<void> compress_lz4(bytes_view in, byte_buffer& out)
{
    if (in.size() > LZ4_MAX_INPUT_SIZE) return fail(errc::body_too_large);
    const auto size = static_cast<int>(in.size());
    const auto bound = LZ4_compressBound(size);
    const auto begin = out.size();
    auto* to = out.extend(4 + static_cast<std::size_t>(bound));
    store_be(to, static_cast<std::uint32_t>(size));
    const auto got = LZ4_compress_default(
        reinterpret_cast<const char*>(in.data()), reinterpret_cast<char*>(to + 4), size, bound
    );
    DW_ASSERT(got > 0);
    out.truncate(begin + 4 + static_cast<std::size_t>(got));
    return {};
}

inline result<void> compress_snappy(bytes_view in, byte_buffer& out)
{
    auto size = snappy_max_compressed_length(in.size());
    const auto begin = out.size();
    auto* to = reinterpret_cast<char*>(out.extend(size));
    const auto* data = reinterpret_cast<const char*>(in.data());
    const auto status = snappy_compress(data, in.size(), to, &size);
    DW_ASSERT(status == SNAPPY_OK);
    out.truncate(begin + size);
    return {};
}

}  // namespace detail

// Appends the body to `out`, which stays as it was on failure. A declared size over `size_max`, or
// one that the input cannot have, is refused before memory is taken for it.
inline result<void>
decompress_body(compression kind, bytes_view in, std::size_t size_max, byte_buffer& out)
{
    switch (kind) {
    case compression::lz4:
        return detail::decompress_lz4(in, size_max, out);
    case compression::snappy:
        return detail::decompress_snappy(in, size_max, out);
    case compression::none:
        break;
    }
    return fail(errc::unknown_compression);
}

// Appends the compressed body to `out`.
inline result<void> compress_body(compression kind, bytes_view in, byte_buffer& out)
{
    switch (kind) {
    case compression::lz4:
        return detail::compress_lz4(in, out);
    case compression::snappy:
        return detail::compress_snappy(in, out);
    case compression::none:
        break;
    }
    return fail(errc::unknown_compression);
}

}  // namespace dualwrite::protocol
