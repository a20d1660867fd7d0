#include <array>
#include <string>

#include "delivery.hpp"
#include "destructive.hpp"

// TRUNCATE has no write time, so it is the one write that must not be replayed in any order. At the
// target it stands behind every write that was accepted before the source had executed it, by any
// loop; what was accepted later may be there already and would be lost, so the source's state of
// the table, nearly empty then, is written to the target afterwards.

namespace dualwrite::engine {

using replication::mutation_kind;

namespace {

constexpr std::int64_t look_again_ms = 10;

}  // namespace

bool delivery::is_truncate(std::uint64_t lsn) const noexcept
{
    const auto payload = window_.payload(lsn);
    return replication::peek_kind(payload) == mutation_kind::schema &&
           replication::peek_flag(payload, replication::mutation_flags::truncates);
}

// True: kept, because asking the source again might destroy what was written since.
bool delivery::keep_destructive(std::uint64_t lsn)
{
    if (replication::peek_kind(window_.payload(lsn)) != mutation_kind::schema) return false;
    if (!destroys(view_of(lsn).text)) return false;
    keep(
        lsn,
        "the source did not say whether it was executed, and it is not sent again",
        "compare the table on both sides: dualwrite validate"
    );
    return true;
}

// It is the oldest of this log now. False: postponed, other loops are not that far.
bool delivery::may_truncate(std::uint64_t lsn)
{
    if (!truncate_waits_) {
        progress_->truncate_accepted_ms.store(replication::peek_accepted_ms(window_.payload(lsn)));
        truncate_waits_.emplace(progress_, tools_.shared.logs);
    }
    if (truncate_waits_->passed()) return true;
    window_.postpone(lsn, tools_.on.steady_ms() + look_again_ms);
    return false;
}

// The target has executed it.
void delivery::truncated(std::uint64_t lsn)
{
    const auto facts = policy::classify(view_of(lsn).text);
    refresh_all(lsn, {{facts.keyspace, facts.table, {}, {}}}, {});
}

// A crash must not execute it again before what comes behind it.
void delivery::schema_ended(std::uint64_t lsn, bool truncates)
{
    log_->write_at_once();
    if (!log_->is_left()) tools_.shared.schema_pending.fetch_sub(1);
    if (!truncates) return;
    open_truncates_.erase(lsn);
    if (!window_.empty() && lsn != window_.base()) return;  // another one waits
    truncate_waits_.reset();
    progress_->truncate_accepted_ms.store(log_progress::none);
}

void delivery::expect_truncate(std::uint64_t lsn, std::span<const bytes_view> payload)
{
    expect_schema(lsn);
    auto& kept = open_truncates_[lsn];
    for (const auto part : payload) kept.append(part);
}

// What was written until now may be gone at the source, or not: all of it stands before. Until now
// the record only said that a TRUNCATE was on its way, should a crash hide its outcome.
std::uint64_t delivery::truncated_at_source(std::uint64_t lsn)
{
    const auto found = open_truncates_.extract(lsn);
    DW_ASSERT(found);
    const std::array<bytes_view, 1> payload{found.mapped().view()};
    const auto moved = log_->append_intent({}, payload);
    expect_schema(moved);
    log_->settle(moved, write_state::applied);
    log_->settle(lsn, write_state::void_);
    tools_.counters.writes_applied.add();
    leave_out(lsn);
    return moved;
}

}  // namespace dualwrite::engine
