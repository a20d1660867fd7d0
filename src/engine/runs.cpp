#include <dualwrite/copy/ledger_plan.hpp>
#include <dualwrite/engine/runs.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "run_record.hpp"
#include "sqlite_statement.hpp"

namespace dualwrite::engine {

namespace {

namespace fs = std::filesystem;

// A file that is only read; another process may be writing it.
class reader {
public:
    explicit reader(const std::string& path)
    {
        const auto flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
        open_ = sqlite3_open_v2(path.c_str(), &database_, flags, nullptr) == SQLITE_OK;
        sqlite3_busy_timeout(database_, 5000);
    }
    ~reader() { sqlite3_close(database_); }
    reader(const reader&) = delete;

    explicit operator bool() const noexcept { return open_; }
    sqlite3* get() const noexcept { return database_; }
    std::string error() const { return sqlite3_errmsg(database_); }

private:
    sqlite3* database_{nullptr};
    bool open_{false};
};

bool is_alive(const std::string& process)
{
    int pid = 0;
    std::from_chars(process.data(), process.data() + process.size(), pid);
    return pid > 0 && process_name(pid) == process;
}

// False: the file cannot be read, see `why`.
bool read_runs(const fs::path& folder, std::vector<run_info>& into, std::string& why)
{
    const auto path = (folder / runs_file).string();
    const reader file(path);
    statement rows(
        file.get(),
        "SELECT job, source, target, keyspace, ledger, process, state, started_ms, ended_ms, "
        "row_count, ranges_done, ranges_failed, ranges_skipped, differences, error FROM runs "
        "ORDER BY id"
    );
    while (rows.step()) {
        run_info run;
        run.job = rows.text(0);
        run.source = rows.text(1);
        run.target = rows.text(2);
        run.keyspace = rows.text(3);
        run.ledger = rows.text(4);
        run.state = rows.text(6);
        if (run.state == "running" && !is_alive(rows.text(5))) run.state = "interrupted";
        run.started_ms = rows.number(7);
        run.ended_ms = rows.number(8);
        run.rows = rows.count(9);
        run.ranges_done = rows.count(10);
        run.ranges_failed = rows.count(11);
        run.ranges_skipped = rows.count(12);
        run.differences = rows.count(13);
        run.error = rows.text(14);
        run.folder = folder.string();
        into.push_back(std::move(run));
    }
    if (!rows.failed()) return true;
    why = "cannot read " + path + ": " + file.error();
    return false;
}

void read_done(const reader& file, std::map<std::string, run_table>& tables)
{
    std::map<std::string, copy::range_set> done;
    statement rows(
        file.get(), "SELECT table_name, range_start, range_end, row_count, cell_count FROM done"
    );
    while (rows.step()) {
        auto& table = tables[rows.text(0)];
        const copy::token_range range{{rows.number(1)}, {rows.number(2)}};
        ++table.ranges;
        table.rows += rows.count(3);
        table.cells += rows.count(4);
        if (!range.wraps()) done[rows.text(0)].add(range);
    }
    for (const auto& [name, ranges] : done) tables[name].done_fraction = ranges.done_fraction();
}

// False: it is no ledger, or is damaged.
bool read_ledger(const std::string& path, run_info& run)
{
    const reader file(path);
    if (!file) return false;
    std::map<std::string, run_table> tables;
    statement names(file.get(), "SELECT name FROM tables");
    while (names.step()) tables[names.text(0)];
    if (names.failed()) return false;
    read_done(file, tables);
    statement failed(
        file.get(),
        "SELECT table_name, range_start, range_end, error FROM failed ORDER BY range_start"
    );
    while (failed.step())
        tables[failed.text(0)].failed.push_back(
            {{{failed.number(1)}, {failed.number(2)}}, failed.text(3)}
        );
    if (failed.failed()) return false;
    for (auto& [name, table] : tables) {
        table.name = name;
        run.tables.push_back(std::move(table));
    }
    if (!run.source.empty()) return true;
    // Of a version that did not write runs down: what the ledger knows.
    statement meta(file.get(), "SELECT key, value FROM meta");
    while (meta.step()) {
        if (meta.text(0) == "source_cluster") run.source = meta.text(1);
        if (meta.text(0) == "target_cluster") run.target = meta.text(1);
        if (meta.text(0) == "keyspace") run.keyspace = meta.text(1);
        if (meta.text(0) == "started_us") run.started_ms = meta.number(1) / 1000;
    }
    return !meta.failed();
}

bool read_folder(const fs::path& folder, std::vector<run_info>& into, std::string& why)
{
    std::vector<run_info> runs;
    std::error_code ec;
    if (fs::exists(folder / runs_file, ec) && !read_runs(folder, runs, why)) return false;
    // The newest run of a ledger shows what lies in it.
    std::set<std::string> shown;
    for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
        if (run->ledger.empty() || !shown.insert(run->ledger).second) continue;
        const auto path = folder / run->ledger;
        if (fs::exists(path, ec) && !read_ledger(path.string(), *run) && run->error.empty())
            run->error = "its ledger " + path.string() + " cannot be read";
    }
    for (const auto& entry : fs::directory_iterator(folder, ec)) {
        const auto name = entry.path().filename().string();
        if (!name.ends_with(".sqlite") || shown.contains(name)) continue;
        run_info run;
        run.job = name.substr(0, name.find('-'));
        run.state = "unknown";
        run.folder = folder.string();
        run.ledger = name;
        if (read_ledger(entry.path().string(), run)) runs.push_back(std::move(run));
    }
    std::move(runs.begin(), runs.end(), std::back_inserter(into));
    return true;
}

}  // namespace

result<std::vector<run_info>> list_runs(const std::string& folder, std::string& why)
{
    std::error_code ec;
    std::vector<run_info> out;
    if (!fs::is_directory(folder, ec)) {
        why = folder + " is no directory";
        return fail(errc::invalid_argument);
    }
    std::vector<fs::path> folders{folder};
    for (const auto& entry : fs::directory_iterator(folder, ec))
        if (entry.is_directory(ec)) folders.push_back(entry.path());
    if (ec) {
        why = "cannot read " + folder + ": " + ec.message();
        return fail(ec);
    }
    for (const auto& each : folders)
        if (!read_folder(each, out, why)) return fail(errc::ledger_mismatch);
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
        return a.started_ms < b.started_ms;
    });
    return out;
}

}  // namespace dualwrite::engine
