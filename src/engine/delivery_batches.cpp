#include <dualwrite/policy/unlogged_batch.hpp>
#include <dualwrite/protocol/batch.hpp>

#include "delivery.hpp"

// Targets that take no logged batches. Which they are they say when they get one; from then on
// batches go there as unlogged ones.

namespace dualwrite::engine {

using replication::mutation_kind;

bool delivery::is_logged_batch(const replication::mutation_view& m)
{
    switch (m.header.kind) {
    case mutation_kind::batch:
        return m.header.batch_type == static_cast<std::uint8_t>(protocol::batch_type::logged);
    case mutation_kind::query:
        return policy::as_unlogged(m.text).has_value();
    case mutation_kind::execute:
        return policy::as_unlogged(statement_of(m.header.statement).target_text).has_value();
    case mutation_kind::schema:
        break;
    }
    return false;
}

// True: the target refused it for that, and it is to be sent once more.
bool delivery::send_unlogged(std::uint64_t lsn, std::string_view message)
{
    if (!policy::refuses_logged_batch(message) || !is_logged_batch(view_of(lsn))) return false;
    if (!unlogged_.insert(lsn).second) return false;
    if (!tools_.shared.target_unlogged.exchange(true))
        tools_.shared.log(
            log_level::warning,
            "the target takes no logged batches: they are sent as unlogged ones. All of each "
            "arrives, as before, but another client of the target may see a part of one"
        );
    return true;
}

void delivery::count_unlogged(std::uint64_t lsn)
{
    if (!tools_.shared.target_unlogged.load(std::memory_order_relaxed)) return;
    if (is_logged_batch(view_of(lsn))) tools_.counters.unlogged.add();
}

}  // namespace dualwrite::engine
