#include <dualwrite/engine/spool_log_recovery.hpp>
#include <dualwrite/engine/spool_recovery.hpp>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace dualwrite::engine {

namespace {

constexpr std::string_view broken_suffix = ".broken";
constexpr std::size_t broken_kept_max = 16;
constexpr std::size_t copy_size = 256 * 1024;

// What the directory has, by kind.
struct listing {
    std::map<replication::log_id, std::vector<std::uint64_t>> logs;
    std::vector<std::string> spares;
    std::vector<std::string> broken;
};

result<listing> list(spool_storage& storage)
{
    listing found;
    DW_TRY(names, storage.list());
    for (auto& name : names) {
        if (const auto segment = replication::parse_segment_name(name))
            found.logs[segment->log].push_back(segment->segment);
        else if (name.starts_with("spare-"))
            found.spares.push_back(std::move(name));
        else if (name.starts_with("dw-") && name.ends_with(broken_suffix))
            found.broken.push_back(std::move(name));
    }
    for (auto& [log, numbers] : found.logs) std::sort(numbers.begin(), numbers.end());
    return found;
}

result<void> copy_tail(spool_storage& storage, const broken_file& broken)
{
    DW_TRY(from, storage.open(broken.name, open_mode::read));
    DW_TRY(to, storage.open(broken.name + std::string(broken_suffix), open_mode::create));
    byte_buffer buffer(copy_size);
    auto* const bytes = buffer.extend(copy_size);
    std::uint64_t end = 0;
    for (auto offset = broken.offset;;) {
        DW_TRY(n, from->read({bytes, copy_size}, offset));
        if (n == 0) break;
        const bytes_view part(bytes, n);
        DW_CHECK(to->write({&part, 1}, offset - broken.offset));
        const auto last =
            std::find_if(part.rbegin(), part.rend(), [](std::byte b) { return b != std::byte{0}; });
        if (last != part.rend())
            end = offset - broken.offset + static_cast<std::uint64_t>(part.rend() - last);
        offset += n;
    }
    return to->truncate(end);
}

// The tails that crashes tore off are kept for whoever wants to know what they were; nobody was
// told that they were written. So a full disk is no reason not to start.
class cleaner {
public:
    cleaner(spool_storage& storage, const std::string& directory, bool fsync, listing found)
        : storage_(storage), directory_(directory), fsync_(fsync), found_(std::move(found))
    {
    }

    void delete_spares()
    {
        for (const auto& name : found_.spares) note(storage_.remove(name), "delete", name);
    }

    // What is not part of its log any more must go: later segments are no help in telling what it
    // is when their headers are lost.
    result<void> put_aside(const broken_file& broken, std::string& why)
    {
        const auto kept = broken.name + std::string(broken_suffix);
        const auto known = std::count(found_.broken.begin(), found_.broken.end(), kept) != 0;
        const auto keep = !broken.zero && (known || found_.broken.size() < broken_kept_max);
        if (keep && !broken.whole)
            note(copy_tail(storage_, broken), "save the torn tail of", broken.name);
        const auto gone = broken.whole ? move_away(broken, keep, kept) : truncate(broken);
        if (!gone) {
            why = "cannot put what is incomplete of the spool file " + directory_ + "/" +
                  broken.name + " aside: " + gone.error().message();
            return gone;
        }
        if (!known && keep) found_.broken.push_back(kept);
        return {};
    }

    const std::string& problem() const noexcept { return problem_; }

private:
    result<void> truncate(const broken_file& broken)
    {
        DW_TRY(file, storage_.open(broken.name, open_mode::append));
        DW_CHECK(file->truncate(broken.offset));
        return fsync_ ? file->sync() : result<void>{};
    }

    result<void> move_away(const broken_file& broken, bool keep, const std::string& kept)
    {
        if (keep)
            DW_CHECK(storage_.rename(broken.name, kept));
        else
            DW_CHECK(storage_.remove(broken.name));
        return fsync_ ? storage_.sync_directory(".") : result<void>{};
    }

    void note(const result<void>& done, const char* what, const std::string& name)
    {
        if (!done)
            problem_ = std::string("cannot ") + what + " " + directory_ + "/" + name + ": " +
                       done.error().message();
    }

    spool_storage& storage_;
    const std::string& directory_;
    const bool fsync_;
    listing found_;
    std::string problem_;
};

result<std::uint64_t> sum_sizes(spool_storage& storage)
{
    std::uint64_t sum = 0;
    DW_TRY(names, storage.list());
    for (const auto& name : names) {
        if (!name.starts_with("dw-")) continue;
        DW_TRY(file, storage.open(name, open_mode::read));
        DW_TRY(size, file->size());
        sum += size;
    }
    return sum;
}

}  // namespace

result<recovered_spool>
recover_spool(spool_storage& storage, const std::string& directory, bool fsync, std::string& why)
{
    const auto failed = [&](std::error_code error) {
        if (why.empty())
            why = "cannot read the spool directory " + directory + ": " + error.message();
        return fail(error);
    };
    auto found = list(storage);
    if (!found) return failed(found.error());

    recovered_spool spool;
    std::vector<broken_file> broken;
    for (const auto& [id, numbers] : found->logs) {
        auto log = std::make_unique<spool_log_recovery>(storage, directory, id, numbers, fsync);
        const auto written = log->find_end();
        why = log->why();
        if (!written) return failed(written.error());
        broken.insert(broken.end(), log->broken().begin(), log->broken().end());
        if (*written) spool.logs.push_back(std::move(log));
    }
    std::sort(spool.logs.begin(), spool.logs.end(), [](const auto& a, const auto& b) {
        return std::pair(a->identity().created_us, a->identity().log) <
               std::pair(b->identity().created_us, b->identity().log);
    });

    cleaner clean(storage, directory, fsync, *std::move(found));
    clean.delete_spares();
    for (const auto& file : broken) DW_CHECK(clean.put_aside(file, why));
    if (fsync)
        if (const auto synced = storage.sync_directory("."); !synced) return failed(synced.error());
    const auto size = sum_sizes(storage);
    if (!size) return failed(size.error());
    spool.size_bytes = *size;
    spool.problem = clean.problem();
    return spool;
}

}  // namespace dualwrite::engine
