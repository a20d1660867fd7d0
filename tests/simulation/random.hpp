#pragma once

#include <cstdint>

namespace sim {

// One stream of numbers from one seed; splitmix64, so that neighbouring seeds have nothing in
// common.
class random_source {
public:
    explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept
    {
        auto z = state_ += 0x9e3779b97f4a7c15ull;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        return z ^ (z >> 31);
    }
    using result_type = std::uint64_t;
    std::uint64_t operator()() noexcept { return next(); }
    static constexpr std::uint64_t min() noexcept { return 0; }
    static constexpr std::uint64_t max() noexcept { return ~std::uint64_t{0}; }

    std::int64_t below(std::int64_t n) noexcept
    {
        return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n));
    }
    std::int64_t between(std::int64_t low, std::int64_t high) noexcept
    {
        return low + below(high - low + 1);
    }
    // True in `per_mille` of 1000 cases.
    bool chance(std::int64_t per_mille) noexcept { return below(1000) < per_mille; }

private:
    std::uint64_t state_;
};

}  // namespace sim
