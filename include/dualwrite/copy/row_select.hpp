#pragma once

#include <dualwrite/copy/table_model.hpp>

#include <cstdint>
#include <string>
#include <vector>

// The SELECT statements that read rows with their times, and where each value stands in the answer.

namespace dualwrite::copy {

// What the server can tell about write times and expiry.
enum class time_support : std::uint8_t {
    none,      // counters
    cells,     // of everything but multi-cell columns
    elements,  // of each element too: Cassandra 5.0
};

// Where a column and its times stand among the selected values; -1: not selected.
struct selected_column {
    std::uint32_t column{0};
    int value{0};
    int writetime{-1};
    int ttl{-1};
};

struct row_layout {
    std::vector<selected_column> columns;  // in the order of the table's columns
    std::size_t value_count{0};
    bool statics_only{false};
};

enum class row_scope : std::uint8_t {
    all,
    statics,  // the partition's static columns without any row
};

inline row_layout
make_row_layout(const table_model& table, time_support times, row_scope scope = row_scope::all)
{
    row_layout layout;
    layout.statics_only = scope == row_scope::statics;
    int next = 0;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        const auto& column = table.columns[i];
        const bool of_partition =
            column.kind == column_kind::partition_key || column.kind == column_kind::static_;
        if (layout.statics_only && !of_partition) continue;
        selected_column selected{static_cast<std::uint32_t>(i), next++};
        const bool timed = !column.is_key() && !table.counter && times != time_support::none &&
                           (!is_multi_cell(column.type) || times == time_support::elements);
        if (timed) {
            selected.writetime = next++;
            selected.ttl = next++;
        }
        layout.columns.push_back(selected);
    }
    layout.value_count = static_cast<std::size_t>(next);
    return layout;
}

// SELECT key, cells, their write times and TTLs FROM table
inline std::string select_text(const table_model& table, const row_layout& layout)
{
    std::string text = "SELECT ";
    for (const auto& selected : layout.columns) {
        const auto name = cql_identifier(table.columns[selected.column].name);
        if (selected.value != 0) text += ", ";
        text += name;
        if (selected.writetime >= 0) text += ", WRITETIME(" + name + "), TTL(" + name + ")";
    }
    return text + " FROM " + table.cql_name();
}

// Markers: start and end of a linear range, as bigint.
inline std::string select_range_text(const table_model& table, const row_layout& layout)
{
    std::string key;
    for (std::size_t i = 0; i < table.partition_count; ++i)
        key += (i == 0 ? "" : ", ") + cql_identifier(table.columns[i].name);
    const auto token = "token(" + key + ")";
    return select_text(table, layout) + " WHERE " + token + " > ? AND " + token + " <= ?";
}

// Markers: the partition key, then the first `clustering_count` clustering columns.
inline std::string select_partition_text(
    const table_model& table, const row_layout& layout, std::size_t clustering_count
)
{
    auto text = select_text(table, layout);
    for (std::size_t i = 0; i < table.partition_count + clustering_count; ++i)
        text += (i == 0 ? " WHERE " : " AND ") + cql_identifier(table.columns[i].name) + " = ?";
    // Statics stand beside every row, and beside none: one answer is enough.
    return layout.statics_only ? text + " LIMIT 1" : text;
}

}  // namespace dualwrite::copy
