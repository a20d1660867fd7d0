#include <dualwrite/engine/spool_log.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace dualwrite::engine {

using replication::record_size;
using replication::record_type;

namespace {

constexpr std::size_t block_size_max = 256 * 1024;
constexpr std::size_t ranges_per_record = 240;  // fits into the smallest segment
constexpr std::size_t finished_unwritten_max = 4096;
constexpr std::size_t outcomes_unwritten_max = 4096;

std::byte* copy(std::byte* out, bytes_view bytes) noexcept
{
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    return out + bytes.size();
}

// Where reading begins: segments whose intents are all finished have nothing to say.
spool_position first_to_read(spool_segments& segments, std::uint64_t first_unfinished)
{
    for (const auto& segment : segments)
        if (segment.last_lsn >= first_unfinished)
            return {segment.number, replication::segment_header_size};
    if (segments.empty()) return {1, replication::segment_header_size};
    return {segments.back().number, segments.back().end};
}

}  // namespace

spool_log_parts::spool_log_parts(
    std::shared_ptr<spool_shared> shared_state, spool_log_state state, bool is_left
)
    : shared(std::move(shared_state)), identity(state.identity), left(is_left),
      segments(std::move(state.segments)), states(std::move(state.states)),
      blocks(
          static_cast<std::size_t>(std::min<std::uint64_t>(block_size_max, shared->segment_size())),
          shared->options().memory_max
      ),
      committer(
          shared->fsync() && !left ? std::make_unique<spool_committer>(
                                         shared->storage_ptr(), shared->options().background
                                     )
                                   : nullptr
      ),
      writer(*shared, identity, segments, blocks, committer.get()),
      reader(
          *shared,
          identity.log,
          segments,
          blocks,
          first_to_read(segments, states.first_unfinished())
      ),
      committed_lsn(states.last_lsn())
{
    writer.set_clock(state.clock_us);
    if (!segments.empty()) committed_segment = segments.back().number;
}

// Files of left logs may be deleted when this has returned, so the clock must be as safe in the
// new log as it was in them.
result<void> spool_log_parts::begin()
{
    writer.begin_segment(0, states.last_lsn());
    DW_CHECK(write());
    if (!shared->fsync()) return {};
    if (const auto synced = writer.sync(); !synced) return stop(writer.why(), synced.error());
    return {};
}

std::uint64_t spool_log_parts::append(
    std::span<const std::uint32_t> statement_ids, std::span<const bytes_view> payload_parts
)
{
    const auto statements_size = [&](bool all) {
        std::uint64_t size = 0;
        for (const auto id : statement_ids)
            if (all || dictionary.segment_of(id) != writer.segment()) size += statement_size(id);
        return size;
    };
    std::size_t size = replication::intent_payload_size(statement_ids.size(), 0);
    for (const auto part : payload_parts) size += part.size();

    // The intent and its statements go into one segment, so that each can be read by itself.
    if (!writer.fits(record_size(size) + statements_size(false)))
        writer.begin_segment(record_size(size) + statements_size(true), states.last_lsn());
    for (const auto id : statement_ids)
        if (dictionary.segment_of(id) != writer.segment()) place_statement(id);

    auto* out = writer.begin_record(size);
    store_le(out, static_cast<std::uint32_t>(statement_ids.size()));
    out += 4;
    out = copy(out, std::as_bytes(statement_ids));
    for (const auto part : payload_parts) out = copy(out, part);
    const auto lsn = states.push();
    writer.end_record(record_type::intent, lsn);
    return lsn;
}

std::uint64_t spool_log_parts::statement_size(std::uint32_t id) const
{
    const auto& statement = dictionary.statement_of(id);
    return record_size(
        replication::statement_payload_size(statement.keyspace.size(), statement.text.size())
    );
}

void spool_log_parts::place_statement(std::uint32_t id)
{
    const auto& [keyspace, text] = dictionary.statement_of(id);
    auto* const out =
        writer.begin_record(replication::statement_payload_size(keyspace.size(), text.size()));
    replication::write_statement(out, {id, keyspace, text});
    writer.end_record(record_type::statement, states.last_lsn());
    dictionary.segment_of(id) = writer.segment();
}

void spool_log_parts::place_ranges(
    record_type type, std::span<const replication::state_range> ranges
)
{
    // A DONE record without ranges still has its watermark.
    const std::size_t fixed = type == record_type::done ? 8 : 0;
    do {
        const auto part = ranges.first(std::min(ranges.size(), ranges_per_record));
        ranges = ranges.subspan(part.size());
        const auto size = fixed + part.size() * replication::state_range_size;
        if (!writer.fits(record_size(size)))
            writer.begin_segment(record_size(size), states.last_lsn());
        auto* const out = writer.begin_record(size);
        if (fixed != 0) store_le(out, states.first_unfinished() - 1);
        replication::write_ranges(out + fixed, part);
        writer.end_record(type, states.last_lsn());
    } while (!ranges.empty());
}

