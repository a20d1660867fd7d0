#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

// How long to wait before the next attempt. Time and randomness are arguments.

namespace dualwrite::policy {

struct retry_schedule {
    std::chrono::milliseconds first{50};    // before jitter, after the first failure
    std::chrono::milliseconds max{30'000};  // the delay never passes this
};

// Delay after failure number `attempt` (1, 2, ...): doubles from `first` up to `max`, and lies in
// [half of that, all of it]. `random` is any evenly spread number; the jitter keeps many waiters
// from coming back at the same moment, the lower half keeps every one of them waiting.
constexpr std::chrono::milliseconds
delay(const retry_schedule& schedule, std::uint32_t attempt, std::uint64_t random) noexcept
{
    auto full = std::min(schedule.first, schedule.max);
    for (std::uint32_t i = 1; i < std::min(attempt, 64u) && full < schedule.max; ++i)
        full = full > schedule.max / 2 ? schedule.max : full * 2;
    const auto half = full / 2;
    const auto spread = static_cast<std::uint64_t>((full - half).count()) + 1;
    return half + std::chrono::milliseconds(static_cast<std::int64_t>(random % spread));
}

}  // namespace dualwrite::policy
