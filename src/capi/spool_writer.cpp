#include <dualwrite/engine/spool.hpp>
#include <dualwrite/policy/statement.hpp>
#include <dualwrite/protocol/query_parameters.hpp>
#include <dualwrite/replication/mutation.hpp>

#include <array>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "guard.hpp"
#include "live.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

struct dw_spool_writer {
    // Waits until the disk has all that was committed.
    result<void> sync()
    {
        std::unique_lock lock(mutex);
        const auto last = log->last_lsn();
        result<void> state;
        synced.wait(lock, [&] { return log->durable_lsn() >= last || !(state = log->commit()); });
        return state;
    }

    std::unique_ptr<engine::spool_directory> directory;
    std::mutex mutex;
    std::condition_variable synced;
    bool fsync{false};
    live alive{};
    std::unique_ptr<engine::spool_log> log;  // last: its thread uses the others
};

namespace {

constexpr std::size_t size_limit = std::size_t{256} << 20;

int check_write(const dw_write& write, dw_error* err)
{
    const auto wrong = [&](std::string_view what) {
        return report(err, DW_E_INVALID_ARGUMENT, what);
    };
    if (write.cql == nullptr) return null_argument(err, "write->cql");
    if (write.values == nullptr && write.values_size != 0)
        return null_argument(err, "write->values");
    if (write.cql_size >= size_limit || write.values_size >= size_limit)
        return wrong("a write is smaller than 256 MiB");
    if (write.value_count > std::numeric_limits<std::uint16_t>::max())
        return wrong("a write has at most 65535 values");
    const auto facts = policy::classify({write.cql, write.cql_size});
    if (!facts.is_write() || facts.unparsed)
        return wrong("write->cql is no INSERT, UPDATE, DELETE or BATCH");
    if (!facts.qualified && facts.kind != policy::statement_kind::batch)
        return wrong("write->cql does not name its keyspace; see dw_make_independent()");
    std::size_t count = 0;
    const bytes_view values(static_cast<const std::byte*>(write.values), write.values_size);
    const auto walked =
        protocol::for_each_value(values, write.named_values != 0, [&](auto, const auto&) {
            ++count;
        });
    if (!walked || count != write.value_count)
        return wrong("write->values are not value_count values");
    return DW_OK;
}

std::uint64_t append(engine::spool_log& log, const dw_write& write)
{
    namespace flag = replication::mutation_flags;
    const std::string_view text(write.cql, write.cql_size);
    const auto facts = policy::classify(text);
    replication::mutation_header header;
    header.kind = replication::mutation_kind::query;
    if (write.named_values != 0) header.flags |= flag::named_values;
    if (facts.may_be_several) header.flags |= flag::several;
    if (facts.using_ttl) header.flags |= flag::has_ttl;
    header.consistency = write.consistency;
    header.count = static_cast<std::uint16_t>(write.value_count);
    header.writetime_us = write.writetime_us;
    header.accepted_ms = write.accepted_ms;
    header.text_size = static_cast<std::uint32_t>(text.size());
    const auto head = replication::encode(header);
    const bytes_view values(static_cast<const std::byte*>(write.values), write.values_size);
    const std::array<bytes_view, 3> parts{bytes_view(head), as_bytes(text), values};
    return log.append_intent({}, parts);
}

int check_number(const dw_spool_writer& writer, std::uint64_t number, dw_error* err)
{
    if (number != 0 && number <= writer.log->last_lsn()) return DW_OK;
    return report(err, DW_E_INVALID_ARGUMENT, "there is no write " + std::to_string(number));
}

}  // namespace

int dw_spool_open(
    dw_spool_writer** out, const char* state_dir, uint64_t size_max, uint32_t flags, dw_error* err
)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (state_dir == nullptr) return null_argument(err, "state_dir");
        if ((flags & ~DW_SPOOL_FSYNC) != 0)
            return report(err, DW_E_INVALID_ARGUMENT, "flags has a bit other than DW_SPOOL_FSYNC");
        auto made = std::make_unique<dw_spool_writer>();
        made->fsync = flags != 0;
        engine::spool_options options;
        options.directory = std::string(state_dir) + "/spool";
        options.logs_max = 1;
        if (size_max != 0) options.size_max = size_max;
        if (made->fsync) options.durable = engine::durability::fsync;
        std::string why;
        auto opened = engine::spool_directory::open(options, why);
        if (!opened) return report(err, opened.error(), why);
        made->directory = std::move(*opened);
        auto log = made->directory->create_log();
        if (!log) return report(err, log.error(), made->directory->problem());
        made->log = std::move(*log);
        if (made->fsync)
            made->log->on_durable([&its = *made] {
                const std::lock_guard lock(its.mutex);
                its.synced.notify_all();
            });
        *out = made.release();
        return DW_OK;
    });
}

void dw_spool_close(dw_spool_writer** writer)
{
    delete take_handle(writer);
}

int dw_spool_append(uint64_t* number, dw_spool_writer* writer, const dw_write* write, dw_error* err)
{
    return guard(err, [&] {
        if (number == nullptr) return null_argument(err, "number");
        if (const int code = check_handle(err, writer, "writer"); code != DW_OK) return code;
        if (const int code = check_struct(err, write, "write"); code != DW_OK) return code;
        if (const int code = check_write(*write, err); code != DW_OK) return code;
        if (writer->directory->full())
            return report(err, DW_E_FULL, "the spool has reached its limit, or the disk is full");
        *number = append(*writer->log, *write);
        return DW_OK;
    });
}

int dw_spool_settle(dw_spool_writer* writer, uint64_t number, uint32_t outcome, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, writer, "writer"); code != DW_OK) return code;
        if (const int code = check_number(*writer, number, err); code != DW_OK) return code;
        if (outcome > DW_OUTCOME_UNKNOWN)
            return report(err, DW_E_INVALID_ARGUMENT, "outcome is no DW_OUTCOME_*");
        if (outcome == DW_OUTCOME_APPLIED)
            writer->log->settle(number, engine::write_state::applied);
        if (outcome == DW_OUTCOME_VOID) writer->log->settle(number, engine::write_state::void_);
        return DW_OK;
    });
}

int dw_spool_finish(dw_spool_writer* writer, uint64_t number, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, writer, "writer"); code != DW_OK) return code;
        if (const int code = check_number(*writer, number, err); code != DW_OK) return code;
        writer->log->finish(number);
        return DW_OK;
    });
}

int dw_spool_commit(dw_spool_writer* writer, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, writer, "writer"); code != DW_OK) return code;
        writer->log->write_at_once();
        auto done = writer->log->commit();
        if (done && writer->fsync) done = writer->sync();
        return done ? DW_OK : report(err, DW_E_SYSTEM, writer->log->why());
    });
}

int dw_spool_backlog(uint64_t* out, const dw_spool_writer* writer, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        if (const int code = check_handle(err, writer, "writer"); code != DW_OK) return code;
        *out = writer->log->backlog();
        return DW_OK;
    });
}
