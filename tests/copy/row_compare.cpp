#include <dualwrite/copy/row_compare.hpp>

#include <doctest/doctest.h>

#include "copy_support.hpp"

using namespace dualwrite;
using namespace dualwrite::copy;
using copy_support::cell;
using copy_support::mixed_table;
using copy_support::table_of;

namespace {

struct fixture {
    copy_support::values v;
    table_model table = mixed_table();

    atom entry(std::string_view key, int value, std::int64_t time)
    {
        auto out = cell(table, "m", v.i32(value), time);
        out.path = v.text(key);
        return out;
    }

    // "value:a ttl:m" for what differs.
    std::string
    differ(std::vector<atom> source, std::vector<atom> target, compare_options options = {})
    {
        std::vector<cell_difference> found;
        compare_cells(table, source, target, options, found);
        std::string out;
        for (const auto& d : found)
            out += (out.empty() ? "" : " ") + std::string(difference_name(d.kind)) + ":" +
                   table.columns[d.column].name;
        return out;
    }
};

}  // namespace

TEST_SUITE("copy/row_compare")
{
    TEST_CASE("compare_places: by token, key, then the static row, then clustering in its order")
    {
        copy_support::values v;
        const auto table = table_of(
            {{"k", "partition_key", "int", 0},
             {"a", "clustering", "int", 0, "desc"},
             {"b", "clustering", "text", 1, "asc"}}
        );
        const std::vector<bytes_view> two_a{v.i32(2), v.text("a")};
        const std::vector<bytes_view> two_b{v.i32(2), v.text("b")};
        const std::vector<bytes_view> one_a{v.i32(1), v.text("a")};
        const auto k = v.i32(1);
        const std::vector<row_place> ascending{
            {{1}, k, {}, true},
            {{1}, k, two_a, false},
            {{1}, k, two_b, false},
            {{1}, k, one_a, false},
            {{2}, k, {}, true},
            {{2}, k, two_a, false}};
        for (std::size_t i = 0; i < ascending.size(); ++i)
            for (std::size_t j = 0; j < ascending.size(); ++j)
                CHECK((compare_places(table, ascending[i], ascending[j]) == (i <=> j)));
    }

    TEST_CASE("compare_cells: nothing for equal cells, whatever memory they are in")
    {
        fixture f;
        CHECK(f.differ({}, {}).empty());
        CHECK(f.differ(
                   {cell(f.table, "a", f.v.text("x"), 1, 50), f.entry("k", 1, 2)},
                   {cell(f.table, "a", f.v.text("x"), 1, 50), f.entry("k", 1, 2)}
        )
                  .empty());
    }

    TEST_CASE("compare_cells: classifies value, write time and TTL, one for each column")
    {
        fixture f;
        const auto x = f.v.text("x");
        const auto one = [&](std::string_view value, std::int64_t time, std::int64_t expiry) {
            return std::vector{cell(f.table, "a", f.v.text(value), time, expiry)};
        };
        CHECK(f.differ(one("x", 1, 0), one("y", 1, 0)) == "value:a");
        CHECK(f.differ(one("x", 1, 0), {}) == "value:a");
        CHECK(f.differ({}, one("x", 1, 0)) == "value:a");
        CHECK(f.differ(one("x", 1, 0), one("x", 2, 0)) == "writetime:a");
        CHECK(f.differ(one("x", 1, 0), one("x", 1, 100)) == "ttl:a");
        CHECK(f.differ(one("x", 1, 100), one("x", 1, 101)).empty());
        CHECK(f.differ(one("x", 1, 100), one("x", 1, 102)) == "ttl:a");
        CHECK(f.differ(one("x", 1, 100), one("x", 1, 101), {.ttl_tolerance_s = 0}) == "ttl:a");
        CHECK(f.differ(one("x", 1, 100), one("x", 9, 0), {.times = false}).empty());
        CHECK(f.differ(one("x", 1, 100), one("x", 9, 100), {.writetimes = false}).empty());
        CHECK(f.differ(one("x", 1, 100), one("x", 9, 0), {.writetimes = false}) == "ttl:a");
        CHECK(f.differ(one("", 1, 0), {}) == "value:a");  // no bytes is not null
    }

    TEST_CASE("compare_cells: elements are paired by key in the order of their type")
    {
        fixture f;
        CHECK(
            f.differ({f.entry("a", 1, 1), f.entry("b", 1, 1)}, {f.entry("b", 1, 1)}) == "value:m"
        );
        CHECK(
            f.differ({f.entry("b", 1, 1)}, {f.entry("a", 1, 1), f.entry("b", 1, 1)}) == "value:m"
        );
        CHECK(f.differ({f.entry("a", 1, 1)}, {f.entry("b", 1, 1)}) == "value:m");
        CHECK(
            f.differ(
                {f.entry("a", 1, 1), f.entry("b", 1, 1)}, {f.entry("a", 1, 1), f.entry("b", 1, 2)}
            ) == "writetime:m"
        );
        // The worst of the column, wherever it stands.
        CHECK(
            f.differ(
                {f.entry("a", 1, 1), f.entry("b", 1, 1)}, {f.entry("a", 1, 2), f.entry("b", 2, 1)}
            ) == "value:m"
        );
    }

    TEST_CASE("compare_cells: of lists places, values and expiry, not write times")
    {
        fixture f;
        const auto list = [&](std::vector<std::string_view> texts, std::int64_t time) {
            std::vector<atom> out;
            for (std::uint32_t i = 0; i < texts.size(); ++i) {
                out.push_back(cell(f.table, "l", f.v.text(texts[i]), time));
                out.back().index = i;
            }
            return out;
        };
        CHECK(f.differ(list({"a", "b"}, 1), list({"a", "b"}, 2)).empty());
        CHECK(f.differ(list({"a", "b"}, 1), list({"b", "a"}, 1)) == "value:l");
        CHECK(f.differ(list({"a"}, 1), list({"a", "a"}, 1)) == "value:l");
    }

    TEST_CASE("compare_cells: a side that cannot tell a time is not held against the other")
    {
        fixture f;
        CHECK(f.differ({f.entry("a", 1, 7)}, {f.entry("a", 1, no_writetime)}).empty());
        CHECK(f.differ({f.entry("a", 1, no_writetime)}, {f.entry("a", 2, 7)}) == "value:m");
    }
}
