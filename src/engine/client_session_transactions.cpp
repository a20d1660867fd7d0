#include <dualwrite/replication/partition_ref.hpp>

#include <algorithm>

#include "client_session.hpp"

// Lightweight transactions, and plain writes beside them: transaction_marks.hpp.

namespace dualwrite::engine {

void client_session::find_places(
    const replication::statement& statement, bytes_view values, bool named_values
)
{
    const bool transaction = statement.facts.conditional;
    if (transaction) worker_.shared().marks.expect();
    if (!transaction && !worker_.shared().marks.has(statement.table)) return;
    const auto refs = replication::partitions_of(
        statement.facts,
        statement.text,
        statement.keyspace,
        worker_.registry().shapes(),
        replication::bound_values(values, named_values)
    );
    if (refs.empty()) places_.push_back(transaction_marks::place_of(statement.table));
    for (const auto& ref : refs)
        places_.push_back(transaction_marks::place_of(statement.table, ref.key));
}

bool client_session::may_be_hidden(std::int64_t writetime_us) const noexcept
{
    const auto& marks = worker_.shared().marks;
    return std::any_of(places_.begin(), places_.end(), [&](transaction_marks::place place) {
        return marks.covers(place, writetime_us);
    });
}

std::int64_t client_session::next_writetime() noexcept
{
    auto& shared = worker_.shared();
    const auto& on = worker_.on();
    return shared.clock.next(shared.write_ms(on.steady_ms(), on.wall_ms()));
}

void client_session::transaction_answered(const pending& what, policy::outcome outcome)
{
    auto& shared = worker_.shared();
    const auto now = worker_.on().steady_ms();
    // Plain writes that follow must not get a time below the transaction's ballot.
    shared.transaction_ended(now, worker_.on().wall_ms());
    if (outcome != policy::outcome::void_)
        shared.marks.executed(what.place, shared.transactions_until_us(now));
}

}  // namespace dualwrite::engine
