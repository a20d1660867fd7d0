#include "ledger.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <sys/file.h>

#include "sqlite_statement.hpp"

namespace dualwrite::engine {

namespace {

constexpr int format_version = 1;

constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tables (
    name TEXT PRIMARY KEY, source_id TEXT NOT NULL, target_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done (
    table_name TEXT NOT NULL, range_start INTEGER NOT NULL, range_end INTEGER NOT NULL,
    row_count INTEGER NOT NULL, cell_count INTEGER NOT NULL, finished_ms INTEGER NOT NULL,
    PRIMARY KEY (table_name, range_start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failed (
    table_name TEXT NOT NULL, range_start INTEGER NOT NULL, range_end INTEGER NOT NULL,
    error TEXT NOT NULL, failed_ms INTEGER NOT NULL,
    PRIMARY KEY (table_name, range_start)) WITHOUT ROWID;
)";

std::int64_t now_us()
{
    using namespace std::chrono;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

std::optional<std::string> read_meta(sqlite3* database, const std::string& key)
{
    statement select(database, "SELECT value FROM meta WHERE key = ?");
    select.bind(key);
    if (!select.step()) return std::nullopt;
    return select.text(0);
}

bool write_meta(sqlite3* database, const std::string& key, const std::string& value)
{
    statement insert(database, "INSERT INTO meta (key, value) VALUES (?, ?)");
    insert.bind(key).bind(value).step();
    return !insert.failed();
}

constexpr const char* remedy = "; move it away, or give --restart to begin anew";

}  // namespace

result<std::unique_ptr<ledger>> ledger::open(
    const std::string& path,
    const std::optional<ledger_identity>& identity,
    bool restart,
    std::string& why
)
{
    std::unique_ptr<ledger> self(new ledger);
    self->path_ = path;
    self->lock_.reset(::open((path + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    if (!self->lock_) {
        const std::error_code error(errno, std::generic_category());
        why = "cannot write the ledger " + path + ": " + error.message();
        return fail(error);
    }
    if (::flock(self->lock_.get(), LOCK_EX | LOCK_NB) != 0) {
        why = "another copy is at work on " + path + "; wait for it, or stop it first";
        return fail(errc::spool_locked);
    }
    if (restart)
        for (const auto* suffix : {"", "-wal", "-shm"}) std::remove((path + suffix).c_str());
    const auto flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path.c_str(), &self->database_, flags, nullptr) != SQLITE_OK) {
        why = "cannot open the ledger " + path + ": " + sqlite3_errmsg(self->database_);
        return fail(errc::ledger_mismatch);
    }
    if (!self->set_up(identity, why)) return fail(errc::ledger_mismatch);
    return self;
}

ledger::~ledger()
{
    sqlite3_close(database_);
}

bool ledger::run(const std::string& sql)
{
    char* text = nullptr;
    const auto status = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, &text);
    if (text != nullptr) error_ = text;
    sqlite3_free(text);
    return status == SQLITE_OK;
}

bool ledger::set_up(const std::optional<ledger_identity>& identity, std::string& why)
{
    sqlite3_busy_timeout(database_, 5000);
    if (!run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")) {
        why = "the ledger " + path_ + " is damaged (" + error_ + ")" + remedy;
        return false;
    }
    statement probe(database_, "SELECT count(*) FROM sqlite_master WHERE name = 'meta'");
    const bool fresh = probe.step() && probe.number(0) == 0;
    if (!fresh) return check_identity(identity, why) && check_whole(why);
    if (!identity) {
        why = "there is no ledger " + path_ + ": the plan of a copy makes it";
        return false;
    }
    started_us_ = now_us();
    const bool made = run("BEGIN IMMEDIATE") && run(schema) &&
                      write_meta(database_, "format", std::to_string(format_version)) &&
                      write_meta(database_, "source_cluster", identity->source_cluster) &&
                      write_meta(database_, "target_cluster", identity->target_cluster) &&
                      write_meta(database_, "keyspace", identity->keyspace) &&
                      write_meta(database_, "started_us", std::to_string(started_us_)) &&
                      run("COMMIT");
    if (!made) why = "cannot write the ledger " + path_ + ": " + sqlite3_errmsg(database_);
    return made;
}

bool ledger::check_identity(const std::optional<ledger_identity>& identity, std::string& why)
{
    const auto format = read_meta(database_, "format");
    const auto started = read_meta(database_, "started_us");
    if (!format || !started) {
        why = path_ + " is no ledger, or is damaged" + remedy;
        return false;
    }
    if (std::atoi(format->c_str()) > format_version) {
        why = path_ + " was written by a newer version of dualwrite; use that one" + remedy;
        return false;
    }
    const auto same = [&](const char* key, const std::string& expected) {
        return read_meta(database_, key).value_or("") == expected;
    };
    if (identity && (!same("source_cluster", identity->source_cluster) ||
                     !same("target_cluster", identity->target_cluster) ||
                     !same("keyspace", identity->keyspace))) {
        why = path_ + " belongs to the copy of another keyspace or between other clusters" + remedy;
        return false;
    }
    started_us_ = std::atoll(started->c_str());
    return true;
}

bool ledger::check_whole(std::string& why)
{
    statement check(database_, "PRAGMA quick_check");
    if (check.step() && check.text(0) == "ok") return true;
    error_ = sqlite3_errmsg(database_);
    why = "the ledger " + path_ + " is damaged (" + error_ + ")" + remedy;
    return false;
}

result<copy::range_set> ledger::begin_table(const ledger_table& table, std::string& why)
{
    statement known(database_, "SELECT source_id, target_id FROM tables WHERE name = ?");
    known.bind(table.name);
    if (known.step()) {
        if (known.text(0) != table.source_id || known.text(1) != table.target_id) {
            why =
                "table " + table.name + " was made anew since the run that wrote " + path_ + remedy;
            return fail(errc::ledger_mismatch);
        }
    } else {
        statement insert(database_, "INSERT INTO tables VALUES (?, ?, ?)");
        insert.bind(table.name).bind(table.source_id).bind(table.target_id).step();
        if (insert.failed()) {
            why = "cannot write the ledger " + path_ + ": " + sqlite3_errmsg(database_);
            return fail(errc::ledger_mismatch);
        }
    }
    return done_of(table.name, why);
}

result<copy::range_set> ledger::done_of(const std::string& table, std::string& why)
{
    copy::range_set done;
    statement rows(database_, "SELECT range_start, range_end FROM done WHERE table_name = ?");
    rows.bind(table);
    while (rows.step()) {
        const copy::token_range range{{rows.number(0)}, {rows.number(1)}};
        if (range.wraps() || done.overlaps(range)) {
            why = path_ + " holds the range " + copy::to_text(range) + " more than once" + remedy;
            return fail(errc::ledger_mismatch);
        }
        done.add(range);
    }
    if (!rows.failed()) return done;
    why = "the ledger " + path_ + " is damaged (" + sqlite3_errmsg(database_) + ")" + remedy;
    return fail(errc::ledger_mismatch);
}

bool ledger::record_done(const std::string& table, const done_range& done)
{
    const auto& range = done.range;
    // The range, or parts of it, may have failed before: they have not any more.
    statement forget(
        database_, "DELETE FROM failed WHERE table_name = ? AND range_start >= ? AND range_end <= ?"
    );
    statement insert(database_, "INSERT INTO done VALUES (?, ?, ?, ?, ?, ?)");
    insert.bind(table).bind(range.start.value).bind(range.end.value);
    insert.bind(static_cast<std::int64_t>(done.rows)).bind(static_cast<std::int64_t>(done.cells));
    insert.bind(now_us() / 1000);
    forget.bind(table).bind(range.start.value).bind(range.end.value);
    if (!run("BEGIN IMMEDIATE")) return false;
    forget.step();
    insert.step();
    if (!forget.failed() && !insert.failed() && run("COMMIT")) return true;
    error_ = sqlite3_errmsg(database_);
    run("ROLLBACK");
    return false;
}

bool ledger::record_failed(const failed_range& failed)
{
    statement insert(database_, "INSERT OR REPLACE INTO failed VALUES (?, ?, ?, ?, ?)");
    insert.bind(failed.table).bind(failed.range.start.value).bind(failed.range.end.value);
    insert.bind(failed.error).bind(now_us() / 1000).step();
    if (insert.failed()) error_ = sqlite3_errmsg(database_);
    return !insert.failed();
}

std::vector<failed_range> ledger::failed() const
{
    statement rows(database_, "SELECT table_name, range_start, range_end, error FROM failed");
    std::vector<failed_range> out;
    while (rows.step())
        out.push_back({rows.text(0), {{rows.number(1)}, {rows.number(2)}}, rows.text(3)});
    return out;
}

}  // namespace dualwrite::engine
