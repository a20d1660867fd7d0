#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace dualwrite::engine {

// How far one log of the proxy has come, for the others: a TRUNCATE must not overtake a write of
// another loop. Written by the log's loop, read by any.
struct log_progress {
    static constexpr std::int64_t none = INT64_MAX;

    std::uint64_t number{0};  // unique and constant
    bool left{false};         // of an earlier run; constant
    std::atomic<bool> unread{false};
    std::atomic<std::uint64_t> last_lsn{0};
    std::atomic<std::uint64_t> first_unfinished{1};
    // When the oldest write was accepted that is to be replayed and is not at the target yet.
    std::atomic<std::int64_t> oldest_replay_ms{none};
    // Everything before its oldest TRUNCATE is delivered: when that one was accepted.
    std::atomic<std::int64_t> truncate_accepted_ms{none};

    // All that it had is finished, and nothing comes.
    void end() noexcept
    {
        unread.store(false);
        first_unfinished.store(UINT64_MAX);
        oldest_replay_ms.store(none);
    }
};

class log_progresses {
public:
    std::shared_ptr<log_progress> add(bool left)
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(all_, [](const auto& one) { return one.expired(); });
        auto made = std::make_shared<log_progress>();
        made->number = ++last_number_;
        made->left = left;
        all_.push_back(made);
        return made;
    }

    // Of an earlier run, and nobody knows yet what it has: nothing of it is finished until end().
    std::shared_ptr<log_progress> add_unread()
    {
        auto made = add(true);
        made->unread.store(true);
        made->last_lsn.store(UINT64_MAX - 1);
        made->oldest_replay_ms.store(INT64_MIN);
        return made;
    }

    bool any_unread() const
    {
        const std::lock_guard lock(mutex_);
        return std::any_of(all_.begin(), all_.end(), [](const auto& one) {
            const auto its = one.lock();
            return its && its->unread.load(std::memory_order_acquire);
        });
    }

    std::vector<std::shared_ptr<log_progress>> others(const log_progress& than) const
    {
        const std::lock_guard lock(mutex_);
        std::vector<std::shared_ptr<log_progress>> out;
        for (const auto& one : all_)
            if (auto its = one.lock(); its && its.get() != &than) out.push_back(std::move(its));
        return out;
    }

    // True: nothing that was accepted until `ms` is still to be replayed by another log. Those of
    // an earlier run have no need to wait for this run's.
    bool replayed_until(std::int64_t ms, const log_progress& asks) const
    {
        const std::lock_guard lock(mutex_);
        for (const auto& one : all_) {
            const auto its = one.lock();
            if (!its || its.get() == &asks || (asks.left && !its->left)) continue;
            if (its->oldest_replay_ms.load(std::memory_order_acquire) <= ms) return false;
        }
        return true;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::weak_ptr<log_progress>> all_;
    std::uint64_t last_number_{0};
};

// Waits until all that the other logs held at some time is delivered.
class progress_barrier {
public:
    progress_barrier(std::shared_ptr<log_progress> own, const log_progresses& all)
        : own_(std::move(own))
    {
        for (auto& other : all.others(*own_)) {
            const auto last = other->last_lsn.load();
            waited_for_.emplace_back(std::move(other), last);
        }
    }

    // Two that wait for each other would do so for ever: the older one goes first.
    bool passed() const
    {
        const auto mine = std::pair{own_->truncate_accepted_ms.load(), own_->number};
        for (const auto& [other, last] : waited_for_) {
            if (other->first_unfinished.load() > last) continue;
            const auto its = other->truncate_accepted_ms.load();
            if (its != log_progress::none && mine < std::pair{its, other->number}) continue;
            return false;
        }
        return true;
    }

private:
    std::shared_ptr<log_progress> own_;
    std::vector<std::pair<std::shared_ptr<log_progress>, std::uint64_t>> waited_for_;
};

}  // namespace dualwrite::engine
