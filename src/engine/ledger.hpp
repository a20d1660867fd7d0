#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/copy/ledger_plan.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct sqlite3;

namespace dualwrite::engine {

// Which copy a ledger belongs to. No credentials, no addresses.
struct ledger_identity {
    std::string source_cluster;  // cluster_name
    std::string target_cluster;
    std::string keyspace;
};

// A table is known by its id at both sides: one that was made anew starts from nothing.
struct ledger_table {
    std::string name;
    std::string source_id;
    std::string target_id;
};

struct done_range {
    copy::token_range range;
    std::uint64_t rows{0};
    std::uint64_t cells{0};
};

struct failed_range {
    std::string table;
    copy::token_range range;
    std::string error;
};

// What of a copy is done: a SQLite file, docs/formats/ledger.md. Each call is one transaction that
// survives kill -9; after a loss of power the last ones may be missing, and their ranges are copied
// again.
//
// Threads: one at a time. Other processes may read the file at any time.
class ledger {
public:
    // Creates the file or continues with it; without an identity it must be there, whose ever it
    // is. `restart` throws away what it holds. Fails with errc::ledger_mismatch or
    // errc::spool_locked; `why` says what to do.
    static result<std::unique_ptr<ledger>> open(
        const std::string& path,
        const std::optional<ledger_identity>& identity,
        bool restart,
        std::string& why
    );

    ~ledger();
    ledger(const ledger&) = delete;

    // When the first run began: what it chose as the time of markers holds for all later ones.
    std::int64_t started_us() const noexcept { return started_us_; }
    const std::string& path() const noexcept { return path_; }

    // Registers a table and gives what is done of it. Fails with errc::ledger_mismatch when the
    // table was made anew since.
    result<copy::range_set> begin_table(const ledger_table& table, std::string& why);

    // Every write of the range is acknowledged. False: the file cannot be written, see error().
    bool record_done(const std::string& table, const done_range& done);
    // What is done of a table; nothing of one that it does not know. Fails as begin_table().
    result<copy::range_set> done_of(const std::string& table, std::string& why);
    bool record_failed(const failed_range& failed);
    std::vector<failed_range> failed() const;

    const std::string& error() const noexcept { return error_; }

private:
    ledger() = default;

    bool run(const std::string& sql);
    bool set_up(const std::optional<ledger_identity>& identity, std::string& why);
    bool check_identity(const std::optional<ledger_identity>& identity, std::string& why);
    bool check_whole(std::string& why);

    std::string path_;
    unique_fd lock_;
    sqlite3* database_{nullptr};
    std::int64_t started_us_{0};
    std::string error_;
};

}  // namespace dualwrite::engine