void spool_log_parts::place_outcomes()
{
    if (settled.empty()) return;
    place_ranges(record_type::settled, settled.sorted());
    settled.clear();
    outcomes_due = false;
}

void spool_log_parts::place_done()
{
    if (finished.writes() >= finished_unwritten_max) done_due = true;
    if (!done_due || finished.empty()) return;
    auto ranges = finished.sorted();
    const auto below = [&](const auto& r) {
        return r.first + r.count <= states.first_unfinished();
    };
    const auto first = std::find_if_not(ranges.begin(), ranges.end(), below);
    place_ranges(
        record_type::done, ranges.subspan(static_cast<std::size_t>(first - ranges.begin()))
    );
    finished.clear();
    done_due = false;
}

void spool_log_parts::place_clock()
{
    if (!clock_due) return;
    clock_due = false;
    // A new segment begins with the clock by itself.
    constexpr auto size = record_size(8);
    if (!writer.fits(size)) return writer.begin_segment(0, states.last_lsn());
    store_le(writer.begin_record(8), writer.clock_us());
    writer.end_record(record_type::clock, states.last_lsn());
}

failure spool_log_parts::stop(std::string reason, std::error_code cause)
{
    if (!error) {
        error = cause;
        why = std::move(reason);
    }
    return fail(error);
}

bool spool_log_parts::may_wait() const noexcept
{
    return !outcomes_due && !done_due && !clock_due && !writer.has_unwritten() &&
           settled.writes() < outcomes_unwritten_max && finished.writes() < finished_unwritten_max;
}

result<void> spool_log_parts::write(spool_log::outcomes what)
{
    DW_ASSERT(!closed);
    if (error) return fail(error);
    if (committer && committer->failed()) {
        std::uint64_t segment = 0;
        const auto cause = committer->error(segment);
        const auto name = replication::to_text({identity.log, segment});
        return stop("cannot sync " + shared->path_of(name) + ": " + cause.message(), cause);
    }
    if (what == spool_log::outcomes::applied_may_wait && may_wait()) return {};
    place_outcomes();
    place_clock();
    place_done();
    if (!writer.has_unwritten()) return {};
    if (const auto written = writer.write_out(); !written)
        return stop(writer.why(), written.error());
    committed_lsn = states.last_lsn();
    committed_segment = writer.segment();
    if (committer) committer->commit(committed_lsn);
    return {};
}

// Deletes the oldest segments as long as they have nothing to deliver. Only the oldest: what a
// later one says about the outcomes of an earlier one must live as long as that.
void spool_log_parts::collect()
{
    while (segments.size() > 1) {
        const auto& oldest = segments.front();
        const auto needed = oldest.last_lsn >= states.first_unfinished() ||
                            oldest.number >= committed_segment ||
                            oldest.number >= reader.position().segment;
        if (needed) return;
        // The clock that it has must be safe in a later one.
        if (committer && oldest.number >= committer->secured().segment) return;
        spool_file_entry file{replication::to_text({identity.log, oldest.number}), oldest.size};
        if (left)
            shared->remove_left_later(std::move(file));
        else
            shared->remove_later(std::move(file));
        segments.pop_front();
    }
}

result<std::optional<spool_log::intent>> spool_log_parts::next()
{
    using intent = std::optional<spool_log::intent>;
    for (;;) {
        const auto record = reader.next();
        if (!record) return stop(reader.why(), record.error());
        if (!*record) return intent{};

        const auto& [fields, payload, size] = **record;
        if (fields.type == record_type::statement && left) {
            const auto statement = replication::read_statement(payload);
            DW_ASSERT(statement);  // recovery has read it before
            if (!dictionary.define(statement->id, statement->keyspace, statement->text))
                return stop(damaged("a statement has two texts"), errc::spool_corrupt);
        }
        if (fields.type != record_type::intent || is_finished(states.get(fields.lsn))) continue;

        const auto found = replication::read_intent(payload);
        DW_ASSERT(found);
        for (const auto id : found->statement_ids)
            if (!dictionary.knows(id))
                return stop(damaged("an intent has an unknown statement"), errc::spool_corrupt);
        reader.block()->last_handed_out = fields.lsn;
        return intent({fields.lsn, found->statement_ids, found->payload});
    }
}

std::string spool_log_parts::damaged(const char* what) const
{
    const auto name = replication::to_text({identity.log, reader.position().segment});
    return "cannot read " + shared->path_of(name) + ": " + what;
}

void spool_log_parts::close()
{
    closed = true;
    for (const auto& segment : segments)
        if (segment.on_disk)
            shared->remove_left_later(
                {replication::to_text({identity.log, segment.number}), segment.size}
            );
}

void spool_log_parts::end()
{
    if (closed || error) return;
    done_due = true;
    auto ended = write();
    if (ended) collect();
    if (ended) {
        ended = writer.close(states.last_lsn());
        if (ended && committer) committer->commit(committed_lsn);
    }
    if (!ended) shared->report(error ? why : writer.why());
}

}  // namespace dualwrite::engine
