#pragma once

#include <dualwrite/copy/row_compare.hpp>
#include <dualwrite/copy/write_statement.hpp>
#include <dualwrite/engine/refresh.hpp>

#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "copy_reader.hpp"

namespace dualwrite::engine {

// A row with its bytes, which outlives the page that it was read from.
struct owned_row {
    byte_buffer bytes;
    copy::row view;
};

// Makes one partition (or the rows that begin with a clustering prefix) at the target what it is at
// the source: reads both, writes what differs, and reads again until nothing does.
class partition_refresh {
public:
    partition_refresh(
        cql_cluster& source,
        cql_cluster& target,
        const copy::table_model& table,
        const refresh_key& key
    );

    asio::awaitable<refresh_result> run();

private:
    using rows = std::deque<owned_row>;

    // One comparison. `retry` where something was written, so that it has to be looked at again.
    asio::awaitable<refresh_status> pass();
    asio::awaitable<bool> load(cql_cluster& from, bool serial, rows& out);
    asio::awaitable<bool>
    load_with(table_reader& reader, std::string text, std::size_t clustering_count, rows& out);

    // What one pair of rows needs; either may be null.
    asio::awaitable<bool> mend(const copy::row* source, const copy::row* target, bool statics);
    asio::awaitable<bool> mend_cells(
        const copy::row& key,
        std::span<const copy::atom> source,
        std::span<const copy::atom> target,
        bool statics
    );
    asio::awaitable<bool> insert_row(const copy::row& source);
    asio::awaitable<bool> delete_row(const copy::row& target);
    asio::awaitable<bool> write_groups(
        const copy::row& key, std::span<const copy::atom> atoms, bool statics, bool insert_first
    );
    asio::awaitable<bool> delete_atom(const copy::row& key, const copy::atom& extra);
    asio::awaitable<bool> overwrite_column(
        const copy::row& key,
        std::uint32_t column,
        std::span<const copy::atom> source,
        std::span<const copy::atom> target
    );
    asio::awaitable<bool> converge(const copy::row* source, const copy::row* target, bool statics);
    asio::awaitable<bool>
    send(const copy::write_statement& statement, const copy::write_values& values);
    // Not tried again: an increment must not be repeated.
    asio::awaitable<bool> send_once(std::string text, byte_buffer values, std::uint16_t count);

    // True if this column is written as a whole: its elements have no times of their own that a
    // statement could carry.
    bool as_a_whole(std::uint32_t column) const;
    std::int64_t writetime_of(const copy::atom& a) const;
    refresh_result failed(std::string why) const;

    cql_cluster& source_;
    cql_cluster& target_;
    const copy::table_model& table_;
    const refresh_key& key_;
    copy::time_support times_;
    cql_failure why_;
    refresh_result result_;
    std::int64_t attempt_{0};
};

}  // namespace dualwrite::engine
