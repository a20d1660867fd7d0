#include <dualwrite/copy/row_repair.hpp>

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
    row source;
    row target;
    repair_options options;
    repair_plan repair;

    fixture()
    {
        options.marker_writetime_us = 5;
        for (auto* r : {&source, &target}) {
            r->keys = {v.i32(1), v.i32(2)};
            r->has_row = true;
        }
    }
    atom a(std::string_view value, std::int64_t time, std::int64_t expiry = no_expiry)
    {
        return cell(table, "a", v.text(value), time, expiry);
    }
    atom entry(std::string_view key, std::int64_t time)
    {
        auto out = cell(table, "m", v.i32(1), time);
        out.path = v.text(key);
        return out;
    }
    std::vector<atom> list(std::vector<std::pair<std::string_view, std::int64_t>> elements)
    {
        std::vector<atom> out;
        for (const auto& [text, time] : elements) {
            out.push_back(cell(table, "l", v.text(text), time));
            out.back().index = static_cast<std::uint32_t>(out.size() - 1);
        }
        return out;
    }

    // "update@7:a=x delete m[k]@5"
    std::string plan(bool has_source = true, bool has_target = true, bool is_static = false)
    {
        static const char* names[] = {
            "insert", "update", "static", "delete row", "delete", "delete element", "delete field"};
        repair.assign(
            table,
            has_source ? &source : nullptr,
            has_target ? &target : nullptr,
            is_static,
            options
        );
        std::ostringstream out;
        for (const auto& w : repair.writes()) {
            out << (out.tellp() > 0 ? " " : "") << names[static_cast<int>(w.kind)] << '@'
                << w.writetime_us;
            if (w.expiry_s != no_expiry) out << '+' << w.expiry_s;
            if (w.kind == repair_kind::delete_row) continue;
            const char* separator = ":";
            for (const auto* atom : w.atoms) {
                out << separator << table.columns[atom->column].name;
                if (!atom->path.empty()) out << '[' << as_text(atom->path) << ']';
                separator = ",";
            }
        }
        return out.str();
    }
};

}  // namespace

