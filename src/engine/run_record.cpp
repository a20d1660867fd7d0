#include "run_record.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "sqlite_statement.hpp"

namespace dualwrite::engine {

namespace {

constexpr const char* set_up = R"(
PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, job TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    keyspace TEXT NOT NULL, ledger TEXT NOT NULL, process TEXT NOT NULL, state TEXT NOT NULL,
    started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL DEFAULT 0,
    row_count INTEGER NOT NULL DEFAULT 0, ranges_done INTEGER NOT NULL DEFAULT 0,
    ranges_failed INTEGER NOT NULL DEFAULT 0, ranges_skipped INTEGER NOT NULL DEFAULT 0,
    differences INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '');
)";

std::int64_t now_ms()
{
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string process_name(int pid)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    // Behind the name, which may hold anything, the start time is the 20th word.
    const auto end = text.rfind(')');
    if (end == text.npos) return {};
    std::size_t at = end + 1;
    std::string word;
    for (int i = 0; i < 20 && at < text.size(); ++i) {
        const auto next = text.find(' ', at + 1);
        word = text.substr(at + 1, next - at - 1);
        // A zombie has ended; only its parent has not looked yet.
        if (i == 0 && word == "Z") return {};
        at = next;
    }
    return std::to_string(pid) + ":" + word;
}

std::unique_ptr<run_record> run_record::begin(const run_info& run, std::string& why)
{
    std::error_code ec;
    std::filesystem::create_directories(run.folder, ec);
    const auto path = run.folder + "/" + runs_file;
    std::unique_ptr<run_record> self(new run_record);
    const auto flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    bool ok = sqlite3_open_v2(path.c_str(), &self->database_, flags, nullptr) == SQLITE_OK;
    if (ok) {
        sqlite3_busy_timeout(self->database_, 5000);
        ok = sqlite3_exec(self->database_, set_up, nullptr, nullptr, nullptr) == SQLITE_OK;
    }
    if (ok) {
        statement insert(
            self->database_,
            "INSERT INTO runs (job, source, target, keyspace, ledger, process, state, started_ms) "
            "VALUES (?, ?, ?, ?, ?, ?, 'running', ?)"
        );
        insert.bind(run.job).bind(run.source).bind(run.target).bind(run.keyspace);
        insert.bind(run.ledger).bind(process_name(::getpid())).bind(now_ms()).step();
        ok = !insert.failed();
        self->id_ = sqlite3_last_insert_rowid(self->database_);
    }
    if (ok) return self;
    why = "this run is not written down in " + path + ": " + sqlite3_errmsg(self->database_);
    return nullptr;
}

run_record::~run_record()
{
    sqlite3_close(database_);
}

bool run_record::end(const run_info& run, std::string& why)
{
    statement update(
        database_,
        "UPDATE runs SET state = ?, error = ?, ended_ms = ?, row_count = ?, ranges_done = ?, "
        "ranges_failed = ?, ranges_skipped = ?, differences = ? WHERE id = ?"
    );
    update.bind(run.state).bind(run.error).bind(now_ms()).bind(run.rows).bind(run.ranges_done);
    update.bind(run.ranges_failed).bind(run.ranges_skipped).bind(run.differences).bind(id_).step();
    if (!update.failed()) return true;
    why = std::string("the end of this run is not written down: ") + sqlite3_errmsg(database_);
    return false;
}

}  // namespace dualwrite::engine
