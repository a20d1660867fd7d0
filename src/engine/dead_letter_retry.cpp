#include <dualwrite/engine/dead_letters.hpp>
#include <dualwrite/engine/spool.hpp>
#include <dualwrite/engine/spool_storage.hpp>
#include <dualwrite/protocol/query_parameters.hpp>
#include <dualwrite/replication/statements.hpp>

#include <ctime>
#include <limits>

#include "dead_letter_file.hpp"
#include "destructive.hpp"

// A retry writes the open letters into a spool of its own, under the state directory, and runs a
// proxy without clients on it: one code delivers everything. The letters and their marks are what
// survives a crash; that spool is made anew each time.

namespace dualwrite::engine {

using replication::mutation_header;
using replication::mutation_kind;
using replication::plan;
namespace flags = replication::mutation_flags;

namespace {

constexpr std::uint64_t writes_per_commit = 1000;

std::uint16_t count_values(const kept_statement& its)
{
    std::uint16_t count = 0;
    (void)protocol::for_each_value(as_bytes(its.values), its.named_values, [&](auto, const auto&) {
        ++count;
    });
    return count;
}

// What the schema adds is decided when it is delivered, as for a table that was not known.
void add_facts(mutation_header& to, const replication::statement& its)
{
    if (its.has_ttl) to.flags |= flags::has_ttl;
    if (its.facts.may_be_several) to.flags |= flags::several;
    if (its.facts.kind != policy::statement_kind::insert) to.flags |= flags::may_empty;
}

class writer {
public:
    explicit writer(spool_log& log) : log_(log) {}

    // False: it has no write time, so that executing it now would be another write.
    bool add(const dead_letter& letter)
    {
        mutation_header header;
        header.writetime_us = letter.writetime_us;
        header.accepted_ms = letter.accepted_ms > 0
                                 ? letter.accepted_ms
                                 : static_cast<std::int64_t>(std::time(nullptr)) * 1000;
        header.consistency = letter.consistency.value_or(
            static_cast<std::uint16_t>(protocol::consistency::local_quorum)
        );
        if (letter.statements.empty()) return false;
        for (const auto& its : letter.statements)
            if (!may_be_repeated(its, header)) return false;
        return letter.batch || letter.statements.size() > 1 ? add_batch(letter, header)
                                                            : add_one(letter, header);
    }

private:
    static bool may_be_repeated(const kept_statement& its, const mutation_header& header)
    {
        const auto statement = replication::make_statement({}, its.text, {});
        switch (statement.decision.what) {
        case plan::pass:
        case plan::unreplicated:
            return false;
        case plan::refresh:
            return true;
        case plan::schema:
            return !destroys(its.text);
        case plan::replay:
        case plan::undecided:
            break;
        }
        return header.writetime_us != replication::writetime_in_text || statement.timestamp_in_text;
    }

    bool add_one(const dead_letter& letter, mutation_header header)
    {
        const auto& its = letter.statements.front();
        const auto statement = replication::make_statement({}, its.text, {});
        const bool schema = statement.decision.what == plan::schema;
        header.kind = schema ? mutation_kind::schema : mutation_kind::query;
        header.text_size = static_cast<std::uint32_t>(its.text.size());
        if (!schema) add_facts(header, statement);
        if (its.named_values) header.flags |= flags::named_values;
        header.count = count_values(its);
        append(header, as_bytes(its.text), as_bytes(its.values));
        return true;
    }

    bool add_batch(const dead_letter& letter, mutation_header header)
    {
        byte_buffer children;
        header.kind = mutation_kind::batch;
        header.batch_type = letter.batch.value_or(0);
        header.count = static_cast<std::uint16_t>(letter.statements.size());
        if (letter.statements.size() > 1) header.flags |= flags::several;
        for (const auto& its : letter.statements) {
            if (its.named_values) return false;
            add_facts(header, replication::make_statement({}, its.text, {}));
            replication::append_child(
                children,
                {.prepared = false,
                 .value_count = count_values(its),
                 .statement = 0,
                 .text = its.text,
                 .values = as_bytes(its.values)}
            );
        }
        append(header, {}, children.view());
        return true;
    }

    void append(const mutation_header& header, bytes_view text, bytes_view values)
    {
        const auto head = replication::encode(header);
        const bytes_view parts[] = {bytes_view(head), text, values};
        log_.settle(log_.append_intent({}, parts), write_state::applied);
    }

    spool_log& log_;
};

struct filled {
    std::vector<std::string> ids;  // by number, from 1
    std::uint64_t left_out{0};
};

// What an earlier retry left there: the letters are still where they were.
result<void> wipe(const std::string& directory, std::string& why)
{
    DW_TRY(storage, open_system_storage(directory, why));
    std::int64_t holder = 0;
    if (const auto locked = storage->lock(holder); !locked) {
        why = "another retry is running (process " + std::to_string(holder) + ")";
        return fail(locked.error());
    }
    DW_TRY(names, storage->list());
    for (const auto& name : names)
        if (name.starts_with("dw-") || name.starts_with("spare-")) DW_CHECK(storage->remove(name));
    return {};
}

result<filled> fill(const std::string& state_dir, const std::string& directory, std::string& why)
{
    DW_CHECK(wipe(directory, why));
    spool_options options;
    options.directory = directory;
    options.size_max = std::numeric_limits<std::int64_t>::max();
    options.logs_max = 1;
    DW_TRY(spool, spool_directory::open(options, why));
    DW_TRY(log, spool->create_log());
    filled out;
    writer to(*log);
    result<void> committed;
    const auto add = [&](const found_letter& its) {
        if (its.applied_at_s || !committed) return;
        if (!its.content || !to.add(its.content->letter)) {
            ++out.left_out;
            return;
        }
        out.ids.push_back(its.id);
        if (out.ids.size() % writes_per_commit == 0) committed = log->commit();
    };
    DW_CHECK(read_letters(state_dir, add, why));
    if (committed) committed = log->commit();
    if (!committed) {
        why = log->why();
        return fail(committed.error());
    }
    return out;
}

}  // namespace

result<std::unique_ptr<proxy>>
retry_letters(const proxy_options& options, log_sink log, std::string& why)
{
    // Before anything is made: is it a state directory at all?
    DW_CHECK(read_letters(
        options.state_dir, [](const found_letter&) {}, why
    ));
    const auto folder = options.state_dir + "/retry";
    auto letters = fill(options.state_dir, folder + "/spool", why);
    if (!letters) {
        if (why.empty()) why = "cannot write to " + folder + ": " + letters.error().message();
        return fail(letters.error());
    }
    DW_TRY(marks, letter_marks::open(options.state_dir, why));
    if (log && letters->left_out != 0)
        log(log_level::warning,
            std::to_string(letters->left_out) +
                " dead letters cannot be tried again: they have no write time, would destroy what "
                "was written since, such as DROP, or cannot be read. `dualwrite dead-letters "
                "export` shows them");
    auto changed = options;
    changed.state_dir = folder;
    changed.deliver_only = true;
    changed.left_write_ended =
        [marks, ids = std::move(letters->ids), log](std::uint64_t number, bool delivered) {
            if (!delivered || number == 0 || number > ids.size()) return;
            if (!marks->add(ids[number - 1]) && log)
                log(log_level::error, "a dead letter that was applied cannot be marked");
        };
    return proxy::start(changed, std::move(log), why);
}

}  // namespace dualwrite::engine
