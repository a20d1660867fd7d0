#pragma once

#include <dualwrite/copy/ledger_plan.hpp>
#include <dualwrite/copy/row_writes.hpp>

#include <functional>
#include <map>

#include "copy_reader.hpp"
#include "copy_repair.hpp"
#include "copy_writer.hpp"
#include "job_ranges.hpp"
#include "ledger.hpp"

namespace dualwrite::engine {

// What the copy of one table needs from its job.
struct copy_table_context {
    cql_cluster* source{nullptr};
    cql_cluster* target{nullptr};
    ledger* records{nullptr};
    copy::rate_limit* row_limit{nullptr};  // of the whole job, as the next
    copy::rate_limit* byte_limit{nullptr};
    std::function<bool()> stopping;
    std::function<void(log_level, const std::string&)> log;
    // Acknowledged, since the last call.
    std::function<void(std::uint64_t rows, std::uint64_t cells, std::uint64_t bytes)> on_rows;
    std::function<void(const done_range&)> on_range_done;
    std::function<void(const copy::token_range&, std::string)> on_range_failed;
};

struct copy_table_options {
    protocol::consistency read_level{protocol::consistency::local_quorum};
    protocol::consistency write_level{protocol::consistency::local_quorum};
    std::uint32_t page_rows{1000};
    std::uint32_t workers{8};  // ranges at once
    copy_writer_options writer;
    copy::row_write_options rows;
};

// Copies the given ranges of one table. A range is recorded as done only after every write of it
// is acknowledged.
class copy_table {
public:
    copy_table(
        asio::any_io_executor executor,
        copy::table_model table,
        copy_table_options options,
        copy_table_context context
    );

    // Prepares the statements. False: see `why`.
    asio::awaitable<bool> prepare(cql_failure& why);
    // Copies `ranges`; returns when all are done, have failed, or the job stops.
    asio::awaitable<void> run(std::vector<copy::planned_range> ranges);
    void stop() { writer_.stop(); }

    std::uint64_t rows() const noexcept { return rows_; }
    std::uint64_t cells() const noexcept { return cells_; }
    std::uint64_t ranges_done() const noexcept { return ranges_done_; }
    bool ledger_failed() const noexcept { return ledger_failed_; }

private:
    struct range_counts {
        std::uint64_t rows{0};
        std::uint64_t cells{0};
    };
    // The rows of a range on their way into requests.
    struct range_work;

    std::uint8_t target_version() const noexcept;
    asio::awaitable<bool> prepare_write(copy::write_kind kind, cql_failure& why);
    bool record_done(const range_runner::task& task);
    void record_failed(const copy::token_range& range, const cql_failure& failure);
    asio::awaitable<cql_failure> copy_once(copy::planned_range planned);
    asio::awaitable<bool> copy_page(range_work& work);
    asio::awaitable<void> keep_pace(std::uint64_t rows, std::uint64_t bytes);
    void add_row(range_work& work);
    void flush(range_work& work);
    void report(range_work& work, std::uint64_t bytes);
    asio::awaitable<void> repair_rows(range_work& work);
    asio::awaitable<void> repair_some(range_work& work, std::size_t& next, std::uint32_t& open);

    asio::any_io_executor executor_;
    copy::table_model table_;
    copy_table_options options_;
    copy_table_context context_;
    table_reader reader_;
    cql_prepared_ptr select_;
    std::vector<cql_prepared_ptr> prepared_;  // what writes_ views
    copy::prepared_write writes_[3];          // by write_kind
    copy::row_writes planner_;
    copy_writer writer_;
    std::unique_ptr<table_repair> repair_;  // of rows that cannot be written blindly

    std::map<copy::token, range_counts> counts_;  // of ranges in work, by their start
    std::uint64_t rows_{0};
    std::uint64_t cells_{0};
    std::uint64_t ranges_done_{0};
    bool ledger_failed_{false};
};

}  // namespace dualwrite::engine
