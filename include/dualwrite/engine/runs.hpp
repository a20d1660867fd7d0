#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/copy/token_range.hpp>

#include <cstdint>
#include <string>
#include <vector>

// What copies and validations have run under a state directory, and how they ended.

namespace dualwrite::engine {

struct run_failure {
    copy::token_range range;
    std::string error;
};

// What a ledger says of one table.
struct run_table {
    std::string name;
    double done_fraction{0};  // of the ring
    std::uint64_t ranges{0};
    std::uint64_t rows{0};
    std::uint64_t cells{0};
    std::vector<run_failure> failed;
};

struct run_info {
    std::string job;  // "copy", "validate"
    std::string source;
    std::string target;
    std::string keyspace;
    // "running", "succeeded", "different", "failed", "cancelled", or "interrupted": its process is
    // gone and could not say anything any more. "unknown": there is a ledger and nothing else.
    std::string state;
    std::int64_t started_ms{0};
    std::int64_t ended_ms{0};  // 0: not yet
    std::uint64_t rows{0};     // of this run
    std::uint64_t ranges_done{0};
    std::uint64_t ranges_failed{0};
    std::uint64_t ranges_skipped{0};
    std::uint64_t differences{0};
    std::string error;
    std::string folder;
    std::string ledger;             // a file in it; empty: it keeps none
    std::vector<run_table> tables;  // of the newest run that has this ledger

    bool is_complete() const noexcept { return state == "succeeded" || state == "different"; }
};

// Of the folder and of those right under it; the oldest first. Changes nothing.
result<std::vector<run_info>> list_runs(const std::string& folder, std::string& why);

// Jobs whose newest run is not complete and does not run either.
std::size_t count_unfinished(const std::vector<run_info>& runs);

std::string runs_text(const std::vector<run_info>& runs);
// docs/operations.md
std::string runs_json(const std::vector<run_info>& runs);

}  // namespace dualwrite::engine
