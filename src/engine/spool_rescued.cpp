#include <dualwrite/engine/spool_rescued.hpp>
#include <dualwrite/policy/statement.hpp>
#include <dualwrite/replication/statements.hpp>

#include <algorithm>

namespace dualwrite::engine {

using replication::mutation_kind;
using replication::record_type;

result<rescued_log> rescued_log::read(
    spool_storage& storage,
    const std::string& directory,
    const replication::log_id& log,
    const std::vector<std::uint64_t>& numbers,
    std::string& why
)
{
    rescued_log out;
    out.id_ = log;
    out.numbers_ = numbers;
    DW_TRY(
        files,
        walk_log(
            storage,
            directory,
            log,
            numbers,
            [&](const walked_segment& segment, std::uint64_t, const auto& record) {
                out.take(segment, record);
            },
            why
        )
    );
    out.files_ = std::move(files);
    return out;
}

void rescued_log::take(const walked_segment& segment, const replication::record_view& record)
{
    const auto& fields = record.fields;
    if (!state_) {
        const auto next = fields.lsn + (fields.type == record_type::intent ? 0 : 1);
        state_.emplace(
            segment.first_lsn != 0 ? segment.first_lsn : std::max<std::uint64_t>(next, 1)
        );
    }
    state_->apply(record);
    if (fields.type != record_type::statement) return;
    const auto its = replication::read_statement(record.payload);
    // A second text for an id cannot be; the first one stands.
    if (its && statements_.define(its->id, its->keyspace, its->text))
        ids_end_ = std::max(ids_end_, its->id + 1);
}

result<void> rescued_log::for_each_unfinished(
    spool_storage& storage,
    const std::string& directory,
    const std::function<result<void>(const write&)>& visit,
    std::string& why
) const
{
    if (!state_ || state_->states().unfinished() == 0) return {};
    const auto& states = state_->states();
    result<void> done;
    DW_CHECK(walk_log(
        storage,
        directory,
        id_,
        numbers_,
        [&](const walked_segment&, std::uint64_t, const replication::record_view& record) {
            const auto lsn = record.fields.lsn;
            if (!done || record.fields.type != record_type::intent) return;
            // The proxy may have written more since the first reading.
            if (lsn < states.first_unfinished() || lsn > states.last_lsn()) return;
            const auto state = states.get(lsn);
            const auto its = replication::read_intent(record.payload);
            if (is_finished(state) || !its) return;
            done = visit({lsn, state, its->statement_ids, its->payload});
        },
        why
    ));
    return done;
}

bool rescued_log::damaged() const noexcept
{
    return std::any_of(files_.gaps.begin(), files_.gaps.end(), [](const auto& gap) {
        return gap.damage;
    });
}

std::uint64_t rescued_log::size_bytes() const noexcept
{
    std::uint64_t sum = 0;
    for (const auto& segment : files_.segments) sum += segment.size;
    return sum;
}

std::string write_tables::of(const replication::mutation_view& m)
{
    const auto of_text = [](std::string_view text) {
        return replication::table_name(policy::classify(text), {});
    };
    switch (m.header.kind) {
    case mutation_kind::execute:
        return of_statement(m.header.statement);
    case mutation_kind::query:
    case mutation_kind::schema:
        return of_text(m.text);
    case mutation_kind::batch:
        break;
    }
    replication::child_reader children(m);
    const auto first = children.next();
    if (!first || !*first) return "";
    return (*first)->prepared ? of_statement((*first)->statement) : of_text((*first)->text);
}

const std::string& write_tables::of_statement(std::uint32_t id)
{
    static const std::string unknown = "(statement lost)";
    if (!statements_.knows(id)) return unknown;
    if (id >= known_.size()) known_.resize(std::size_t{id} + 1);
    auto& its = known_[id];
    if (!its) {
        const auto& statement = statements_.statement_of(id);
        its = replication::table_name(policy::classify(statement.text), statement.keyspace);
    }
    return *its;
}

}  // namespace dualwrite::engine
