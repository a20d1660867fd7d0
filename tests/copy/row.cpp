#include <dualwrite/copy/row.hpp>
#include <dualwrite/copy/row_select.hpp>

#include <doctest/doctest.h>

#include "copy_support.hpp"

using namespace dualwrite;
using namespace dualwrite::copy;
using copy_support::mixed_table;
using copy_support::table_of;

namespace {

using cell = std::optional<bytes_view>;

constexpr std::int64_t now_s = 1'700'000'000;

// The values of a row of mixed_table() with everything null but the key.
struct mixed_row {
    copy_support::values v;
    table_model table = mixed_table();
    row_layout layout = make_row_layout(table, time_support::elements);
    std::vector<cell> cells = std::vector<cell>(layout.value_count);

    mixed_row()
    {
        set("k", v.i32(1));
        set("c", v.i32(2));
    }
    void set(std::string_view name, cell value, cell writetime = {}, cell ttl = {})
    {
        for (const auto& selected : layout.columns) {
            if (table.columns[selected.column].name != name) continue;
            cells[static_cast<std::size_t>(selected.value)] = value;
            if (selected.writetime < 0) continue;
            cells[static_cast<std::size_t>(selected.writetime)] = writetime;
            cells[static_cast<std::size_t>(selected.ttl)] = ttl;
        }
    }
    result<void> parse(row& out) { return parse_row(table, layout, cells, now_s, out); }
};

}  // namespace

TEST_SUITE("copy/row_select")
{
    TEST_CASE("select_range_text: asks for write time and TTL of everything that has them")
    {
        const auto t = table_of(
            {{"K", "partition_key", "int", 0},
             {"k2", "partition_key", "int", 1},
             {"c", "clustering", "int", 0},
             {"s", "static", "int"},
             {"m", "regular", "map<int, int>"}}
        );
        CHECK(
            select_range_text(t, make_row_layout(t, time_support::elements)) ==
            "SELECT \"K\", k2, c, s, WRITETIME(s), TTL(s), m, WRITETIME(m), TTL(m) FROM ks.t "
            "WHERE token(\"K\", k2) > ? AND token(\"K\", k2) <= ?"
        );
        CHECK(
            select_text(t, make_row_layout(t, time_support::cells)) ==
            "SELECT \"K\", k2, c, s, WRITETIME(s), TTL(s), m FROM ks.t"
        );
        CHECK(
            select_text(t, make_row_layout(t, time_support::none)) ==
            "SELECT \"K\", k2, c, s, m FROM ks.t"
        );
    }

    TEST_CASE("select_partition_text: by a prefix of the key, statics once")
    {
        const auto t = mixed_table();
        const auto all = make_row_layout(t, time_support::none);
        const auto statics = make_row_layout(t, time_support::cells, row_scope::statics);
        CHECK(select_partition_text(t, all, 0).ends_with(" WHERE k = ?"));
        CHECK(select_partition_text(t, all, 1).ends_with(" WHERE k = ? AND c = ?"));
        CHECK(
            select_partition_text(t, statics, 0) ==
            "SELECT k, s, WRITETIME(s), TTL(s) FROM ks.t WHERE k = ? LIMIT 1"
        );
    }
}

