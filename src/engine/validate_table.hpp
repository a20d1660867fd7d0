#pragma once

#include "copy_repair.hpp"
#include "copy_stream.hpp"
#include "job_ranges.hpp"
#include "validate_recheck.hpp"

namespace dualwrite::engine {

struct validate_table_options {
    protocol::consistency level{protocol::consistency::local_quorum};
    std::uint32_t page_rows{1000};
    std::uint32_t workers{8};  // ranges at once
    copy::compare_options compare;
    recheck_options recheck;
    bool repair{false};
    bool dry_run{false};  // says what a repair would write
};

struct validate_table_context {
    cql_cluster* source{nullptr};
    cql_cluster* target{nullptr};
    std::function<bool()> stopping;
    std::function<void(log_level, const std::string&)> log;
    std::function<void(std::uint64_t rows, std::uint64_t cells, std::uint64_t bytes)> on_rows;
    std::function<void(const copy::token_range&)> on_range_done;
    std::function<void(const copy::token_range&, std::string)> on_range_failed;
    std::function<void(row_difference)> on_difference;
    std::function<void()> on_equal_after_all;
};

// Compares one table: both sides of each range are read in ring order and joined.
class validate_table {
public:
    validate_table(
        asio::any_io_executor executor,
        const copy::table_model& table,
        validate_table_options options,
        validate_table_context context
    );

    asio::awaitable<bool> prepare(cql_failure& why);
    // Returns when all ranges are compared and what seemed to differ has been looked at again.
    asio::awaitable<void> run(std::vector<copy::planned_range> ranges);

    std::uint64_t rows() const noexcept { return rows_; }
    std::uint64_t cells() const noexcept { return cells_; }
    std::uint64_t ranges_done() const noexcept { return ranges_done_; }

private:
    struct range_work;

    asio::awaitable<cql_failure> compare_range(range_runner::task& task);
    void compare_rows(range_work& work);
    void compare_front(range_work& work);
    void suspect(range_work& work, const row_stream& side);
    void report(range_work& work);
    std::unique_ptr<table_repair> make_repair();
    asio::awaitable<void> repair(row_difference& found);

    asio::any_io_executor executor_;
    const copy::table_model& table_;
    validate_table_options options_;
    validate_table_context context_;
    row_access source_;
    row_access target_;
    cql_prepared_ptr select_source_;
    cql_prepared_ptr select_target_;
    std::unique_ptr<table_repair> repair_;  // null: not asked for
    rechecker rechecker_;
    std::uint64_t rows_{0};
    std::uint64_t cells_{0};
    std::uint64_t ranges_done_{0};
};

}  // namespace dualwrite::engine
