#pragma once

#include <string>

#include "copy_reader.hpp"

namespace dualwrite::engine {

// Which row: owned. Values as a bound marker carries them.
struct row_key {
    std::vector<std::string> partition;
    std::vector<std::string> clustering;
    bool is_static{false};  // the partition's static columns; `clustering` is empty

    friend auto operator<=>(const row_key&, const row_key&) = default;
};

row_key key_of(const copy::table_model& table, const copy::row& row, bool is_static);
copy::token token_of(const row_key& key);

// A row with the memory that it views. Moving it keeps the views valid.
struct fetched_row {
    std::unique_ptr<page_reader> pages;  // holds the bytes
    copy::row row;
    bool exists{false};  // for static columns: one of them is there

    std::span<const copy::atom> atoms(bool is_static) const noexcept
    {
        if (!exists) return {};
        return is_static ? row.statics : row.regulars;
    }
};

// Reads single rows, and partitions, of one table at one side.
class row_access {
public:
    row_access(cql_cluster& from, const copy::table_model& table, protocol::consistency level);

    // False: see `why`. `clustering_counts`: the numbers of clustering columns that partitions() is
    // called with.
    asio::awaitable<bool> prepare(cql_failure& why);

    // Reads at `now_s`, see page_reader.
    asio::awaitable<bool>
    read(const row_key& key, std::int64_t now_s, fetched_row& out, cql_failure& why);

    // All rows that begin with the clustering of `key`.
    asio::awaitable<std::unique_ptr<page_reader>>
    partition(const row_key& key, std::int64_t now_s, cql_failure& why);

    cql_cluster& from() noexcept { return *reader_.from; }
    table_reader& reader() noexcept { return reader_; }
    void set_level(protocol::consistency level) noexcept
    {
        reader_.level = level;
        statics_.level = level;
    }

private:
    std::unique_ptr<page_reader>
    open(table_reader& reader, cql_prepared_ptr statement, const row_key& key, std::int64_t now_s);

    const copy::table_model& table_;
    table_reader reader_;
    table_reader statics_;
    cql_prepared_ptr select_row_;
    cql_prepared_ptr select_statics_;
};

// What `from` can tell of the times of a table's cells.
copy::time_support time_support_of(const cql_cluster& from, const copy::table_model& table);

}  // namespace dualwrite::engine
