#pragma once

#include <dualwrite/copy/range_plan.hpp>
#include <dualwrite/engine/job.hpp>

#include <optional>

#include "schema.hpp"

namespace dualwrite::engine {

// A table of a job, at both sides.
struct job_table {
    copy::table_model source;
    copy::table_model target;
    std::vector<std::string> notes;  // for the report
};

enum class table_use : std::uint8_t { copy, compare };

// The tables that the options ask for, when each can be used. Empty: `why` has a sentence for each
// reason.
asio::awaitable<std::optional<std::vector<job_table>>> find_tables(
    cql_cluster& source,
    cql_cluster& target,
    const job_options& options,
    table_use use,
    std::string& why
);

// Ranges over the whole ring; `ranges` 0: by the size of the table.
asio::awaitable<std::vector<copy::planned_range>>
plan_table(cql_cluster& source, const copy::table_model& table, std::uint32_t ranges);

// "copy-SOURCE-TARGET-KEYSPACE.suffix": the same for all runs between these addresses.
std::string
state_file_name(const std::string& job, const job_options& options, const std::string& suffix);

// False: see `why`.
bool check_job_options(const job_options& options, std::string& why);

}  // namespace dualwrite::engine
