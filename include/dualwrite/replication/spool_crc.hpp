#pragma once

#include <dualwrite/base/bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

// CRC-32C (Castagnoli, reflected, polynomial 0x82f63b78), the checksum that x86 computes in
// hardware. crc32c(0, "123456789") is 0xe3069283; crc32c(crc32c(0, a), b) is that of a and b.

namespace dualwrite::replication {

namespace detail {

using crc_tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr crc_tables make_crc32c_tables() noexcept
{
    crc_tables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        auto crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
        tables[0][byte] = crc;
    }
    for (std::size_t byte = 0; byte < 256; ++byte)
        for (std::size_t t = 1; t < 8; ++t) {
            const auto before = tables[t - 1][byte];
            tables[t][byte] = before >> 8 ^ tables[0][before & 0xff];
        }
    return tables;
}

inline constexpr crc_tables crc32c_tables = make_crc32c_tables();

// Eight bytes per step ("slicing by 8").
constexpr std::uint32_t crc32c_step(std::uint32_t crc, std::uint64_t word) noexcept
{
    word ^= crc;
    std::uint32_t result = 0;
    for (std::size_t byte = 0; byte < 8; ++byte)
        result ^= crc32c_tables[7 - byte][word >> (8 * byte) & 0xff];
    return result;
}

inline std::uint32_t crc32c_portable(std::uint32_t crc, bytes_view bytes) noexcept
{
    crc = ~crc;
    const auto* in = bytes.data();
    auto left = bytes.size();
    for (; left >= 8; left -= 8, in += 8) crc = crc32c_step(crc, load_le<std::uint64_t>(in));
    for (; left != 0; --left, ++in)
        crc = crc >> 8 ^ crc32c_tables[0][(crc ^ std::to_integer<std::uint32_t>(*in)) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) inline std::uint32_t
crc32c_sse42(std::uint32_t crc, bytes_view bytes) noexcept
{
    std::uint64_t wide = ~crc;
    const auto* in = bytes.data();
    auto left = bytes.size();
    for (; left >= 8; left -= 8, in += 8)
        wide = __builtin_ia32_crc32di(wide, load_le<std::uint64_t>(in));
    auto narrow = static_cast<std::uint32_t>(wide);
    for (; left != 0; --left, ++in)
        narrow = __builtin_ia32_crc32qi(narrow, std::to_integer<unsigned char>(*in));
    return ~narrow;
}

inline const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
#endif

}  // namespace detail

inline std::uint32_t crc32c(std::uint32_t crc, bytes_view bytes) noexcept
{
#if defined(__x86_64__)
    if (detail::has_sse42) return detail::crc32c_sse42(crc, bytes);
#endif
    return detail::crc32c_portable(crc, bytes);
}

}  // namespace dualwrite::replication