TEST_SUITE("copy/row")
{
    TEST_CASE("parse_row: cells with their times, nulls left out, no bytes kept")
    {
        mixed_row in;
        in.set("s", in.v.text("static"), in.v.i64(10));
        in.set("a", in.v.text(""), in.v.i64(20), in.v.i32(60));
        row out;
        REQUIRE(in.parse(out));
        CHECK(out.has_row);
        REQUIRE(out.statics.size() == 1);
        CHECK(as_text(out.statics[0].value) == "static");
        CHECK(out.statics[0].writetime_us == 10);
        CHECK(out.statics[0].expiry_s == no_expiry);
        REQUIRE(out.regulars.size() == 1);
        CHECK(out.regulars[0].value.empty());
        CHECK(out.regulars[0].expiry_s == now_s + 60);
        CHECK(out.keys.size() == 2);
        CHECK(out.at == token_of(in.v.i32(1)));
    }

    TEST_CASE("parse_row: a null clustering column means a partition with static columns only")
    {
        mixed_row in;
        in.set("c", {});
        in.set("s", in.v.text("x"), in.v.i64(1));
        row out;
        REQUIRE(in.parse(out));
        CHECK_FALSE(out.has_row);
        CHECK(out.keys.size() == 1);
    }

    TEST_CASE("parse_row: a map becomes one atom for each entry, with times of its own")
    {
        mixed_row in;
        in.set(
            "m",
            in.v.elements({in.v.text("x"), in.v.i32(1), in.v.text("y"), in.v.i32(2)}, true, 2),
            in.v.elements({in.v.i64(100), in.v.i64(200)}),
            in.v.elements({std::nullopt, in.v.i32(30)})
        );
        row out;
        REQUIRE(in.parse(out));
        REQUIRE(out.regulars.size() == 2);
        CHECK(as_text(out.regulars[0].path) == "x");
        CHECK(out.regulars[0].writetime_us == 100);
        CHECK(out.regulars[0].expiry_s == no_expiry);
        CHECK(as_text(out.regulars[1].path) == "y");
        CHECK(equal(out.regulars[1].value, in.v.i32(2)));
        CHECK(out.regulars[1].writetime_us == 200);
        CHECK(out.regulars[1].expiry_s == now_s + 30);
    }

    TEST_CASE("parse_row: a UDT becomes one atom for each field that is there")
    {
        mixed_row in;
        in.set(
            "u",
            in.v.elements({std::nullopt, in.v.i32(7)}, false),
            in.v.elements({std::nullopt, in.v.i64(5)}),
            in.v.elements({std::nullopt, std::nullopt})
        );
        row out;
        REQUIRE(in.parse(out));
        REQUIRE(out.regulars.size() == 1);
        CHECK(out.regulars[0].index == 1);
        CHECK(out.regulars[0].writetime_us == 5);
    }

    TEST_CASE("parse_row: list elements keep their places")
    {
        mixed_row in;
        in.set(
            "l",
            in.v.elements({in.v.text("a"), in.v.text("a")}),
            in.v.elements({in.v.i64(1), in.v.i64(2)}),
            in.v.elements({std::nullopt, std::nullopt})
        );
        row out;
        REQUIRE(in.parse(out));
        REQUIRE(out.regulars.size() == 2);
        CHECK(out.regulars[1].index == 1);
        CHECK(as_text(out.regulars[1].value) == "a");
    }

    TEST_CASE("parse_row: without element times the atoms say so")
    {
        auto table = mixed_table();
        const auto layout = make_row_layout(table, time_support::cells);
        copy_support::values v;
        std::vector<cell> cells(layout.value_count);
        cells[0] = v.i32(1);
        cells[1] = v.i32(1);
        for (const auto& s : layout.columns)
            if (table.columns[s.column].name == "l")
                cells[static_cast<std::size_t>(s.value)] = v.elements({v.text("a")});
        row out;
        REQUIRE(parse_row(table, layout, cells, now_s, out));
        CHECK(out.regulars.at(0).writetime_us == no_writetime);
    }

    TEST_CASE("parse_row: refuses another number of values, a null key and a cell without a time")
    {
        mixed_row in;
        row out;
        auto short_row = in.cells;
        short_row.pop_back();
        CHECK_FALSE(parse_row(in.table, in.layout, short_row, now_s, out));
        in.set("a", in.v.text("x"));
        CHECK_FALSE(in.parse(out));
        in.set("a", {});
        in.set("k", {});
        CHECK_FALSE(in.parse(out));
    }

    TEST_CASE("parse_row: every truncation of a collection is refused, none is read past its end")
    {
        mixed_row in;
        const auto whole =
            in.v.elements({in.v.text("x"), in.v.i32(1), in.v.text("yy"), in.v.i32(2)}, true, 2);
        const auto times = in.v.elements({in.v.i64(100), in.v.i64(200)});
        row out;
        for (std::size_t size = 0; size < whole.size(); ++size) {
            CAPTURE(size);
            in.set("m", whole.first(size), times, {});
            const bool parsed = static_cast<bool>(in.parse(out));
            // Only a cut between two entries looks whole.
            CHECK(parsed == (size == 4 || size == 17));
        }
    }
}
