#pragma once

#include <dualwrite/copy/row_compare.hpp>

#include <functional>

#include "asio_compat.hpp"
#include "copy_repair.hpp"

namespace dualwrite::engine {

// One column of a row that differs. Never the values.
struct column_difference {
    copy::difference_kind kind{copy::difference_kind::value};
    std::uint32_t column{0};
    std::int64_t source_writetime_us{copy::no_writetime};
    std::int64_t target_writetime_us{copy::no_writetime};
    std::int64_t source_expiry_s{copy::no_expiry};
    std::int64_t target_expiry_s{copy::no_expiry};
};

// A row that differs for good.
struct row_difference {
    row_key key;
    copy::difference_kind kind{copy::difference_kind::value};  // the worst of its columns
    std::vector<column_difference> columns;
    // It changed at the source whenever it was looked at, and was never seen equal.
    bool unsettled{false};
    // Whether it was made equal since; empty where that was not asked for.
    std::optional<bool> repaired{};
    std::string repair_failure{};  // why not
    // What a repair would write, after a dry run.
    std::vector<repair_preview> would_write{};
};

enum class verdict : std::uint8_t { equal, different, unsettled };

// What three reads in this order say: the source, after a while the target, the source again. The
// target had that while to come to what the source held first, so it must hold that, or what the
// source holds now, or something written in between; all else is a difference if the source did
// not move, and undecided if it did.
verdict judge_row(
    const copy::table_model& table,
    const copy::compare_options& options,
    const fetched_row& source_before,
    const fetched_row& target,
    const fetched_row& source_after,
    row_difference& out
);

struct recheck_options {
    std::chrono::milliseconds delay{2000};
    std::uint32_t rounds{5};
    std::uint32_t reads_max{64};      // at once, each side
    std::uint32_t waiting_max{8192};  // rows in the delay
};

// Looks at rows that seemed to differ again, row by row, so that lag is not taken for a difference.
class rechecker {
public:
    struct actions {
        std::function<void(row_difference)> on_difference;
        std::function<void()> on_equal;
        std::function<void(const row_key&, const cql_failure&)> on_failure;
        std::function<bool()> stopping;
        // Makes a row that differs equal, or says how, and what came of it; may be empty.
        std::function<asio::awaitable<void>(row_difference&)> repair;
    };

    rechecker(
        asio::any_io_executor executor,
        const copy::table_model& table,
        row_access& source,
        row_access& target,
        copy::compare_options compare,
        recheck_options options,
        actions to_do
    );

    void add(row_key key);
    asio::awaitable<void> wait_for_room();
    asio::awaitable<void> drain();

private:
    asio::awaitable<void> check(row_key key);
    asio::awaitable<verdict> check_once(row_key key, row_difference& out, cql_failure& why);
    asio::awaitable<bool>
    read(row_access& side, const row_key& key, fetched_row& out, cql_failure& why);
    asio::awaitable<void> pause();

    asio::any_io_executor executor_;
    const copy::table_model& table_;
    row_access& source_;
    row_access& target_;
    copy::compare_options compare_;
    recheck_options options_;
    actions do_;
    std::uint32_t open_{0};
    std::uint32_t reads_{0};
    async_event changed_;
    async_event read_ended_;
};

}  // namespace dualwrite::engine
