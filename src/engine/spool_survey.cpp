#include <dualwrite/engine/spool_rescued.hpp>
#include <dualwrite/engine/spool_survey.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <sys/stat.h>

#include "dead_letter.hpp"
#include "spool_writes.hpp"

namespace dualwrite::engine {

using replication::record_type;
using replication::write_state;

namespace {

constexpr std::array kinds{
    std::pair{record_type::intent, "writes"},
    std::pair{record_type::statement, "statements"},
    std::pair{record_type::settled, "outcomes"},
    std::pair{record_type::done, "deliveries"},
    std::pair{record_type::clock, "clocks"},
    std::pair{record_type::note, "notes"},
    std::pair{record_type::seal, "seals"},
};

std::string id_text(const replication::log_id& id)
{
    // "dw-" and the number of the segment stand around it.
    return replication::to_text({id, 1}).substr(3, 2 * id.size());
}

surveyed_log summary_of(const rescued_log& log)
{
    surveyed_log out;
    out.id = id_text(log.id());
    out.files = log.files();
    for (const auto& segment : out.files.segments)
        if (out.created_us == 0) out.created_us = segment.log_created_us;
    const auto* state = log.state();
    if (state == nullptr) return out;
    for (const auto& segment : out.files.segments)
        if (out.first_lsn == 0) out.first_lsn = segment.first_lsn;
    out.last_lsn = state->states().last_lsn();
    for (const auto& [type, name] : kinds) out.records[name] = state->records(type);
    out.lost = state->lost();
    out.clock_us = state->clock_us();
    return out;
}

void add_write(surveyed_log& to, const rescued_log::write& write, write_tables& tables)
{
    (write.state == write_state::applied ? to.applied : to.open) += 1;
    const auto view = replication::parse_mutation(write.payload);
    if (!view) {
        ++to.unreadable;
        return;
    }
    auto& table = to.tables[tables.of(*view)];
    ++table.writes;
    table.bytes += write.payload.size();
    const auto accepted = view->header.accepted_ms;
    if (accepted <= 0) return;
    if (table.oldest_ms == 0 || accepted < table.oldest_ms) table.oldest_ms = accepted;
    if (to.oldest_ms == 0 || accepted < to.oldest_ms) to.oldest_ms = accepted;
}

std::string line_of(const surveyed_log& log, const rescued_log& from, const rescued_log::write& its)
{
    nlohmann::json line{
        {"log", log.id},
        {"number", its.lsn},
        {"state", its.state == write_state::applied ? "applied" : "open"}};
    const auto view = replication::parse_mutation(its.payload);
    if (!view)
        line["unreadable"] = true;
    else
        line.update(nlohmann::json::parse(to_json_line(letter_of(*view, from.statements()), 0)));
    for (const auto* key : {"time_s", "reason"}) line.erase(key);
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

result<surveyed_log> survey_log(
    spool_storage& storage,
    const std::string& directory,
    const std::pair<const replication::log_id, std::vector<std::uint64_t>>& files,
    const survey_line& show,
    std::string& why
)
{
    DW_TRY(log, rescued_log::read(storage, directory, files.first, files.second, why));
    auto out = summary_of(log);
    write_tables tables(log.statements());
    const auto visit = [&](const rescued_log::write& write) -> result<void> {
        add_write(out, write, tables);
        if (show) show(line_of(out, log, write));
        return {};
    };
    DW_CHECK(log.for_each_unfinished(storage, directory, visit, why));
    return out;
}

}  // namespace

result<std::string> find_spool(const std::string& state_dir, std::string& why)
{
    struct stat status {};
    const auto directory = state_dir + "/spool";
    if (::stat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return directory;
    const std::error_code error(errno == 0 ? ENOTDIR : errno, std::generic_category());
    why = state_dir + " is not the state directory of a proxy: " +
          (error == std::errc::no_such_file_or_directory
               ? "it has no folder `spool`"
               : "its folder `spool` cannot be read: " + error.message()) +
          ". The proxy's first log lines say which directory it uses (state-dir)";
    return fail(errc::invalid_argument);
}

result<spool_survey>
survey_spool(const std::string& state_dir, const survey_line& show, std::string& why)
{
    spool_survey out;
    DW_TRY(directory, find_spool(state_dir, why));
    out.directory = directory;
    DW_TRY(opened, open_readable_spool(directory, false, why));
    out.in_use = opened.in_use;
    out.holder = opened.holder;
    auto found = list_spool(*opened.storage);
    if (!found) {
        why = "cannot read the spool directory " + directory + ": " + found.error().message();
        return fail(found.error());
    }
    for (const auto& files : found->logs) {
        DW_TRY(log, survey_log(*opened.storage, directory, files, show, why));
        for (const auto& segment : log.files.segments) out.size_bytes += segment.size;
        out.logs.push_back(std::move(log));
    }
    std::sort(out.logs.begin(), out.logs.end(), [](const auto& a, const auto& b) {
        return std::pair(a.created_us, a.id) < std::pair(b.created_us, b.id);
    });
    out.spares = found->spares.size();
    out.broken = std::move(found->broken);
    out.foreign = std::move(found->foreign);
    struct stat status {};
    if (::stat((state_dir + "/dead_letters.jsonl").c_str(), &status) == 0)
        out.dead_letters_bytes = static_cast<std::uint64_t>(status.st_size);
    return out;
}

}  // namespace dualwrite::engine
