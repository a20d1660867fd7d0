#pragma once

#include <dualwrite/base/assert.hpp>
#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/ring.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace dualwrite::replication {

// The intents of one log that are on their way to the target: read from the log in order, sent in
// any order once the source has them (cells merge by write time), finished in any order.
//
// A barrier (DDL) is sent when everything before it is finished, and nothing behind it is taken in
// until it is finished itself.
//
// Invariants, checked at every entry point:
//   W1  base <= lsn < top of every entry, top - base <= capacity
//   W2  the entry at base is not finished, unless the window is empty
//   W3  an entry is in at most one of: the ready queue, the postponed heap, the caller's hands
//
// Single-threaded. Time is an argument. Does not allocate in the steady state.
class window {
public:
    enum class state : std::uint8_t {
        finished,
        open,       // the source has not answered
        held,       // a barrier that waits for those before it
        ready,      // in the ready queue
        taken,      // with the caller
        postponed,  // until its time comes
    };

    window(std::size_t capacity, std::size_t bytes_max)
        : entries_(std::bit_ceil(capacity)), bytes_max_(bytes_max)
    {
    }

    // True if the next intent may be added.
    bool has_room() const noexcept
    {
        return barrier_ == 0 && top_ - base_ < entries_.size() && bytes_ < bytes_max_;
    }
    // The same for this one: those that are left out take places too.
    bool has_room_for(std::uint64_t lsn) const noexcept
    {
        return has_room() && (empty() || lsn - base_ < entries_.size());
    }
    bool empty() const noexcept { return base_ == top_; }
    std::size_t size() const noexcept { return static_cast<std::size_t>(top_ - base_); }

    // `lsn` is above all before; those that were left out are finished already. `payload` must live
    // until the entry is finished. `applied`: the source has it.
    void add(std::uint64_t lsn, bytes_view payload, bool applied, bool barrier)
    {
        DW_ASSERT(barrier_ == 0 && lsn >= top_);
        if (empty()) base_ = top_ = lsn;
        DW_ASSERT(lsn - base_ < entries_.size());
        for (; top_ < lsn; ++top_) at(top_) = {};
        at(lsn) = {payload, 0, state::open};
        ++top_;
        bytes_ += payload.size();
        if (barrier) barrier_ = lsn;
        if (applied) mark_applied(lsn);
        check();
    }

    bool contains(std::uint64_t lsn) const noexcept
    {
        return lsn >= base_ && lsn < top_ && at(lsn).state != state::finished;
    }
    state state_of(std::uint64_t lsn) const noexcept
    {
        return lsn >= base_ && lsn < top_ ? at(lsn).state : state::finished;
    }
    bytes_view payload(std::uint64_t lsn) const noexcept { return at(lsn).payload; }
    std::uint32_t attempts(std::uint64_t lsn) const noexcept { return at(lsn).attempts; }

    // The source has it. Nothing happens if the entry is not open: the answer may come twice.
    void mark_applied(std::uint64_t lsn)
    {
        if (state_of(lsn) != state::open) return;
        if (lsn == barrier_ && lsn != base_) {
            at(lsn).state = state::held;
            return;
        }
        make_ready(lsn);
    }

    // The oldest that may be sent; it is the caller's until postpone(), put_back() or finish().
    std::optional<std::uint64_t> take_ready()
    {
        if (ready_.empty()) return {};
        const auto lsn = ready_.pop();
        DW_ASSERT(at(lsn).state == state::ready);
        at(lsn).state = state::taken;
        return lsn;
    }
    bool has_ready() const noexcept { return !ready_.empty(); }

    // Taken, but not sent: it counts as no attempt.
    void put_back(std::uint64_t lsn)
    {
        DW_ASSERT(state_of(lsn) == state::taken);
        make_ready(lsn);
    }

    // Taken, and failed: to be tried again at `due_ms`.
    void postpone(std::uint64_t lsn, std::int64_t due_ms)
    {
        DW_ASSERT(state_of(lsn) == state::taken);
        at(lsn).state = state::postponed;
        ++at(lsn).attempts;
        postponed_.emplace_back(due_ms, lsn);
        std::push_heap(postponed_.begin(), postponed_.end(), std::greater<>{});
    }

    // Makes ready what is due. The time of the next one that is not, if there is one.
    std::optional<std::int64_t> wake(std::int64_t now_ms)
    {
        while (!postponed_.empty() && postponed_.front().first <= now_ms) {
            std::pop_heap(postponed_.begin(), postponed_.end(), std::greater<>{});
            make_ready(postponed_.back().second);
            postponed_.pop_back();
        }
        if (postponed_.empty()) return {};
        return postponed_.front().first;
    }

    // Delivered, or void, or given up: from `open`, `held` or `taken`.
    void finish(std::uint64_t lsn)
    {
        auto& its = at(lsn);
        DW_ASSERT(
            its.state == state::taken || its.state == state::open || its.state == state::held
        );
        bytes_ -= its.payload.size();
        its = {};
        if (lsn == barrier_) barrier_ = 0;
        while (base_ < top_ && at(base_).state == state::finished) ++base_;
        if (barrier_ != 0 && base_ == barrier_ && at(barrier_).state == state::held)
            make_ready(barrier_);
        check();
    }

    // Everything below is finished, as far as it was added.
    std::uint64_t base() const noexcept { return base_; }
    // Above all that were added.
    std::uint64_t top() const noexcept { return top_; }
    bool at_barrier() const noexcept { return barrier_ != 0; }
    std::uint64_t barrier() const noexcept { return barrier_; }  // 0: none

private:
    struct entry {
        bytes_view payload;
        std::uint32_t attempts{0};
        window::state state{window::state::finished};
    };

    entry& at(std::uint64_t lsn) noexcept { return entries_[lsn & (entries_.size() - 1)]; }
    const entry& at(std::uint64_t lsn) const noexcept
    {
        return entries_[lsn & (entries_.size() - 1)];
    }

    void make_ready(std::uint64_t lsn)
    {
        at(lsn).state = state::ready;
        ready_.push(lsn);
    }

    void check() const noexcept
    {
        DW_ASSERT(base_ <= top_ && top_ - base_ <= entries_.size());
        DW_ASSERT(empty() || at(base_).state != state::finished);
        DW_ASSERT(!empty() || bytes_ == 0);
        DW_ASSERT(ready_.size() + postponed_.size() <= size());
    }

    std::vector<entry> entries_;  // by the low bits of the lsn
    std::uint64_t base_{0};
    std::uint64_t top_{0};
    std::uint64_t barrier_{0};  // 0: none
    std::size_t bytes_{0};
    std::size_t bytes_max_;
    ring<std::uint64_t> ready_;
    std::vector<std::pair<std::int64_t, std::uint64_t>> postponed_;
};

}  // namespace dualwrite::replication
