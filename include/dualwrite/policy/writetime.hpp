#pragma once

#include <dualwrite/base/assert.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

// The write times that the proxy gives to writes without one.
//
// Shaped like a server's: the millisecond times 1000, plus a sequence (ClientState.getTimestamp),
// not the clock's microseconds. Lightweight transactions take their ballots from the server's
// clock of that shape. A plain write stamped with real microseconds would stand up to 999 us ahead
// of the ballot of a transaction in the same millisecond, and silently shadow what the transaction
// wrote after it. After a transaction has been answered, fence() puts all later writes into the
// next millisecond, above its ballot.

namespace dualwrite::policy {

// Strictly growing, also when the machine's clock is set back. Shared by all threads, as one server
// has one clock: a client whose second write goes through another thread must not lose to its
// first. Lock-free; no call allocates or fails.
class writetime_clock {
public:
    // `high_water_us` is the largest value that an earlier run may have given out, 0 if none did.
    explicit writetime_clock(std::int64_t high_water_us = 0) noexcept : last_us_(high_water_us) {}

    // The write time, in microseconds, of a write at `now_ms` (milliseconds since 1970).
    std::int64_t next(std::int64_t now_ms) noexcept
    {
        auto last = last_us_.load(std::memory_order_relaxed);
        for (;;) {
            const auto mine = std::max(start_of(now_ms), last + 1);
            if (last_us_.compare_exchange_weak(last, mine, std::memory_order_relaxed)) return mine;
        }
    }

    // All later values are in the millisecond after `now_ms`, or above.
    void fence(std::int64_t now_ms) noexcept
    {
        const auto floor = start_of(now_ms + 1) - 1;
        auto last = last_us_.load(std::memory_order_relaxed);
        while (last < floor &&
               !last_us_.compare_exchange_weak(last, floor, std::memory_order_relaxed)) {
        }
    }

    // No value above this one was given out yet. Keep it, with a margin, for the next run.
    std::int64_t high_water() const noexcept { return last_us_.load(std::memory_order_relaxed); }

private:
    static std::int64_t start_of(std::int64_t now_ms) noexcept
    {
        DW_ASSERT(now_ms >= 0 && now_ms < std::numeric_limits<std::int64_t>::max() / 2000);
        return now_ms * 1000;
    }

    std::atomic<std::int64_t> last_us_;
};

}  // namespace dualwrite::policy
