#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

namespace dualwrite::engine {

// What the source's wall clock says, from answers of the source and our own steady clock: our wall
// clock may be wrong, and may be set. Times in milliseconds. Threads: any.
//
// Invariants, as long as both clocks run equally fast:
//   S1  at_least(t) is not above what the source's clock says at t
//   S2  at_most(t) is not below it
class source_clock {
public:
    // Nobody knows how far a clock has been set since.
    static constexpr std::int64_t valid_ms = 60'000;
    // An answer that took longer says little.
    static constexpr std::int64_t round_trip_max_ms = 1'000;

    // The source was asked and had answered at these steady times; in between its clock said so.
    // True: it is the first that is known.
    bool learn(std::int64_t asked_ms, std::int64_t answered_ms, std::int64_t said_ms)
    {
        const auto trip_ms = answered_ms - asked_ms;
        if (trip_ms < 0 || trip_ms > round_trip_max_ms) return false;
        const std::lock_guard lock(mutex_);
        const auto last = learned_ms_.load();
        const bool known = last != never && answered_ms - last <= valid_ms;
        // A quick answer of a while ago says more than a slow one of now, unless the clock was set.
        const auto low = said_ms - answered_ms;
        const auto high = said_ms + 1 - asked_ms;
        const bool agrees = known && low <= high_.load() && high >= low_.load();
        const bool better = trip_ms <= trip_ms_ + 1 || answered_ms - taken_ms_ > replace_ms;
        learned_ms_.store(answered_ms);
        if (agrees && !better) return false;
        trip_ms_ = trip_ms;
        taken_ms_ = answered_ms;
        low_.store(low);
        high_.store(high);
        return !known;
    }

    std::optional<std::int64_t> at_least(std::int64_t steady_ms) const noexcept
    {
        return is_known(steady_ms) ? std::optional(steady_ms + low_.load()) : std::nullopt;
    }
    std::optional<std::int64_t> at_most(std::int64_t steady_ms) const noexcept
    {
        return is_known(steady_ms) ? std::optional(steady_ms + high_.load()) : std::nullopt;
    }

private:
    static constexpr std::int64_t never = INT64_MIN;
    static constexpr std::int64_t replace_ms = 10'000;

    bool is_known(std::int64_t steady_ms) const noexcept
    {
        const auto learned = learned_ms_.load();
        return learned != never && steady_ms - learned <= valid_ms;
    }

    std::mutex mutex_;  // of writers
    std::int64_t trip_ms_{round_trip_max_ms};
    std::int64_t taken_ms_{0};
    std::atomic<std::int64_t> low_{0};   // the source's clock less our steady one, at least
    std::atomic<std::int64_t> high_{0};  // at most
    std::atomic<std::int64_t> learned_ms_{never};
};

}  // namespace dualwrite::engine
