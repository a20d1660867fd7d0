#include <dualwrite/copy/row_writes.hpp>

#include <doctest/doctest.h>

#include <sstream>

#include "copy_support.hpp"

using namespace dualwrite;
using namespace dualwrite::copy;
using copy_support::cell;
using copy_support::mixed_table;

namespace {

struct fixture {
    copy_support::values v;
    table_model table = mixed_table();
    row r;
    row_write_options options;

    fixture()
    {
        options.marker_writetime_us = 5;
        r.keys = {v.i32(1), v.i32(2)};
        r.has_row = true;
    }

    // "insert@10:a,b update@20+99:m" for write time 10, and 20 with expiry 99.
    std::string plan(bool with_statics = false)
    {
        std::ostringstream out;
        row_writes planner;
        planner.plan(
            table,
            r,
            with_statics,
            options,
            [&](write_kind kind, auto keys, auto atoms, std::int64_t time, std::int64_t expiry) {
                out << (out.tellp() > 0 ? " " : "")
                    << (kind == write_kind::insert   ? "insert"
                        : kind == write_kind::update ? "update"
                                                     : "static")
                    << '@' << time;
                if (expiry != no_expiry) out << '+' << expiry;
                const char* separator = ":";
                for (const auto* a : atoms) {
                    out << separator << table.columns[a->column].name;
                    separator = ",";
                }
                CHECK(keys.size() == (kind == write_kind::update_static ? 1 : 2));
            }
        );
        return out.str();
    }
};

}  // namespace

TEST_SUITE("copy/row_writes")
{
    TEST_CASE("plan: cells of one time and expiry are one statement, the oldest brings the marker")
    {
        fixture f;
        f.r.regulars = {
            cell(f.table, "a", f.v.text("x"), 20), cell(f.table, "b", f.v.text("y"), 10)};
        CHECK(f.plan() == "insert@10:b update@20:a");
        f.r.regulars[0].writetime_us = 10;
        CHECK(f.plan() == "insert@10:a,b");
        f.r.regulars[0].expiry_s = 99;
        CHECK(f.plan() == "insert@10:b update@10+99:a");
    }

    TEST_CASE("plan: one write time for all leaves groups by expiry only")
    {
        fixture f;
        f.options.constant_writetime_us = 7;
        f.r.regulars = {
            cell(f.table, "a", f.v.text("x"), 20), cell(f.table, "b", f.v.text("y"), no_writetime)};
        CHECK(f.plan() == "insert@7:a,b");
        f.r.regulars[0].expiry_s = 99;
        CHECK(f.plan() == "insert@7:b update@7+99:a");
    }

    TEST_CASE("plan: the marker never outlives the cells that it comes with")
    {
        fixture f;
        f.r.regulars = {cell(f.table, "a", f.v.text("x"), 10, 99)};
        CHECK(f.plan() == "insert@10+99:a");
    }

    TEST_CASE("plan: with the other policy cells come without a marker")
    {
        fixture f;
        f.options.markers = marker_policy::rows_without_cells;
        f.r.regulars = {cell(f.table, "a", f.v.text("x"), 10)};
        CHECK(f.plan() == "update@10:a");
        f.r.regulars.clear();
        CHECK(f.plan() == "insert@5");
    }

    TEST_CASE("plan: a row without cells is its marker, at the stated time and expiry")
    {
        fixture f;
        CHECK(f.plan() == "insert@5");
        f.options.marker_expiry_s = 77;
        CHECK(f.plan() == "insert@5+77");
    }

    TEST_CASE("plan: elements are added by UPDATE, beside the INSERT of their group")
    {
        fixture f;
        auto element = cell(f.table, "m", f.v.i32(1), 10);
        element.path = f.v.text("key");
        f.r.regulars = {cell(f.table, "a", f.v.text("x"), 10), element};
        CHECK(f.plan() == "insert@10:a,m update@10:a,m");
        f.r.regulars = {element};
        CHECK(f.plan() == "insert@10:m update@10:m");
    }

    TEST_CASE("plan: lists are left to others, and has_list says so")
    {
        fixture f;
        f.r.regulars = {cell(f.table, "l", f.v.text("x"), 10)};
        CHECK(has_list(f.table, f.r.regulars));
        CHECK(f.plan().empty());
        f.r.regulars = {cell(f.table, "a", f.v.text("x"), 10)};
        CHECK_FALSE(has_list(f.table, f.r.regulars));
    }

    TEST_CASE("plan: statics are written once, by groups, also when there is no row")
    {
        fixture f;
        f.r.statics = {cell(f.table, "s", f.v.text("x"), 30)};
        f.r.regulars = {cell(f.table, "a", f.v.text("x"), 10)};
        CHECK(f.plan(true) == "static@30:s insert@10:a");
        CHECK(f.plan(false) == "insert@10:a");
        f.r.has_row = false;
        CHECK(f.plan(true) == "static@30:s");
        CHECK(f.plan(false).empty());
    }

    TEST_CASE("plan: a time that the source cannot tell is the stated one")
    {
        fixture f;
        auto element = cell(f.table, "m", f.v.i32(1), no_writetime);
        f.r.regulars = {cell(f.table, "a", f.v.text("x"), 10), element};
        f.options.unknown_writetime_us = 3;
        CHECK(f.plan() == "insert@3:m update@3:m update@10:a");
    }

    TEST_CASE("cell_groups: many rows one after another do not see each other")
    {
        fixture f;
        cell_groups groups;
        for (int i = 0; i < 3; ++i) {
            const std::vector<atom> atoms{
                cell(f.table, "a", f.v.text("x"), 2), cell(f.table, "b", f.v.text("y"), 1)};
            groups.assign(atoms);
            REQUIRE(groups.groups().size() == 2);
            CHECK(groups.groups()[0].writetime_us == 1);
            CHECK(groups.groups()[0].atoms.size() == 1);
        }
        groups.assign({});
        CHECK(groups.groups().empty());
    }
}
