#pragma once

#include <dualwrite/copy/mutation_batch.hpp>
#include <dualwrite/copy/row_repair.hpp>

#include <map>
#include <memory>

#include "copy_rows.hpp"

namespace dualwrite::engine {

struct table_repair_options {
    protocol::consistency read_level{protocol::consistency::local_quorum};
    protocol::consistency write_level{protocol::consistency::local_quorum};
    copy::repair_options rows;  // `attempt` is the repair's own
};

// What one repair did, or why it could not.
struct repair_result {
    cql_failure failure;          // none: equal now
    std::uint64_t rows{0};        // looked at
    std::uint64_t cells_sent{0};  // deletions included
    std::uint64_t writes{0};      // requests to the target
    bool newer_at_target{false};  // see copy::repair_plan
};

// One write that a repair would send, in words. Never the values.
struct repair_preview {
    std::string_view write;              // "insert", "delete column"
    std::vector<std::uint32_t> columns;  // of the table; none: the row
    std::int64_t writetime_us{copy::no_writetime};
    std::int64_t expiry_s{copy::no_expiry};
};

// What one repair knows beyond the table.
struct repair_hint {
    std::int64_t writetime_us{0};  // see copy::repair_options
    bool serial{false};            // read the source at LOCAL_SERIAL
    // Only a row that is gone at the source and has no cell left at the target is touched.
    bool if_gone{false};
};

// Makes rows of one table at the target what they are at the source: reads the target, then the
// source, writes what differs, and looks again until nothing does.
//
// The order is what makes it safe beside live writes, see engine/refresh.hpp.
class table_repair {
public:
    table_repair(
        asio::any_io_executor executor,
        cql_cluster& source,
        cql_cluster& target,
        copy::table_model table,
        table_repair_options options
    );
    table_repair(const table_repair&) = delete;

    const copy::table_model& table() const noexcept { return table_; }
    // Once, before the first repair. False: see `why`.
    asio::awaitable<bool> prepare(cql_failure& why);

    // One row, or with key.is_static the static columns of a partition. Two repairs of one row must
    // not run at once: lists and counters have one writer.
    asio::awaitable<void> row(row_key key, repair_hint hint, repair_result& result);
    // What row() would write first; writes nothing.
    asio::awaitable<void>
    preview(row_key key, std::vector<repair_preview>& out, repair_result& result);
    // All rows that begin with the clustering of `key`, and the static columns.
    asio::awaitable<void> partition(row_key key, repair_hint hint, repair_result& result);

private:
    struct row_pair {
        fetched_row source;
        fetched_row target;
        std::int64_t now_s{0};       // what both were read with
        std::int64_t read_at_us{0};  // before the first of them, by our clock
    };

    row_access& source(const repair_hint& hint) { return hint.serial ? serial_source_ : source_; }
    copy::repair_options
    options_for(const repair_hint& hint, std::uint32_t attempt, std::int64_t read_at_us) const;
    // What the source's clock says.
    asio::awaitable<std::optional<std::int64_t>> source_now_us(cql_failure& why);
    asio::awaitable<bool>
    read_pair(const row_key& key, const repair_hint& hint, row_pair& pair, cql_failure& why);
    asio::awaitable<bool> write_plan(
        const row_key& key, const copy::repair_plan& plan, std::int64_t now_s, repair_result& result
    );
    asio::awaitable<const copy::prepared_write*>
    statement_for(const copy::repair_write& write, cql_failure& why);
    copy::write_statement
    make_statement(const copy::repair_write& write, copy::writetime_in place) const;
    // row(), unless the hint says that this row is not to be touched.
    asio::awaitable<void> row_as_hinted(row_key key, repair_hint hint, repair_result& result);
    asio::awaitable<void> compare_streams(
        row_key key, repair_hint hint, std::vector<row_key>& differing, repair_result& result
    );

    void
    preview_counters(const row_pair& pair, bool is_static, std::vector<repair_preview>& out) const;
    asio::awaitable<void> converge(row_key key, repair_hint hint, repair_result& result);
    asio::awaitable<bool>
    add_to_counters(const row_key& key, const row_pair& pair, bool& sent, repair_result& result);

    asio::any_io_executor executor_;
    copy::table_model table_;
    table_repair_options options_;
    cql_cluster& source_cluster_;
    cql_cluster& target_cluster_;
    row_access source_;
    row_access serial_source_;
    row_access target_;

    struct cached {
        copy::prepared_write write;
        cql_prepared_ptr in_request;
        cql_prepared_ptr in_text;
    };
    std::map<std::string, std::unique_ptr<cached>> statements_;  // by text
};

}  // namespace dualwrite::engine
