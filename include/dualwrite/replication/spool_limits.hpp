#pragma once

#include <algorithm>
#include <cstdint>

// What the limits of the spool say to new writes.

namespace dualwrite::replication {

// A delete that reaches the target later than gc_grace_seconds may bring rows back: the target's
// tombstones are gone by then. Half of it is the time to tell the operator, at 90 % writes stop,
// so that what is there has the rest of the time to arrive.
struct age_limits {
    std::int64_t alarm_ms{0};  // 0: no limit
    std::int64_t stop_ms{0};
};

constexpr age_limits age_limits_of(std::int64_t gc_grace_s) noexcept
{
    if (gc_grace_s <= 0) return {};
    return {gc_grace_s * 500, gc_grace_s * 900};
}
static_assert(age_limits_of(864'000).alarm_ms == std::int64_t{5} * 86'400'000);
static_assert(age_limits_of(100).stop_ms == 90'000);

// How long a client is read no further after a write, when `used` bytes of `limit` are taken: from
// 80 % on, and ever longer, up to 200 ms. Clients that wait for their answers write as fast as the
// target takes it, long before anything has to be refused.
constexpr std::int64_t slow_delay_ms(std::uint64_t used, std::uint64_t limit) noexcept
{
    constexpr double longest_ms = 200;
    const auto begin = limit / 10 * 8;
    if (limit == 0 || used <= begin) return 0;
    const auto part = static_cast<double>(std::min(used, limit) - begin) /
                      static_cast<double>(limit - begin);
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(longest_ms * part * part));
}
static_assert(slow_delay_ms(80, 100) == 0);
static_assert(slow_delay_ms(81, 100) == 1);
static_assert(slow_delay_ms(90, 100) == 50);
static_assert(slow_delay_ms(200, 100) == 200);

}  // namespace dualwrite::replication
