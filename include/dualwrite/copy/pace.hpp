#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

// How fast: requests in flight, and rows a second. Time is an argument.

namespace dualwrite::copy {

using steady_time = std::chrono::steady_clock::time_point;

struct window_limits {
    std::uint32_t first{64};
    std::uint32_t min{1};
    std::uint32_t max{512};
};

// How many requests may be in flight at a cluster. Grows by one for each window of successes while
// it is used up; halves when the cluster says that it is overloaded or does not answer, at most
// once for each round of requests: all that were in flight then will say the same.
class request_window {
public:
    explicit request_window(window_limits limits) noexcept
        : limits_(limits), size_(std::clamp(limits.first, limits.min, limits.max))
    {
    }

    std::uint32_t size() const noexcept { return size_; }

    // `in_flight` counts the request that was just answered.
    void on_success(std::uint32_t in_flight) noexcept
    {
        if (in_flight < size_ || size_ >= limits_.max) return;
        if (++successes_ < size_) return;
        successes_ = 0;
        ++size_;
    }

    // `sent_at`: when the request that failed was sent.
    void on_overload(steady_time sent_at, steady_time now) noexcept
    {
        if (sent_at < shrunk_at_) return;
        size_ = std::max(limits_.min, size_ / 2);
        successes_ = 0;
        shrunk_at_ = now;
    }

private:
    window_limits limits_;
    std::uint32_t size_;
    std::uint32_t successes_{0};
    steady_time shrunk_at_{};
};

// At most `per_second` on average, with bursts of a tenth of a second. 0: no limit.
class rate_limit {
public:
    explicit rate_limit(std::uint64_t per_second = 0) noexcept : per_second_(per_second) {}

    // Takes `count` and says how long to wait before they may go.
    std::chrono::nanoseconds take(std::uint64_t count, steady_time now) noexcept
    {
        using std::chrono::nanoseconds;
        if (per_second_ == 0) return nanoseconds(0);
        const auto burst = std::chrono::milliseconds(100);
        next_ = std::max(next_, now - burst);
        const auto cost = static_cast<double>(count) / static_cast<double>(per_second_) * 1e9;
        next_ += std::chrono::duration_cast<steady_time::duration>(
            nanoseconds(static_cast<std::int64_t>(cost))
        );
        return std::max(nanoseconds(0), std::chrono::duration_cast<nanoseconds>(next_ - now));
    }

private:
    std::uint64_t per_second_;
    steady_time next_{};
};

}  // namespace dualwrite::copy
