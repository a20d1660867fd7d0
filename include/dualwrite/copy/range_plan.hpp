#pragma once

#include <dualwrite/copy/token_range.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

// From the ring and the size estimates of a table to the ranges that are read one by one.

namespace dualwrite::copy {

// A token and the node that owns the range which ends there; nodes are numbered by the caller.
struct ring_token {
    token at;
    std::uint32_t node{0};
};

// A row of system.size_estimates: one node's view of one of its ranges.
struct size_estimate {
    token_range range;
    std::int64_t partitions{0};
    std::int64_t partition_size_mean{0};  // bytes
};

struct planned_range {
    token_range range;      // linear
    std::uint32_t node{0};  // that holds it; the best one to ask
};

struct range_plan_options {
    std::uint32_t ranges{0};                           // wanted; 0: from the estimates
    std::uint64_t range_size{std::uint64_t{8} << 20};  // bytes of data that one range aims at
    std::uint32_t ranges_min{64};      // enough for parallel work and for a progress that moves
    std::uint32_t ranges_max{65'536};  // what an empty range costs is paid this often at most
    std::uint64_t seed{1};             // of the order
};

struct table_size {
    double partitions{0};
    double bytes{0};
};

// Scales what the given estimates cover up to the whole ring: a node knows its own ranges only.
inline table_size estimate_table(std::span<const size_estimate> estimates)
{
    table_size size;
    double covered = 0;
    for (const auto& estimate : estimates) {
        const auto partitions = static_cast<double>(std::max<std::int64_t>(estimate.partitions, 0));
        size.partitions += partitions;
        size.bytes += partitions * static_cast<double>(estimate.partition_size_mean);
        for (const auto& linear : unwrap(estimate.range)) covered += fraction(linear);
    }
    if (covered <= 0) return {};
    const auto scale = 1 / std::min(covered, 1.0);
    return {size.partitions * scale, size.bytes * scale};
}

namespace detail {

// splitmix64, public domain (Vigna): spreads the order of ranges, nothing depends on its quality.
constexpr std::uint64_t next_random(std::uint64_t& state) noexcept
{
    auto z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

inline std::vector<planned_range> ring_ranges(std::vector<ring_token> ring)
{
    if (ring.empty()) return {{whole_ring, 0}};
    std::sort(ring.begin(), ring.end(), [](auto& a, auto& b) { return a.at < b.at; });
    const auto same = [](auto& a, auto& b) { return a.at == b.at; };
    ring.erase(std::unique(ring.begin(), ring.end(), same), ring.end());
    std::vector<planned_range> out;
    auto previous = ring.back().at;
    for (const auto& next : ring) {
        for (const auto& linear : unwrap({previous, next.at})) out.push_back({linear, next.node});
        previous = next.at;
    }
    return out;
}

}  // namespace detail

// The number of ranges that the options and the size of the table ask for.
inline std::uint32_t wanted_ranges(const range_plan_options& options, const table_size& size)
{
    if (options.ranges != 0) return options.ranges;
    const auto by_size = size.bytes / static_cast<double>(options.range_size);
    const auto bounded = std::clamp(
        by_size, static_cast<double>(options.ranges_min), static_cast<double>(options.ranges_max)
    );
    return static_cast<std::uint32_t>(bounded);
}

// Ranges that cover the ring exactly once, which is asserted. None spans two nodes' ranges, so
// there are at least as many as tokens of the ring. The order is shuffled: neighbours on the ring
// share replicas, and all workers at one node would leave the others idle.
inline std::vector<planned_range>
plan_ranges(std::vector<ring_token> ring, const table_size& size, const range_plan_options& options)
{
    const auto wanted = static_cast<double>(wanted_ranges(options, size));
    std::vector<planned_range> plan;
    for (const auto& owned : detail::ring_ranges(std::move(ring))) {
        const auto parts = std::max(1.0, std::round(wanted * fraction(owned.range)));
        for (const auto& part : split(owned.range, static_cast<std::uint32_t>(parts)))
            plan.push_back({part, owned.node});
    }
    std::vector<token_range> ranges;
    for (const auto& planned : plan) ranges.push_back(planned.range);
    DW_ASSERT(covers_ring_once(std::move(ranges)));

    auto state = options.seed;
    for (auto left = plan.size(); left > 1; --left)
        std::swap(plan[left - 1], plan[detail::next_random(state) % left]);
    return plan;
}

}  // namespace dualwrite::copy
