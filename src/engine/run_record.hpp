#pragma once

#include <dualwrite/engine/runs.hpp>

#include <cstdint>
#include <memory>
#include <string>

struct sqlite3;

namespace dualwrite::engine {

// The file in each state directory that runs are written down in: docs/formats/ledger.md.
inline constexpr const char* runs_file = "runs.db";

// Writes down that a job has begun, and later how it ended. What is killed in between is found by
// its process, which is gone.
//
// Threads: one at a time; several processes may use one file.
class run_record {
public:
    // Of `run`: job, source, target, keyspace, folder and ledger. Null: see `why`.
    static std::unique_ptr<run_record> begin(const run_info& run, std::string& why);
    ~run_record();
    run_record(const run_record&) = delete;

    // Of `run`: state, error and numbers. False: see `why`.
    bool end(const run_info& run, std::string& why);

private:
    run_record() = default;

    sqlite3* database_{nullptr};
    std::int64_t id_{0};
};

// A process by its number and the time of its start, so that the number of a dead one, given to
// another, is not taken for it. Empty: there is no such process.
std::string process_name(int pid);

}  // namespace dualwrite::engine
