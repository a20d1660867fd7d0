#include <algorithm>

#include "delivery.hpp"

// What a refresh waits for. It deletes at the target what the source has no more, with the write
// times that the target has: a tombstone of its own it cannot write, since nobody tells the time of
// the source's. So an older write that is replayed after it would come back to life, and has to be
// at the target before.

namespace dualwrite::engine {

namespace {

// Writes that are accepted while the source executes a statement: never so many by far. All of them
// lie in the window with it, so that it can wait for them.
constexpr std::uint64_t in_flight_max = 8 * 1024;
constexpr std::int64_t in_flight_ms = 5000;

// The same as log_progresses::replayed_until(), of every log, this run's too. Where a TRUNCATE
// waits for others it cannot be waited for.
bool replayed_by_all(std::int64_t ms, const log_progresses& logs, const log_progress& asks)
{
    const auto others = logs.others(asks);
    return std::all_of(others.begin(), others.end(), [&](const auto& its) {
        return its->truncate_accepted_ms.load() != log_progress::none ||
               its->oldest_replay_ms.load(std::memory_order_acquire) > ms;
    });
}

}  // namespace

bool delivery::is_refresh(std::uint64_t lsn) const
{
    const auto payload = window_.payload(lsn);
    return replication::peek_flag(payload, replication::mutation_flags::refresh) ||
           (!decided_refreshes_.empty() && decided_refreshes_.contains(lsn));
}

void delivery::find_first_replay()
{
    if (window_.empty()) first_replay_ = window_.top();
    first_replay_ = std::max(first_replay_, window_.base());
    while (first_replay_ < window_.top() &&
           (window_.state_of(first_replay_) == replication::window::state::finished ||
            is_refresh(first_replay_)))
        ++first_replay_;
}

void delivery::publish_progress()
{
    find_first_replay();
    progress_->last_lsn.store(log_->last_lsn(), std::memory_order_release);
    progress_->first_unfinished.store(log_->first_unfinished(), std::memory_order_release);
    progress_->oldest_replay_ms.store(oldest_replay_ms(), std::memory_order_release);
}

std::int64_t delivery::oldest_replay_ms() const
{
    // A barrier that waits for refreshes cannot be waited for by others.
    const bool blocked = window_.at_barrier() && first_replay_ == window_.barrier() &&
                         window_.base() != window_.barrier();
    if (blocked) return log_progress::none;
    if (first_replay_ < window_.top())
        return replication::peek_accepted_ms(window_.payload(first_replay_));
    if (all_read_) return log_progress::none;
    // What has not been read yet was not accepted before what has.
    return next_ ? replication::peek_accepted_ms(next_->payload) : last_accepted_ms_;
}

// The lsn is taken.
void delivery::wait_for_replays(std::uint64_t lsn)
{
    const auto payload = window_.payload(lsn);
    if (!replication::peek_flag(payload, replication::mutation_flags::refresh))
        decided_refreshes_.insert(lsn);
    const auto accepted_ms = replication::peek_accepted_ms(payload);
    // It may stand for writes that came much later, while another loop took some whole.
    const bool joined = replication::peek_flag(payload, replication::mutation_flags::several) &&
                        replication::peek_flag(payload, replication::mutation_flags::refresh);
    // What is accepted from now on is looked at again itself.
    const bool open = open_transactions_.contains(lsn);
    const auto now_ms = tools_.on.wall_ms();
    const waiting_refresh its{
        lsn,
        std::min(lsn + in_flight_max, log_->last_lsn()),
        joined || open ? now_ms : std::min(now_ms, accepted_ms + in_flight_ms)};
    const auto at = std::upper_bound(
        waiting_.begin(),
        waiting_.end(),
        lsn,
        [](std::uint64_t one, const waiting_refresh& other) { return one < other.lsn; }
    );
    waiting_.insert(at, its);
}

bool delivery::may_refresh(const waiting_refresh& its) const
{
    // What lies behind a barrier waits for this one.
    const auto limit =
        window_.at_barrier() ? std::min(its.limit, window_.barrier() - 1) : its.limit;
    if (first_replay_ < window_.top()) {
        if (first_replay_ <= limit) return false;
    } else if (!window_.at_barrier()) {
        const bool room = takes_more() && (!next_ || window_.has_room_for(next_->lsn));
        // Nothing but refreshes, and the logs might wait for each other for ever. One that has not
        // been read yet waits for nobody.
        if (!room) return !tools_.shared.logs.any_unread();
        if (!all_read_ && last_added_ < limit) return false;
    }
    // What this run took before the transaction was found may be hidden by it: nobody looks again.
    if (log_->is_left() && open_transactions_.contains(its.lsn))
        return replayed_by_all(its.until_ms, tools_.shared.logs, *progress_);
    return tools_.shared.logs.replayed_until(its.until_ms, *progress_);
}

void delivery::start_refreshes()
{
    if (waiting_.empty()) return;
    find_first_replay();
    while (!waiting_.empty() && may_refresh(waiting_.front())) {
        const auto lsn = waiting_.front().lsn;
        waiting_.pop_front();
        start_refresh(lsn, view_of(lsn));
    }
}

}  // namespace dualwrite::engine
