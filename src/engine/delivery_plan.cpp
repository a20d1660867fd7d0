#include <algorithm>
#include <iterator>

#include "delivery.hpp"

namespace dualwrite::engine {

using namespace delivery_limits;
using replication::mutation_kind;
using replication::mutation_view;
using replication::plan;

namespace {

constexpr std::uint8_t counter_batch = 2;

}  // namespace

void delivery::for_each_statement(
    const mutation_view& m, const std::function<void(const replication::statement&, bytes_view)>& f
)
{
    const auto& shapes = tools_.registry.shapes();
    switch (m.header.kind) {
    case mutation_kind::execute:
        return f(statement_of(m.header.statement), m.values);
    case mutation_kind::query:
        return f(replication::make_statement({}, m.text, shapes), m.values);
    case mutation_kind::schema:
        return;
    case mutation_kind::batch:
        break;
    }
    replication::child_reader children(m);
    for (auto next = children.next(); next && *next; next = children.next()) {
        const auto& child = **next;
        if (child.prepared)
            f(statement_of(child.statement), child.values);
        else
            f(replication::make_statement({}, child.text, shapes), child.values);
    }
}

std::vector<kept_statement> delivery::statements_of(const mutation_view& m)
{
    if (m.header.kind == mutation_kind::schema) return {{std::string(m.text), {}, false}};
    const bool named = m.has(replication::mutation_flags::named_values);
    std::vector<kept_statement> out;
    for_each_statement(m, [&](const replication::statement& its, bytes_view values) {
        out.push_back({its.target_text, std::string(as_text(values)), named});
    });
    return out;
}

std::string delivery::table_of(const mutation_view& m)
{
    if (m.header.kind == mutation_kind::schema)
        return replication::table_name(policy::classify(m.text), {});
    std::string out;
    for_each_statement(m, [&](const replication::statement& its, bytes_view) {
        if (out.empty()) out = its.table;
    });
    return out;
}

// Asks for the schema again when a table is not in it, and takes the write as it is when the source
// does not seem to have such a table (any more).
replication::decision delivery::plan_of(const mutation_view& m)
{
    if (m.header.kind == mutation_kind::schema || m.has(replication::mutation_flags::replay))
        return {plan::replay, {}};
    replication::decision all{plan::replay, {}};
    for_each_statement(m, [&](const replication::statement& its, bytes_view) {
        if (its.decision.what > all.what) all = its.decision;
    });
    if (m.header.kind == mutation_kind::batch && m.header.batch_type == counter_batch)
        all = {plan::refresh, "counter"};
    if (m.has(replication::mutation_flags::refresh) && all.what <= plan::undecided)
        all = {plan::refresh, "what the source said to it is lost"};
    if (all.what == plan::undecided && !may_still_come(m)) return {plan::replay, {}};
    return all;
}

// A table of this write is not in the schema that was read. True: it may be in the next one.
bool delivery::may_still_come(const mutation_view& m)
{
    tools_.shared.want_shapes();
    const bool read = tools_.shared.shapes_version() != 0;
    const auto waited_ms = tools_.on.wall_ms() - m.header.accepted_ms;
    return !read || waited_ms < tools_.shared.options.patience.refusal_ms;
}

void delivery::start_refresh(std::uint64_t lsn, const mutation_view& m)
{
    const bool named = m.has(replication::mutation_flags::named_values);
    std::vector<replication::partition_ref> partitions;
    bool complete = true;
    bool known = true;
    bool serial = false;
    const auto& shapes = tools_.registry.shapes();
    for_each_statement(m, [&](const replication::statement& its, bytes_view values) {
        auto found = replication::partitions_of(
            its.facts, its.text, its.keyspace, shapes, replication::bound_values(values, named)
        );
        known &= replication::tables_known(its.facts, its.keyspace, shapes);
        complete &= !found.empty();
        serial |= its.facts.conditional;
        std::move(found.begin(), found.end(), std::back_inserter(partitions));
    });
    if (!known && may_still_come(m)) return retry_later(lsn, undecided_delay_ms);
    if (!complete || partitions.empty()) {
        const auto reason = std::string(plan_of(m).reason);
        return keep(lsn, reason + ", and it does not name its partitions");
    }
    refresh_key common;
    common.serial = serial;
    common.writetime_us = std::max<std::int64_t>(m.header.writetime_us, 0);
    refresh_all(lsn, std::move(partitions), common);
}

// Of a log that an earlier run has left, where its session is gone.
void delivery::open_transaction(std::uint64_t lsn)
{
    const auto view = view_of(lsn);
    if (view.header.kind == mutation_kind::schema) return;
    const bool named = view.has(replication::mutation_flags::named_values);
    const auto& shapes = tools_.registry.shapes();
    for_each_statement(view, [&](const replication::statement& its, bytes_view values) {
        if (!its.facts.conditional || open_transactions_.contains(lsn)) return;
        const replication::bound_values bound(values, named);
        const auto refs =
            replication::partitions_of(its.facts, its.text, its.keyspace, shapes, bound);
        const auto place = refs.empty() ? transaction_marks::place_of(its.table)
                                        : transaction_marks::place_of(its.table, refs.front().key);
        open_transactions_.emplace(lsn, place);
        tools_.shared.marks.open(place);
    });
}

void delivery::close_transaction(std::uint64_t lsn)
{
    const auto found = open_transactions_.find(lsn);
    if (found == open_transactions_.end()) return;
    tools_.shared.marks.close(
        found->second, tools_.shared.transactions_until_us(tools_.on.steady_ms())
    );
    open_transactions_.erase(found);
}

void delivery::replayed(std::uint64_t lsn)
{
    using namespace replication::mutation_flags;
    if (is_truncate(lsn)) return truncated(lsn);
    if (!replication::peek_flag(window_.payload(lsn), may_empty | beside_refreshes))
        return delivered(lsn, false);
    const auto view = view_of(lsn);
    auto rows = emptied_rows(view);
    if (rows.empty()) return delivered(lsn, false);
    refresh_key common;
    common.if_gone = !view.has(beside_refreshes);
    // What a transaction has promised is not yet for everyone to see.
    common.serial = tools_.shared.marks.has(table_of(view));
    common.writetime_us = std::max<std::int64_t>(view.header.writetime_us, 0);
    refresh_all(lsn, std::move(rows), common);
    refreshes_[lsn].replayed = true;
}

std::vector<replication::partition_ref> delivery::emptied_rows(const mutation_view& m)
{
    using namespace replication::mutation_flags;
    const bool named = m.has(named_values);
    const bool all = m.has(beside_refreshes);
    std::vector<replication::partition_ref> out;
    const auto& shapes = tools_.registry.shapes();
    for_each_statement(m, [&](const replication::statement& its, bytes_view values) {
        if (!all && !replication::may_empty(its.effect, values, named)) return;
        const replication::bound_values bound(values, named);
        auto found = replication::partitions_of(its.facts, its.text, its.keyspace, shapes, bound);
        if (found.empty())
            tools_.shared.log_limited(
                log_level::warning,
                "a write to " + its.table +
                    " may have left another row at the target and does not say which one; "
                    "`dualwrite validate` finds it"
            );
        std::move(found.begin(), found.end(), std::back_inserter(out));
    });
    return out;
}

void delivery::refresh_all(
    std::uint64_t lsn, std::vector<replication::partition_ref> partitions, const refresh_key& common
)
{
    refreshes_[lsn] = {partitions.size(), false, refresh_status::done, {}};
    for (auto& partition : partitions) {
        auto key = common;
        key.keyspace = std::move(partition.keyspace);
        key.table = std::move(partition.table);
        key.partition = std::move(partition.key);
        key.clustering = std::move(partition.clustering);
        auto on = &tools_.on;
        tools_.shared.refresh->request(std::move(key), [on, lsn, alive = alive_](refresh_result r) {
            on->post([lsn, alive, r = std::move(r)] {
                if (*alive != nullptr) (*alive)->refresh_ended(lsn, r);
            });
        });
    }
}

void delivery::refresh_ended(std::uint64_t lsn, const refresh_result& result)
{
    const auto found = refreshes_.find(lsn);
    if (found == refreshes_.end()) return;
    auto& work = found->second;
    if (result.status > work.status) {
        work.status = result.status;
        work.why = result.why;
    }
    if (--work.left != 0) return;
    const auto ended = std::move(work);
    refreshes_.erase(found);
    if (ended.status == refresh_status::done) return delivered(lsn, !ended.replayed);
    if (ended.status == refresh_status::retry) return retry_later(lsn, -1);
    keep(lsn, "refresh failed: " + ended.why);
}

}  // namespace dualwrite::engine
