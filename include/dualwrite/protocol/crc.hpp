#pragma once

#include <dualwrite/base/bytes.hpp>

#include <array>
#include <libdeflate.h>

namespace dualwrite::protocol {

inline constexpr std::uint32_t crc24_initial = 0x875060;
inline constexpr std::uint32_t crc24_polynomial = 0x1974f0b;

inline constexpr auto crc24_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        auto crc = i << 16;
        for (int bit = 0; bit < 8; ++bit) {
            crc <<= 1;
            if ((crc & 0x1000000) != 0) crc ^= crc24_polynomial;
        }
        table[i] = crc;
    }
    return table;
}();

// Protects the header of a segment; most significant bit first.
inline std::uint32_t crc24(bytes_view in) noexcept
{
    auto crc = crc24_initial;
    for (const auto byte : in) {
        const auto index = (crc >> 16) ^ std::to_integer<std::uint32_t>(byte);
        crc = ((crc << 8) & 0xffffff) ^ crc24_table[index & 0xff];
    }
    return crc;
}

// The CRC-32 of zlib over the bytes FA 2D 55 CA: where the CRC of a segment's payload starts, so
// that a payload of zeros does not have a CRC of zero.
inline constexpr std::uint32_t crc32_initial = [] {
    auto crc = ~std::uint32_t{0};
    for (const std::uint32_t byte : {0xfau, 0x2du, 0x55u, 0xcau}) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
    }
    return ~crc;
}();

// Protects the payload of a segment.
inline std::uint32_t crc32(bytes_view in) noexcept
{
    // The library takes a null pointer, which an empty view may have, for a request to begin anew.
    if (in.empty()) return crc32_initial;
    return libdeflate_crc32(crc32_initial, in.data(), in.size());
}

}  // namespace dualwrite::protocol
