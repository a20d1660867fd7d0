#include <dualwrite/engine/runs.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>

namespace dualwrite::engine {

namespace {

std::string time_text(std::int64_t unix_ms)
{
    const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

std::string duration_text(const run_info& run)
{
    if (run.ended_ms == 0) return "";
    char text[32];
    std::snprintf(
        text, sizeof text, ", %.1f s", static_cast<double>(run.ended_ms - run.started_ms) / 1000
    );
    return text;
}

std::string percent_text(double fraction)
{
    char text[16];
    // 100 % is said of what is complete only.
    const auto percent = fraction * 100;
    std::snprintf(text, sizeof text, "%5.1f %%", fraction < 1 ? std::min(percent, 99.9) : percent);
    return text;
}

void append_table(std::string& out, const run_table& table, std::size_t width)
{
    (out += "    ") += table.name;
    out.append(width + 2 - table.name.size(), ' ');
    out += percent_text(table.done_fraction) + ", " + std::to_string(table.ranges) + " ranges, " +
           std::to_string(table.rows) + " rows, " + std::to_string(table.cells) + " cells";
    if (!table.failed.empty()) out += ", " + std::to_string(table.failed.size()) + " ranges failed";
    out += '\n';
    for (const auto& failure : table.failed)
        out += "      " + copy::to_text(failure.range) + ": " + failure.error + '\n';
}

void append_run(std::string& out, const run_info& run)
{
    out += run.job + ' ' + run.keyspace + ", " + run.source + " to " + run.target + ": " +
           run.state + '\n';
    out += "  " + time_text(run.started_ms) + duration_text(run);
    if (run.state != "unknown")
        out += ", " + std::to_string(run.rows) +
               " rows, ranges: " + std::to_string(run.ranges_done) + " done, " +
               std::to_string(run.ranges_failed) + " failed, " +
               std::to_string(run.ranges_skipped) + " done before";
    if (run.job == "validate") out += ", " + std::to_string(run.differences) + " rows differ";
    out += "\n  in " + run.folder + '\n';
    if (!run.error.empty()) out += "  " + run.error + '\n';
    std::size_t width = 0;
    for (const auto& table : run.tables) width = std::max(width, table.name.size());
    for (const auto& table : run.tables) append_table(out, table, width);
}

nlohmann::json table_json(const run_table& table)
{
    auto failed = nlohmann::json::array();
    for (const auto& failure : table.failed)
        failed.push_back(
            {{"start", failure.range.start.value},
             {"end", failure.range.end.value},
             {"error", failure.error}}
        );
    return {
        {"table", table.name},
        {"done_fraction", table.done_fraction},
        {"ranges", table.ranges},
        {"rows", table.rows},
        {"cells", table.cells},
        {"failed_ranges", std::move(failed)}};
}

nlohmann::json run_json(const run_info& run)
{
    auto tables = nlohmann::json::array();
    for (const auto& table : run.tables) tables.push_back(table_json(table));
    nlohmann::json out{
        {"job", run.job},
        {"state", run.state},
        {"source", run.source},
        {"target", run.target},
        {"keyspace", run.keyspace},
        {"started", time_text(run.started_ms)},
        {"ended", nullptr},
        {"elapsed_s", nullptr},
        {"rows", run.rows},
        {"ranges",
         {{"done", run.ranges_done},
          {"failed", run.ranges_failed},
          {"skipped", run.ranges_skipped}}},
        {"error", run.error},
        {"state_dir", run.folder},
        {"ledger", run.ledger},
        {"tables", std::move(tables)}};
    if (run.job == "validate") out["differences"] = run.differences;
    if (run.ended_ms == 0) return out;
    out["ended"] = time_text(run.ended_ms);
    out["elapsed_s"] = static_cast<double>(run.ended_ms - run.started_ms) / 1000;
    return out;
}

}  // namespace

std::size_t count_unfinished(const std::vector<run_info>& runs)
{
    std::map<std::string, const run_info*> newest;
    for (const auto& run : runs)
        newest
            [run.job + '\n' + run.source + '\n' + run.target + '\n' + run.keyspace + '\n' +
             run.folder] = &run;
    return static_cast<std::size_t>(std::count_if(newest.begin(), newest.end(), [](const auto& n) {
        const auto& run = *n.second;
        return !run.is_complete() && run.state != "running" && run.state != "unknown";
    }));
}

std::string runs_text(const std::vector<run_info>& runs)
{
    std::string out;
    for (const auto& run : runs) append_run(out, run);
    out += "result: " + std::to_string(runs.size()) + (runs.size() == 1 ? " run" : " runs");
    const auto unfinished = count_unfinished(runs);
    if (unfinished != 0)
        out += ", " + std::to_string(unfinished) +
               " not complete; the same command continues a copy where it was";
    return out + '\n';
}

std::string runs_json(const std::vector<run_info>& runs)
{
    auto list = nlohmann::json::array();
    for (const auto& run : runs) list.push_back(run_json(run));
    return nlohmann::json{{"runs", std::move(list)}, {"unfinished", count_unfinished(runs)}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace
    );
}

}  // namespace dualwrite::engine
