#include <algorithm>

#include "client_session.hpp"
#include "worker.hpp"

// Answers of the source that wait, for the target or for the disk, and requests that wait for
// memory.

namespace dualwrite::engine {

namespace {

// What the place of an answer keeps of its memory.
constexpr std::size_t held_kept_max = 512;

}  // namespace

// What lies in blocks of the spool, in requests to both sides and in answers that are held.
void worker::count_memory()
{
    std::uint64_t now = live_->memory_bytes() + held_bytes_;
    for (const auto& left : left_)
        if (left) now += left->memory_bytes();
    now += source_.unsent_size() + target_.unsent_size();
    if (now > counted_memory_) shared_.memory.add(now - counted_memory_);
    if (now < counted_memory_) shared_.memory.take_away(counted_memory_ - now);
    counted_memory_ = now;
}

void worker::wait_for_memory(client_session& session)
{
    auto& waiting = waiting_for_memory_;
    if (std::find(waiting.begin(), waiting.end(), session.id()) != waiting.end()) return;
    waiting.push_back(session.id());
    counters_.memory_waits.add();
    shared_.log_limited(
        log_level::warning,
        "memory is short (--memory-max): large requests wait until there is room for them"
    );
}

// The first that has waited is the first to be served, so that no large one waits for ever.
void worker::feed_waiting()
{
    while (!waiting_for_memory_.empty()) {
        const auto found = sessions_.find(waiting_for_memory_.front());
        if (found != sessions_.end() && !found->second->continue_request()) return;
        waiting_for_memory_.pop_front();
    }
}

bool worker::must_hold(std::uint64_t lsn) const noexcept
{
    if (held_.empty()) return false;
    if (shared_.options.durable == durability::fsync && lsn > live_->log().durable_lsn())
        return true;
    // A target that is down or far behind is not waited for: it would only slow the client.
    return shared_.options.wait && !waiting_suspended_ && target_.any_ready();
}

held_answer& worker::slot_of(std::uint64_t lsn) noexcept
{
    return held_[lsn & (held_.size() - 1)];
}

void worker::hold(std::uint64_t lsn, client_session& session, bytes_view envelope)
{
    auto& slot = slot_of(lsn);
    if (slot.lsn != 0) release(slot);
    slot.lsn = lsn;
    slot.session = session.id();
    slot.wants_target = shared_.options.wait && !waiting_suspended_ && target_.any_ready();
    slot.deadline_ms = loop_.steady_ms() + shared_.options.wait_limit_ms;
    held_bytes_ -= slot.envelope.capacity();
    slot.envelope.clear();
    slot.envelope.append(envelope);
    held_bytes_ += slot.envelope.capacity();
    held_in_order_.push(lsn);
    session.answer_held();
}

void worker::release(held_answer& held)
{
    held.lsn = 0;
    const auto found = sessions_.find(held.session);
    if (found != sessions_.end()) found->second->send_held(held.envelope.view());
    if (held.envelope.capacity() <= held_kept_max) return;
    held_bytes_ -= held.envelope.capacity();
    held.envelope.release();
}

void worker::on_delivered(std::uint64_t lsn)
{
    auto& slot = slot_of(lsn);
    if (slot.lsn != lsn) return;
    slot.wants_target = false;
    if (lsn <= live_->log().durable_lsn()) release(slot);
}

// What waits for the disk waits as long as it takes: a failed sync ends the proxy.
bool worker::is_due(held_answer& held)
{
    if (held.wants_target && loop_.steady_ms() >= held.deadline_ms) {
        held.wants_target = false;
        waiting_suspended_ = true;
        counters_.waits_given_up.add();
    }
    if (held.wants_target && !target_.any_ready()) held.wants_target = false;
    return !held.wants_target && held.lsn <= live_->log().durable_lsn();
}

void worker::release_due()
{
    if (held_.empty()) return;
    for (auto left = held_in_order_.size(); left > 0; --left) {
        const auto lsn = held_in_order_.pop();
        auto& slot = slot_of(lsn);
        if (slot.lsn != lsn) continue;
        if (is_due(slot))
            release(slot);
        else
            held_in_order_.push(lsn);
    }
    if (waiting_suspended_ && target_keeps_up()) waiting_suspended_ = false;
}

// Far enough below the limit that the next wait will hardly reach it.
bool worker::target_keeps_up() const
{
    if (live_->backlog() == 0) return true;
    const auto oldest = live_->oldest_accepted_ms();
    return oldest != 0 && loop_.wall_ms() - oldest < shared_.options.wait_limit_ms / 2;
}

}  // namespace dualwrite::engine
