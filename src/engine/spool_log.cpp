#include <dualwrite/engine/spool_log.hpp>

#include <utility>

namespace dualwrite::engine {

namespace {

constexpr std::int64_t done_interval_ms = 200;

}  // namespace

spool_log::spool_log(std::unique_ptr<spool_log_parts> parts) : parts_(std::move(parts)) {}

spool_log::~spool_log()
{
    parts_->end();
    if (!parts_->left) parts_->shared->end_live_log();
}

std::uint32_t spool_log::intern(std::string_view keyspace, std::string_view text)
{
    DW_ASSERT(!parts_->left);
    return parts_->dictionary.intern(keyspace, text);
}

const spool_log::statement& spool_log::statement_of(std::uint32_t id) const
{
    return parts_->dictionary.statement_of(id);
}

std::uint64_t spool_log::append_intent(
    std::span<const std::uint32_t> statement_ids, std::span<const bytes_view> payload_parts
)
{
    DW_ASSERT(!parts_->left);
    return parts_->append(statement_ids, payload_parts);
}

void spool_log::settle(std::uint64_t lsn, write_state outcome)
{
    DW_ASSERT(outcome == write_state::applied || outcome == write_state::void_);
    if (parts_->states.get(lsn) != write_state::open) return;
    parts_->states.set(lsn, outcome);
    parts_->settled.add(lsn, outcome);
    parts_->outcomes_due |= outcome == write_state::void_;
}

void spool_log::finish(std::uint64_t lsn)
{
    if (replication::is_finished(parts_->states.get(lsn))) return;
    parts_->states.set(lsn, write_state::done);
    parts_->finished.add(lsn, write_state::done);
}

void spool_log::write_at_once()
{
    parts_->outcomes_due = parts_->done_due = true;
}

void spool_log::sync_done(std::int64_t now_ms)
{
    if (now_ms - parts_->done_written_ms < done_interval_ms) return;
    parts_->done_written_ms = now_ms;
    parts_->done_due = true;
}

void spool_log::set_clock(std::int64_t high_water_us)
{
    if (high_water_us <= parts_->writer.clock_us()) return;
    parts_->writer.set_clock(high_water_us);
    parts_->clock_due = true;
}

result<void> spool_log::commit(outcomes what)
{
    DW_CHECK(parts_->write(what));
    parts_->blocks.drop_unread(parts_->reader.block());
    parts_->collect();
    return {};
}

std::uint64_t spool_log::durable_lsn() const noexcept
{
    return parts_->committer ? parts_->committer->durable_lsn() : parts_->committed_lsn.load();
}

void spool_log::on_durable(std::function<void()> callback)
{
    if (parts_->committer) parts_->committer->on_synced(std::move(callback));
}

write_state spool_log::state(std::uint64_t lsn) const noexcept
{
    return parts_->states.get(lsn);
}

std::uint64_t spool_log::first_unfinished() const noexcept
{
    return parts_->states.first_unfinished();
}

std::uint64_t spool_log::last_lsn() const noexcept
{
    return parts_->states.last_lsn();
}

std::uint64_t spool_log::memory_bytes() const noexcept
{
    return parts_->blocks.size_bytes();
}

std::uint64_t spool_log::backlog() const noexcept
{
    return parts_->states.unfinished();
}

result<std::optional<spool_log::intent>> spool_log::next_intent()
{
    return parts_->next();
}

void spool_log::release(std::uint64_t lsn)
{
    parts_->reader.release(lsn);
}

bool spool_log::is_left() const noexcept
{
    return parts_->left;
}

bool spool_log::exhausted() const noexcept
{
    return parts_->left && parts_->states.unfinished() == 0;
}

void spool_log::close_finished()
{
    DW_ASSERT(exhausted());
    parts_->close();
}

const std::string& spool_log::why() const noexcept
{
    return parts_->why;
}

}  // namespace dualwrite::engine
