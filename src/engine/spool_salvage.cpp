#include <dualwrite/engine/spool.hpp>
#include <dualwrite/engine/spool_rescued.hpp>
#include <dualwrite/engine/spool_salvage.hpp>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <limits>
#include <sys/stat.h>

#include "spool_writes.hpp"

namespace dualwrite::engine {

using replication::mutation_kind;
using replication::write_state;

namespace {

constexpr std::uint64_t writes_per_commit = 1000;
constexpr std::size_t copy_size = 256 * 1024;
constexpr auto letters_name = "../dead_letters.jsonl";
constexpr auto outcome_lost = "what the source said to it was lost with damaged spool files";

// One log into a new one. The ids of statements stay the same: the writes name them.
class copier {
public:
    copier(const rescued_log& from, spool_directory& directory, spool_log& to, salvaged_log& report)
        : from_(from), directory_(directory), to_(to), report_(report)
    {
        for (std::uint32_t id = 0; id < from.statement_ids_end(); ++id) {
            const auto known = from.statements().knows(id);
            const auto text = "-- lost statement " + std::to_string(id);
            const auto given = known ? to.intern(
                                           from.statements().statement_of(id).keyspace,
                                           from.statements().statement_of(id).text
                                       )
                                     : to.intern("", text);
            same_ids_ &= given == id;
        }
        if (from.state() != nullptr) to.set_clock(from.state()->clock_us());
    }

    // False: a statement has two ids, which no proxy writes.
    bool usable() const noexcept { return same_ids_; }

    result<void> copy(const rescued_log::write& write)
    {
        const auto known = [&](std::uint32_t id) { return from_.statements().knows(id); };
        const auto view = replication::parse_mutation(write.payload);
        if (!view || !std::all_of(write.statement_ids.begin(), write.statement_ids.end(), known)) {
            ++report_.unknown;
            return {};
        }
        const auto doubtful = write.state == write_state::open && from_.damaged();
        if (doubtful && view->header.kind == mutation_kind::schema) return keep(*view);
        const auto lsn = append(write, doubtful);
        if (write.state == write_state::applied) to_.settle(lsn, write_state::applied);
        ++report_.copied;
        if (report_.copied % writes_per_commit == 0) DW_CHECK(to_.commit());
        return {};
    }

private:
    // The source may have refused it, so it is not sent there again: what the source has is read.
    std::uint64_t append(const rescued_log::write& write, bool doubtful)
    {
        namespace flags = replication::mutation_flags;
        if (!doubtful) return to_.append_intent(write.statement_ids, {&write.payload, 1});
        std::vector<std::byte> changed(write.payload.begin(), write.payload.end());
        changed[2] &= ~std::byte{flags::replay};
        changed[2] |= std::byte{flags::refresh};
        const bytes_view payload(changed);
        ++report_.refreshed;
        return to_.append_intent(write.statement_ids, {&payload, 1});
    }

    result<void> keep(const replication::mutation_view& m)
    {
        auto letter = letter_of(m, from_.statements());
        letter.reason = outcome_lost;
        ++report_.kept;
        const auto line = to_json_line(letter, std::time(nullptr));
        return directory_.keep_dead_letter(as_bytes(line));
    }

    const rescued_log& from_;
    spool_directory& directory_;
    spool_log& to_;
    salvaged_log& report_;
    bool same_ids_{true};
};

result<void> copy_letters(spool_storage& from, spool_storage& to)
{
    auto source = from.open(letters_name, open_mode::read);
    if (!source && source.error() == std::errc::no_such_file_or_directory) return {};
    if (!source) return fail(source.error());
    DW_TRY(target, to.open(letters_name, open_mode::create));
    std::vector<std::byte> buffer(copy_size);
    for (std::uint64_t offset = 0;;) {
        DW_TRY(n, (*source)->read(buffer, offset));
        if (n == 0) break;
        const auto part = bytes_view(buffer).first(n);
        DW_CHECK(target->write({&part, 1}, offset));
        offset += n;
    }
    return target->sync();
}

result<void> sync_all(spool_storage& storage)
{
    DW_TRY(names, storage.list());
    for (const auto& name : names) {
        DW_TRY(file, storage.open(name, open_mode::read));
        DW_CHECK(file->sync());
    }
    DW_CHECK(storage.sync_directory("."));
    return storage.sync_directory("..");
}

class salvage {
public:
    salvage(spool_salvage& report, std::string& why) : report_(report), why_(why) {}

