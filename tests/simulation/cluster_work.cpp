#include <algorithm>
#include <utility>

#include "cluster.hpp"

// What a node does with a request, and the ways in which it fails.

namespace sim {

namespace protocol = dualwrite::protocol;
using protocol::error_code;
using protocol::opcode;

std::int64_t cluster::next_time_us()
{
    return last_time_us_ = std::max(on_.now_us() / 1000 * 1000, last_time_us_ + 1);
}

std::int64_t cluster::now_s(const planned_request& request) const
{
    return request.now_s.value_or(on_.now_us() / 1'000'000);
}

node_answer cluster::run(const header& h, const planned_request& request)
{
    try {
        const auto& first = *request.writes.front().statement;
        if (first.what == cql_statement::kind::select) return run_select(h, request);
        if (on_.random.chance(settings_.error_per_mille)) return fail_write(h, request);
        const bool transaction =
            std::any_of(request.writes.begin(), request.writes.end(), [](const planned_write& w) {
                return w.statement->cas != cql_statement::conditional::no;
            });
        if (transaction) return run_transaction(request);
        run_writes(request, request.time_us.value_or(0), false);
        return void_answer();
    } catch (const cql_error& e) {
        problem_ = e.text;
        return error_answer(error_code::invalid, e.text);
    }
}

// A round that was left in the middle is ended by the next one, or by a serial read, and has the
// ballot of that moment.
void cluster::finish_transactions()
{
    for (const auto& request : std::exchange(unfinished_, {})) (void)run_round(request);
}

node_answer cluster::run_select(const header&, const planned_request& request)
{
    if (request.serial) finish_transactions();
    const auto& one = request.writes.front();
    return rows_answer(*one.statement, data_.select(*one.statement, one.values, now_s(request)));
}

void cluster::run_writes(const planned_request& request, std::int64_t time_us, bool ballot)
{
    if (time_us == 0) time_us = next_time_us();
    for (const auto& one : request.writes)
        data_.apply(*one.statement, one.values, {time_us, now_s(request), ballot});
    ++writes_;
}

node_answer cluster::run_transaction(const planned_request& request)
{
    finish_transactions();
    return run_round(request);
}

node_answer cluster::run_round(const planned_request& request)
{
    const auto holds = [&](const planned_write& w) {
        return data_.holds(*w.statement, w.values, now_s(request));
    };
    const bool applied = std::all_of(request.writes.begin(), request.writes.end(), holds);
    if (applied) run_writes(request, next_time_us(), true);
    return applied_answer(applied);
}

// Which errors a server may give, and whether the write is carried out all the same.
node_answer cluster::fail_write(const header& h, const planned_request& request)
{
    const auto carried_out = [&] {
        if (on_.random.chance(500)) return;
        const auto& first = *request.writes.front().statement;
        const bool transaction = first.cas != cql_statement::conditional::no;
        // Elements of a list that the target appends late would stand there twice.
        const bool can_be_late = find_table(first.table)->exact || name_ == "source";
        if (transaction && on_.random.chance(500)) {
            unfinished_.push_back(request);
        } else if (transaction) {
            run_transaction(request);
        } else if (can_be_late && on_.random.chance(settings_.late_per_mille)) {
            const auto time_us = request.time_us.value_or(next_time_us());
            auto late = request;
            late.now_s = now_s(request);
            on_.after(on_.random.below(settings_.late_max_us), [this, late, time_us] {
                run_writes(late, time_us, false);
            });
        } else {
            run_writes(request, request.time_us.value_or(0), false);
        }
    };
    const auto& first = *request.writes.front().statement;
    const bool transaction = first.cas != cql_statement::conditional::no;
    switch (on_.random.below(6)) {
    case 0:
        return error_answer(error_code::unavailable, "Cannot achieve consistency", {}, h.version);
    case 1:
        return error_answer(
            error_code::overloaded,
            settings_.asks_to_wait
                ? "Request rate is large. ActivityID=x, RetryAfterMs=40, Additional=y"
                : "Too many in flight"
        );
    case 2:
        return error_answer(error_code::is_bootstrapping, "bootstrapping");
    case 3:
        carried_out();
        return error_answer(error_code::server_error, "java.lang.RuntimeException");
    case 4:
        carried_out();
        return error_answer(error_code::write_failure, "failed", "SIMPLE", h.version);
    default:
        if (request.batch_log && request.writes.size() > 1) {
            run_writes(request, request.time_us.value_or(0), false);
            return error_answer(error_code::write_timeout, "timeout", "BATCH", h.version);
        }
        carried_out();
        return error_answer(
            error_code::write_timeout, "timeout", transaction ? "CAS" : "SIMPLE", h.version
        );
    }
}

}  // namespace sim
