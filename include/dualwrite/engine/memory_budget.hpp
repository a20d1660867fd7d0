#pragma once

#include <atomic>
#include <cstdint>

namespace dualwrite::engine {

// One budget for all memory whose size others decide: requests that have not come completely, bytes
// that a peer does not take, answers that wait, writes in delivery. At three quarters of it memory
// is short: readers take small sips, and whoever has something unsent is read no further. The last
// quarter is for large requests, which are read when all of them fits.
//
// Threads: any.
class memory_budget {
public:
    explicit memory_budget(std::uint64_t max) noexcept : max_(max) {}

    std::uint64_t max() const noexcept { return max_; }
    std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
    bool is_short() const noexcept { return used() >= max_ / 4 * 3; }

    void add(std::uint64_t size) noexcept { used_.fetch_add(size, std::memory_order_relaxed); }
    void take_away(std::uint64_t size) noexcept
    {
        used_.fetch_sub(size, std::memory_order_relaxed);
    }

    // Room for all of a large request, or false. What was admitted must leave(). One at a time is
    // admitted always: else requests that wait for each other's memory would wait for ever.
    bool admit(std::uint64_t size) noexcept
    {
        std::uint32_t nobody = 0;
        if (admitted_.compare_exchange_strong(nobody, 1)) {
            add(size);
            return true;
        }
        auto now = used();
        do {
            if (now + size > max_) return false;
        } while (!used_.compare_exchange_weak(now, now + size));
        admitted_.fetch_add(1);
        return true;
    }
    void leave(std::uint64_t size) noexcept
    {
        take_away(size);
        admitted_.fetch_sub(1);
    }

private:
    const std::uint64_t max_;
    std::atomic<std::uint64_t> used_{0};
    std::atomic<std::uint32_t> admitted_{0};
};

}  // namespace dualwrite::engine
