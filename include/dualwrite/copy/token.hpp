#pragma once

#include <dualwrite/base/bytes.hpp>

#include <bit>
#include <compare>
#include <cstdint>
#include <limits>
#include <span>

// Tokens of Murmur3Partitioner: where on the ring a partition key lies.

namespace dualwrite::copy {

struct token {
    std::int64_t value{0};
    friend auto operator<=>(const token&, const token&) = default;
};

// No key has the first one; it is the start of the ring's first range.
inline constexpr token token_min{std::numeric_limits<std::int64_t>::min()};
inline constexpr token token_max{std::numeric_limits<std::int64_t>::max()};

namespace detail {

constexpr std::uint64_t murmur_c1 = 0x87c37b91114253d5;
constexpr std::uint64_t murmur_c2 = 0x4cf5ad432745937f;

constexpr std::uint64_t murmur_mix(std::uint64_t k) noexcept
{
    k ^= k >> 33;
    k *= 0xff51afd7ed558ccd;
    k ^= k >> 33;
    k *= 0xc4ceb9fe1a85ec53;
    return k ^ (k >> 33);
}

constexpr std::uint64_t murmur_k1(std::uint64_t k) noexcept
{
    return std::rotl(k * murmur_c1, 31) * murmur_c2;
}

constexpr std::uint64_t murmur_k2(std::uint64_t k) noexcept
{
    return std::rotl(k * murmur_c2, 33) * murmur_c1;
}

// Up to 8 bytes of the tail, little-endian. Cassandra's Java code widens them as *signed* bytes
// before it shifts, so a byte over 0x7f fills all higher bits: not the published algorithm, but
// the one that all its rings are made with.
inline std::uint64_t murmur_tail(const std::byte* in, std::size_t size) noexcept
{
    std::uint64_t k = 0;
    for (std::size_t i = 0; i < size; ++i) {
        const auto widened = static_cast<std::int64_t>(std::to_integer<std::int8_t>(in[i]));
        k ^= static_cast<std::uint64_t>(widened) << (8 * i);
    }
    return k;
}

}  // namespace detail

// The first half of MurmurHash3_x64_128, seed 0, as Cassandra computes it.
inline std::int64_t murmur3(bytes_view key) noexcept
{
    using namespace detail;
    std::uint64_t h1 = 0;
    std::uint64_t h2 = 0;
    const auto* in = key.data();
    for (auto blocks = key.size() / 16; blocks > 0; --blocks, in += 16) {
        h1 ^= murmur_k1(load_le<std::uint64_t>(in));
        h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= murmur_k2(load_le<std::uint64_t>(in + 8));
        h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5;
    }
    const auto rest = key.size() % 16;
    if (rest > 8) h2 ^= murmur_k2(murmur_tail(in + 8, rest - 8));
    if (rest > 0) h1 ^= murmur_k1(murmur_tail(in, rest < 8 ? rest : 8));

    h1 ^= key.size();
    h2 ^= key.size();
    h1 += h2;
    h2 += h1;
    h1 = murmur_mix(h1);
    h2 = murmur_mix(h2);
    return static_cast<std::int64_t>(h1 + h2);
}

// `key` is the whole partition key as one string of bytes, see append_partition_key().
inline token token_of(bytes_view key) noexcept
{
    if (key.empty()) return token_min;
    const auto hash = murmur3(key);
    return hash == token_min.value ? token_max : token{hash};
}

// key = value                                      for a key of one column
//     | (size value 00)+                           for several; size is 2 bytes
inline void append_partition_key(byte_buffer& out, std::span<const bytes_view> values)
{
    if (values.size() == 1) return out.append(values.front());
    for (const auto value : values) {
        // Cassandra accepts no key over 65535 bytes, so what it sent fits.
        out.append_be(static_cast<std::uint16_t>(value.size()));
        out.append(value);
        out.append_be(std::uint8_t{0});
    }
}

// The order of partitions on the ring: by token, then by the bytes of the key.
inline std::strong_ordering
compare_partitions(token a, bytes_view key_a, token b, bytes_view key_b) noexcept
{
    if (const auto order = a <=> b; order != 0) return order;
    return as_text(key_a).compare(as_text(key_b)) <=> 0;
}

}  // namespace dualwrite::copy
