#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

// How fast: requests in flight; rows, bytes and request units a second. Time is an argument.

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

    // From `now` on; what was taken already is waited for at the new rate.
    void set(std::uint64_t per_second, steady_time now) noexcept
    {
        const auto owed = wait(now);
        if (per_second == 0)
            next_ = {};
        else if (owed.count() > 0)
            next_ = now +
                    std::chrono::duration_cast<steady_time::duration>(
                        owed * (static_cast<double>(per_second_) / static_cast<double>(per_second))
                    );
        per_second_ = per_second;
    }

    // How long until what was taken may go.
    std::chrono::nanoseconds wait(steady_time now) const noexcept
    {
        using std::chrono::nanoseconds;
        if (per_second_ == 0) return nanoseconds(0);
        return std::max(nanoseconds(0), std::chrono::duration_cast<nanoseconds>(next_ - now));
    }

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
        return wait(now);
    }

private:
    std::uint64_t per_second_;
    steady_time next_{};
};

// At most `per_second` request units on average, with bursts of a tenth of a second. What a request
// costs is known by its answer only: until then it counts with what requests cost lately. 0: no
// limit.
class unit_limit {
public:
    explicit unit_limit(std::uint64_t per_second = 0) noexcept { set(per_second); }

    void set(std::uint64_t per_second) noexcept
    {
        per_second_ = static_cast<double>(per_second);
        units_ = std::min(units_, burst());
    }

    // How long until the next request may go; 0: now, and on_send() says that it does.
    std::chrono::nanoseconds wait(steady_time now) noexcept
    {
        using std::chrono::nanoseconds;
        if (per_second_ == 0 || is_ignored()) return nanoseconds(0);
        refill(now);
        // While nobody knows what one costs they go one by one.
        if (expected_ == 0 && in_flight_ > 0) return std::chrono::milliseconds(1);
        const auto left = units_ - expected_ * in_flight_;
        if (left >= 0) return nanoseconds(0);
        return nanoseconds(static_cast<std::int64_t>(-left / per_second_ * 1e9) + 1);
    }

    void on_send() noexcept { ++in_flight_; }

    // A request has ended. `units`: what all answers since the last call have cost, and `answers`
    // how many said so. `worked`: it was no failure, which may come without a cost.
    void on_end(double units, std::uint64_t answers, bool worked) noexcept
    {
        if (in_flight_ != 0) --in_flight_;
        units_ -= units;
        if (answers == 0) {
            if (worked && expected_ == 0) ++silent_;
            return;
        }
        const auto mean = units / static_cast<double>(answers);
        expected_ = expected_ == 0 ? mean : expected_ + (mean - expected_) / 8;
    }

    // The server does not say what requests cost, so that nothing can be limited.
    bool is_ignored() const noexcept
    {
        return per_second_ != 0 && expected_ == 0 && silent_ >= silent_max;
    }

private:
    static constexpr std::uint32_t silent_max = 20;

    double burst() const noexcept { return per_second_ / 10; }
    void refill(steady_time now) noexcept
    {
        if (refilled_ != steady_time{})
            units_ += std::chrono::duration<double>(now - refilled_).count() * per_second_;
        units_ = std::min(units_, burst());
        refilled_ = now;
    }

    double per_second_{0};
    double units_{0};     // that may be spent; negative: overdrawn
    double expected_{0};  // of one request; 0: not known yet
    std::uint32_t in_flight_{0};
    std::uint32_t silent_{0};  // answers that did not say
    steady_time refilled_{};
};

}  // namespace dualwrite::copy