    result<void> run()
    {
        DW_TRY(directory, find_spool(report_.from, why_));
        from_directory_ = directory;
        DW_CHECK(check_into());
        DW_TRY(opened, open_readable_spool(directory, true, why_));
        if (opened.in_use) {
            const auto who =
                opened.holder == 0 ? "a process" : "process " + std::to_string(opened.holder);
            why_ = "the spool directory " + directory + " is in use by " + who + "; stop it first";
            return fail(errc::spool_locked);
        }
        from_ = std::move(opened.storage);
        return write_all();
    }

private:
    failure failed(std::error_code error)
    {
        if (why_.empty()) why_ = "cannot write to " + report_.into + ": " + error.message();
        return fail(error);
    }

    // What lies there already may be the writes of another proxy.
    result<void> check_into()
    {
        struct stat status {};
        if (::stat((report_.into + "/spool").c_str(), &status) != 0) return {};
        why_ = report_.into + " has a spool already; give a directory that is not there yet";
        return fail(errc::invalid_argument);
    }

    result<void> write_all()
    {
        auto found = list_spool(*from_);
        if (!found) {
            why_ = "cannot read the spool directory " + from_directory_ + ": " +
                   found.error().message();
            return fail(found.error());
        }
        DW_CHECK(refuse_strangers(*found));
        const auto into_directory = report_.into + "/spool";
        spool_options options;
        options.directory = into_directory;
        options.size_max = std::numeric_limits<std::int64_t>::max();
        options.logs_max = static_cast<std::uint32_t>(std::max<std::size_t>(found->logs.size(), 1));
        DW_TRY(storage, open_system_storage(into_directory, why_));
        if (const auto copied = copy_letters(*from_, *storage); !copied)
            return failed(copied.error());
        {
            DW_TRY(directory, spool_directory::open(options, storage, why_));
            for (const auto& [id, numbers] : found->logs)
                DW_CHECK(write_one(*directory, id, numbers));
        }
        if (const auto synced = sync_all(*storage); !synced) return failed(synced.error());
        return {};
    }

    // Nothing of ours: a wrong directory rather than a damaged one.
    result<void> refuse_strangers(const spool_listing& found)
    {
        if (!found.logs.empty()) return {};
        why_ = "the spool directory " + from_directory_ + " has no spool files";
        return fail(errc::invalid_argument);
    }

    result<void> write_one(
        spool_directory& directory,
        const replication::log_id& id,
        const std::vector<std::uint64_t>& numbers
    )
    {
        DW_TRY(log, rescued_log::read(*from_, from_directory_, id, numbers, why_));
        auto& report = report_.logs.emplace_back();
        report.id = replication::to_text({id, 1}).substr(3, 2 * id.size());
        report.gaps = log.files().gaps;
        if (log.state() == nullptr) return {};
        report.lost = log.state()->lost();
        auto made = directory.create_log();
        if (!made) return failed(made.error());
        copier copy(log, directory, **made, report);
        if (!copy.usable()) {
            why_ = "the spool in " + from_directory_ + " was not written by a proxy: log " +
                   report.id + " has a statement twice";
            return fail(errc::spool_corrupt);
        }
        const auto done = log.for_each_unfinished(
            *from_, from_directory_, [&](const auto& write) { return copy.copy(write); }, why_
        );
        if (!done) return failed(done.error());
        if (const auto committed = (*made)->commit(); !committed) {
            why_ = (*made)->why();
            return fail(committed.error());
        }
        return {};
    }

    spool_salvage& report_;
    std::string& why_;
    std::string from_directory_;
    std::shared_ptr<spool_storage> from_;
};

}  // namespace

result<spool_salvage>
salvage_spool(const std::string& from, const std::string& into, std::string& why)
{
    spool_salvage report;
    report.from = from;
    report.into = into;
    DW_CHECK(salvage(report, why).run());
    return report;
}

}  // namespace dualwrite::engine
