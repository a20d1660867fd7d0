#pragma once

#include <dualwrite/copy/ledger_plan.hpp>
#include <dualwrite/copy/range_plan.hpp>

#include <cmath>
#include <cstdint>

// A random part of the ring. Tokens are hashes of partition keys, so it is a random sample of the
// partitions.

namespace dualwrite::copy {

// The ring is cut into so many slices and a piece is taken out of each, so that every node and
// every part of the table is in the sample.
inline constexpr std::uint32_t sample_slices = 256;

// `share` of the ring, above 0 and at most 1, the same for the same seed. Each token is as likely
// to be in it as every other.
inline range_set sample_ring(double share, std::uint64_t seed)
{
    DW_ASSERT(share > 0 && share <= 1);
    range_set out;
    auto state = seed;
    for (const auto& slice : split(whole_ring, sample_slices)) {
        const auto size = width(slice);
        const auto wanted =
            static_cast<std::uint64_t>(std::ceil(static_cast<double>(size) * share));
        const auto taken = std::clamp<std::uint64_t>(wanted, 1, size);
        // The piece may begin anywhere in the slice and goes on at its beginning: else the middle
        // of a slice would be taken more often than its ends.
        const auto offset = detail::next_random(state) % size;
        const auto at = [&](std::uint64_t place) {
            return token{
                static_cast<std::int64_t>(static_cast<std::uint64_t>(slice.start.value) + place)};
        };
        const auto first = std::min(taken, size - offset);
        out.add({at(offset), at(offset + first)});
        if (first < taken) out.add({slice.start, at(taken - first)});
    }
    return out;
}

}  // namespace dualwrite::copy
