#include <dualwrite/replication/partition_ref.hpp>
#include <dualwrite/replication/spool_limits.hpp>

#include <iterator>

#include "client_session.hpp"

// Writes while the spool is near one of its limits, or at it.

namespace dualwrite::engine {

using protocol::error_code;
using protocol::opcode;

// Before anything else: a write that is refused changes nothing anywhere.
bool client_session::refused_by_limits(const write_request& request, bytes_view& answer)
{
    auto& shared = worker_.shared();
    const bool full = shared.spool->full();
    if (!full && !shared.too_old.load(std::memory_order_relaxed)) {
        slow_down();
        return false;
    }
    answer = refuse_full(request);
    return true;
}

bytes_view client_session::refuse_full(const write_request& request)
{
    auto& shared = worker_.shared();
    const bool full = shared.spool->full();
    worker_.counters().refused.add();
    shared.log_limited(
        log_level::error,
        full ? "the spool is full (--spool-size-max, or the disk): writes are refused until the "
               "target has caught up"
             : "writes are refused: what waits for the target is too old (gc_grace_seconds)"
    );
    return answer_error(
        request.header,
        error_code::overloaded,
        full ? "dualwrite: the spool is full because the target is behind; the write was not "
               "executed"
             : "dualwrite: the target is behind by most of gc_grace_seconds; the write was not "
               "executed"
    );
}

// The nearer the limit, the longer.
void client_session::slow_down()
{
    auto& shared = worker_.shared();
    if (shared.options.spool_full != when_full::slow || slow_timer_ != 0) return;
    const auto delay_ms =
        replication::slow_delay_ms(shared.spool->size_bytes(), shared.spool->size_limit());
    if (delay_ms == 0) return;
    worker_.counters().slowed.add();
    shared.log_limited(
        log_level::warning, "the spool is nearly full (--spool-size-max): clients are slowed down"
    );
    client_.pause_reading(true);
    slow_timer_ = worker_.on().start_timer(delay_ms, [this] {
        slow_timer_ = 0;
        resume_client();
    });
}

// The disk may be so full that not even that can be written. Too old is no reason: what is read
// later is right whenever it is read.
bool client_session::degrades() const noexcept
{
    const auto& shared = worker_.shared();
    return shared.options.spool_full == when_full::degrade && shared.spool->full() &&
           !shared.spool->disk_full() && !shared.too_old.load(std::memory_order_relaxed);
}

bool client_session::add_refs(
    std::vector<replication::partition_ref>& to,
    const replication::statement& statement,
    bytes_view values
)
{
    auto found = replication::partitions_of(
        statement.facts,
        statement.text,
        statement.keyspace,
        worker_.registry().shapes(),
        replication::bound_values(values)
    );
    const bool named = !found.empty();
    std::move(found.begin(), found.end(), std::back_inserter(to));
    return named;
}

// The client's later writes must not get a time below this one's, so it gets one of ours, too.
bytes_view client_session::take_dirty(
    const write_request& request,
    const protocol::statement_options& options,
    const std::vector<replication::partition_ref>& refs,
    times whose
)
{
    const auto now_ms = worker_.on().wall_ms();
    const auto ticket = worker_.dirty().begin(
        refs, worker_.registry().shapes(), whose == times::transaction, now_ms
    );
    if (ticket == 0) return refuse_full(request);
    worker_.counters().degraded.add();
    worker_.shared().log_limited(
        log_level::warning,
        "the spool is full: only which rows are written is recorded, and read at the source later"
    );
    pending what{
        .what = pending::kind::dirty, .several = whose == times::transaction, .number = ticket};
    if (whose == times::transaction && !places_.empty()) what.place = places_.front();
    if (whose != times::ours || options.timestamp_us)
        return forward(request.header, request.envelope, what);
    const auto writetime_us = next_writetime();
    const auto now_s =
        options.now_in_seconds ? *options.now_in_seconds : static_cast<std::int32_t>(now_ms / 1000);
    return forward(request.header, patched(request, options, writetime_us, now_s), what);
}

bytes_view client_session::take_dirty_answer(
    const protocol::envelope_header& h, bytes_view envelope, const pending& what
)
{
    bool sure = h.op == opcode::result && !what.doubtful;
    if (h.op == opcode::error && !what.doubtful) {
        const auto error = protocol::parse_error(message_of(h, envelope), h.version);
        sure = error && policy::outcome_of(*error, true) != policy::outcome::unknown;
    }
    if (what.several) transaction_answered(what, policy::outcome::applied);
    const auto lsn = worker_.dirty().answered(what.number, sure, worker_.on().steady_ms());
    if (lsn == 0 || worker_.is_durable(lsn)) return envelope;
    worker_.hold(lsn, *this, envelope);
    return {};
}

// Nobody will know what has become of it.
void client_session::give_up(const pending& what)
{
    if (is_write(what)) worker_.live().settle_unknown(what.number, what.place);
    if (what.what == pending::kind::dirty)
        worker_.dirty().answered(what.number, false, worker_.on().steady_ms());
}

}  // namespace dualwrite::engine
