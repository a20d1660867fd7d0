#pragma once

#include <dualwrite/copy/row.hpp>
#include <dualwrite/copy/table_model.hpp>

#include <deque>
#include <string>
#include <string_view>
#include <vector>

// Tables and rows for the tests of the copy layer.

namespace copy_support {

using namespace dualwrite;

struct column {
    std::string name;
    std::string kind;
    std::string type;
    int position{-1};
    std::string order{"none"};
};

inline copy::table_model
table_of(const std::vector<column>& columns, std::vector<std::string> flags = {"compound"})
{
    const std::vector<copy::user_type_row> types{
        {"ks", "point", {"x", "y"}, {"int", "int"}},
        {"ks", "line", {"from", "to"}, {"frozen<point>", "frozen<point>"}}};
    std::vector<copy::column_row> rows;
    for (const auto& c : columns) rows.push_back({c.name, c.kind, c.position, c.order, c.type});
    const copy::table_row table{"ks", "t", "id", std::move(flags), 0};
    auto model = copy::make_table_model(table, rows, types);
    DW_ASSERT(model);
    return *std::move(model);
}

// k int, c int, s text static, a text, b text, m map<text, int>, l list<text>, u point
inline copy::table_model mixed_table()
{
    return table_of(
        {{"k", "partition_key", "int", 0},
         {"c", "clustering", "int", 0, "asc"},
         {"s", "static", "text"},
         {"a", "regular", "text"},
         {"b", "regular", "text"},
         {"m", "regular", "map<text, int>"},
         {"l", "regular", "list<text>"},
         {"u", "regular", "point"}}
    );
}

// Keeps the bytes that views in the tests point to.
class values {
public:
    bytes_view text(std::string_view in) { return as_bytes(kept_.emplace_back(in)); }
    template <class T> bytes_view number(T value)
    {
        auto& bytes = kept_.emplace_back(sizeof value, '\0');
        store_be(reinterpret_cast<std::byte*>(bytes.data()), value);
        return as_bytes(bytes);
    }
    bytes_view i32(std::int32_t value) { return number(value); }
    bytes_view i64(std::int64_t value) { return number(value); }

    // count ([size][bytes])+ ; an empty optional is a null element. Without the count: a tuple.
    bytes_view
    elements(const std::vector<std::optional<bytes_view>>& in, bool with_count = true, int each = 1)
    {
        byte_buffer out;
        if (with_count) out.append_be(static_cast<std::int32_t>(in.size()) / each);
        for (const auto& element : in) protocol::append_bytes(out, element);
        return text(as_text(out.view()));
    }

private:
    std::deque<std::string> kept_;
};

inline std::uint32_t column_of(const copy::table_model& table, std::string_view name)
{
    for (std::uint32_t i = 0; i < table.columns.size(); ++i)
        if (table.columns[i].name == name) return i;
    DW_ASSERT(false);
    return 0;
}

inline copy::atom cell(
    const copy::table_model& table,
    std::string_view column,
    bytes_view value,
    std::int64_t writetime_us,
    std::int64_t expiry_s = copy::no_expiry
)
{
    return {
        .column = column_of(table, column),
        .value = value,
        .writetime_us = writetime_us,
        .expiry_s = expiry_s};
}

}  // namespace copy_support
