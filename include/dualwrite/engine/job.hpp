#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/copy/token_range.hpp>
#include <dualwrite/engine/endpoint.hpp>
#include <dualwrite/engine/log.hpp>
#include <dualwrite/policy/table_selection.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace dualwrite::engine {

struct job_options {
    endpoint source;
    endpoint target;
    std::string keyspace;
    std::vector<std::string> tables;  // empty: all tables of the keyspace
    policy::table_selection selection;
    // Columns that the target lacks are passed over; else such a table is refused.
    bool leave_out_missing_columns{false};
    std::string state_dir;    // the ledger and the reports lie there
    std::uint32_t ranges{0};  // 0: by size estimates
    // Only these parts of the ring; empty: all of it. The report then lists the ranges that are
    // done, so that whoever spread the work can put the parts together.
    std::vector<copy::token_range> token_ranges;
    bool plan_only{false};          // the report lists what is to be done; nothing is done
    std::uint32_t concurrency{0};   // requests in flight per side; 0: a default
    std::uint32_t page_size{1000};  // rows
    std::string read_consistency{"LOCAL_QUORUM"};
    std::string write_consistency{"LOCAL_QUORUM"};
};

// Which rows get a row marker, which nothing can read at the source: docs/operations.md.
enum class row_markers : std::uint8_t {
    with_oldest_cells,   // the oldest cells of a row are written by INSERT
    rows_without_cells,  // only rows that have nothing but a key
};

enum class counter_policy : std::uint8_t {
    refuse,
    // target += source - target. Right only while nothing else writes these counters.
    converge,
};

struct copy_options : job_options {
    std::uint64_t rows_per_second_max{0};  // 0: no limit; the same for the next two
    std::uint64_t bytes_per_second_max{0};
    std::uint64_t units_per_second_max{0};  // what the target says that requests cost
    bool restart{false};                    // forget the ledger of an earlier run
    // When the run began of which this is a part; 0: when the ledger was made.
    std::int64_t began_us{0};
    row_markers markers{row_markers::with_oldest_cells};
    counter_policy counters{counter_policy::refuse};
    // Write time of multi-cell columns where the source cannot tell it (before Cassandra 5.0).
    // 0: tables with such columns are refused.
    std::int64_t unknown_writetime_us{0};
    std::int64_t writetime_us{0};  // of all cells; 0: each its own
    // Azure Cosmos DB keeps one time for a whole row in tables that were not made otherwise. Such a
    // table loses values: where it does not show what it is, this says that it was made well.
    bool trust_cell_times{false};
    std::uint32_t retry_limit_ms{120'000};  // one request is tried again for so long
};

struct validate_options : job_options {
    std::uint32_t recheck_delay_ms{2000};  // a difference counts if it is still there after this
    std::uint32_t recheck_limit{5};        // times
    std::uint32_t ttl_tolerance_s{1};
    bool compare_writetimes{true};
    std::uint64_t differences_max{1000};  // written to the report; all are counted
    std::string report_file;              // JSON lines; empty: under state_dir
    bool repair{false};                   // makes the target what the source is
    bool dry_run{false};                  // only says what a repair would write
    // A random part of the ring, of each table; 1: all of it.
    double sample_share{1};
    std::uint64_t sample_seed{1};
    // CQL after WHERE: only the partitions that it finds at either side. Needs one table.
    std::string where{};
};

enum class job_state : std::uint8_t { running, succeeded, different, failed, cancelled };

// A snapshot. Counters only grow.
struct job_progress {
    job_state state{job_state::running};
    std::string table;  // the one in work
    std::uint64_t ranges_total{0};
    std::uint64_t ranges_done{0};
    std::uint64_t ranges_failed{0};
    std::uint64_t ranges_skipped{0};  // done by an earlier run
    std::uint64_t rows{0};            // copied or compared
    std::uint64_t rows_estimated{0};  // 0: unknown
    std::uint64_t cells{0};
    std::uint64_t bytes{0};
    std::uint64_t retries{0};
    std::uint64_t missing{0};    // rows only at the source
    std::uint64_t extra{0};      // rows only at the target
    std::uint64_t differing{0};  // rows that differ in value, write time or TTL
    std::uint64_t rechecked{0};  // differences that went away: they were lag
    std::uint64_t repaired{0};   // rows that differed and no more do
    double units{0};             // what the target says that its requests have cost
    double elapsed_s{0};
    std::string error;          // why it failed, names the range
    double done_fraction{0};    // of the whole job; for a bar and an ETA
    double rows_per_second{0};  // lately
    double eta_s{-1};           // negative: not known yet
};

// A copy or a validation, running on threads of its own.
//
// Threads: any.
class job {
public:
    virtual ~job() = default;  // cancels and waits

    static result<std::unique_ptr<job>>
    copy(const copy_options& options, log_sink log, std::string& why);
    static result<std::unique_ptr<job>>
    validate(const validate_options& options, log_sink log, std::string& why);

    // Adds to the ledger of a copy what other jobs have done of it: the report of each, made with
    // the same addresses and keyspace and some token_ranges. What the ledger has already is passed
    // over, so a report may come twice.
    static result<void>
    merge(const copy_options& options, std::string_view report_json, std::string& why);

    virtual job_progress progress() const = 0;
    // Waits at most `timeout_ms` (negative: for ever). True: ended.
    virtual bool wait(std::int64_t timeout_ms) = 0;
    virtual void cancel() = 0;
    // From now on: the three limits of the options. False: this kind of job has none.
    virtual bool set_pace(const copy_options&) { return false; }
    // One JSON object: progress, tables, failed ranges, report file. docs/operations.md
    virtual std::string report_json() const = 0;
};

}  // namespace dualwrite::engine