TEST_SUITE("copy/row_repair")
{
    TEST_CASE("assign: equal rows need nothing")
    {
        fixture f;
        f.source.regulars = f.target.regulars = {f.a("x", 1), f.entry("k", 2)};
        CHECK(f.plan().empty());
        CHECK(f.plan(false, false).empty());
    }

    TEST_CASE("assign: a missing row is written as copy writes it")
    {
        fixture f;
        f.source.regulars = {f.a("x", 10), f.entry("k", 20)};
        CHECK(f.plan(true, false) == "insert@10:a update@20:m[k]");
        f.source.regulars.clear();
        CHECK(f.plan(true, false) == "insert@5");
    }

    TEST_CASE("assign: an extra row is deleted at its newest cell's time, never later")
    {
        fixture f;
        f.target.regulars = {f.a("x", 10), f.entry("k", 20)};
        CHECK(f.plan(false, true) == "delete row@20");
        f.target.regulars.clear();
        CHECK(f.plan(false, true) == "delete row@5");
    }

    TEST_CASE("assign: what was left of an extra row is deleted at the marker's time next")
    {
        fixture f;
        f.target.regulars = {f.a("x", 10)};
        f.options.attempt = 1;
        f.options.marker_writetime_us = 50;
        CHECK(f.plan(false, true) == "delete row@50");
    }

    TEST_CASE("assign: a newer cell of the source is written with its own time and expiry")
    {
        fixture f;
        f.source.regulars = {f.a("new", 10, 99)};
        f.target.regulars = {f.a("old", 9)};
        CHECK(f.plan() == "update@10+99:a");
        f.target.regulars.clear();
        CHECK(f.plan() == "update@10+99:a");
    }

    TEST_CASE("assign: a newer cell of the target is passed by a microsecond")
    {
        fixture f;
        f.source.regulars = {f.a("source", 10)};
        f.target.regulars = {f.a("target", 50)};
        CHECK(f.plan() == "update@51:a");
    }

    TEST_CASE("assign: at equal times the merge's own rules say whether the time must be passed")
    {
        fixture f;
        struct row {
            atom source;
            atom target;
            std::string_view plan;
        };
        const std::vector<row> rows{
            {f.a("b", 7), f.a("a", 7), "update@7:a"},  // the larger value wins
            {f.a("a", 7), f.a("b", 7), "update@8:a"},
            {f.a("a", 7, 99), f.a("b", 7), "update@7+99:a"},  // expiring beats living
            {f.a("b", 7), f.a("a", 7, 99), "update@8:a"},
            {f.a("a", 7, 99), f.a("a", 7, 50), "update@7+99:a"},  // the later expiry wins
            {f.a("a", 7, 50), f.a("a", 7, 99), "update@8+50:a"},
        };
        for (const auto& [source, target, expected] : rows) {
            CAPTURE(expected);
            f.source.regulars = {source};
            f.target.regulars = {target};
            CHECK(f.plan() == expected);
        }
    }

    TEST_CASE("assign: the same value with a newer time at the target stays as it is")
    {
        fixture f;
        f.source.regulars = {f.a("x", 10)};
        f.target.regulars = {f.a("x", 50)};
        CHECK(f.plan().empty());
        f.source.regulars = {f.a("x", 10, 99)};
        CHECK(f.plan() == "update@51+99:a");
    }

    TEST_CASE("assign: extra cells, elements and fields are deleted at their own times")
    {
        fixture f;
        auto field = cell(f.table, "u", f.v.i32(1), 30);
        field.index = 1;
        f.target.regulars = {f.a("x", 10), f.entry("k", 20), field};
        CHECK(f.plan() == "delete@10:a delete element@20:m[k] delete field@30:u");
        CHECK(f.repair.writes()[2].field == 1);
    }

    TEST_CASE("assign: a missing element is added with its own time")
    {
        fixture f;
        f.source.regulars = {f.entry("a", 10), f.entry("b", 11)};
        f.target.regulars = {f.entry("a", 10)};
        CHECK(f.plan() == "update@11:m[b]");
    }

    TEST_CASE("assign: static columns are mended by themselves")
    {
        fixture f;
        f.source.statics = {cell(f.table, "s", f.v.text("x"), 3)};
        f.source.regulars = {f.a("not looked at", 1)};
        CHECK(f.plan(true, false, true) == "static@3:s");
        CHECK(f.plan(false, true, true).empty());
        f.target.statics = {cell(f.table, "s", f.v.text("y"), 2)};
        CHECK(f.plan(false, true, true) == "delete@2:s");
    }

    TEST_CASE("assign: an empty list gets its elements with their times, in their order")
    {
        fixture f;
        f.source.regulars = f.list({{"a", 10}, {"b", 10}, {"c", 12}});
        CHECK(f.plan() == "update@10:l,l update@12:l");
        CHECK(f.plan(true, false) == "update@10:l,l update@12:l");
    }

    TEST_CASE("assign: another list is deleted above all that is in it and written anew")
    {
        fixture f;
        f.source.regulars = f.list({{"a", 10}, {"b", 12}});
        f.target.regulars = f.list({{"a", 10}, {"a", 20}});
        CHECK(f.plan() == "delete@20:l update@21:l,l");
        f.options.attempt = 1;
        CHECK(f.plan() == "delete@21:l update@22:l,l");
        f.source.regulars.clear();
        f.options.attempt = 0;
        CHECK(f.plan() == "delete@20:l");
    }

    TEST_CASE("assign: the same list at other times is left alone")
    {
        fixture f;
        f.source.regulars = f.list({{"a", 10}, {"b", 12}});
        f.target.regulars = f.list({{"a", 30}, {"b", 30}});
        CHECK(f.plan().empty());
    }

    TEST_CASE("assign: a second attempt goes up to the write that caused the repair")
    {
        fixture f;
        f.source.regulars = {f.a("x", 10)};
        f.options.writetime_us = 90;
        CHECK(f.plan() == "update@10:a");
        f.options.attempt = 1;
        CHECK(f.plan() == "update@90:a");
    }

    TEST_CASE("assign: a time that nothing tells is a problem, unless the causing write is known")
    {
        fixture f;
        f.source.regulars = {f.entry("k", no_writetime)};
        f.plan();
        CHECK(f.repair.problem().find("column m") != std::string::npos);
        f.options.writetime_us = 90;
        CHECK(f.plan() == "update@90:m[k]");
        CHECK(f.repair.problem().empty());
    }
}
