#include <dualwrite/copy/schema_check.hpp>
#include <dualwrite/copy/table_model.hpp>

#include <doctest/doctest.h>

#include "copy_support.hpp"

using namespace dualwrite;
using namespace dualwrite::copy;
using copy_support::table_of;

TEST_SUITE("copy/table_model")
{
    TEST_CASE("make_table_model: orders columns by kind, place in the key and name")
    {
        const auto t = table_of(
            {{"z", "regular", "int"},
             {"c2", "clustering", "text", 1, "desc"},
             {"b", "partition_key", "int", 1},
             {"s", "static", "int"},
             {"a", "regular", "int"},
             {"c1", "clustering", "int", 0, "asc"},
             {"y", "partition_key", "int", 0}}
        );
        std::string names;
        for (const auto& c : t.columns) names += c.name + " ";
        CHECK(names == "y b c1 c2 s a z ");
        CHECK(t.partition_count == 2);
        CHECK(t.clustering_count == 2);
        CHECK(t.static_count == 1);
        CHECK(t.first_regular() == 5);
        CHECK_FALSE(t.find("c1")->reversed);
        CHECK(t.find("c2")->reversed);
        CHECK(t.find("none") == nullptr);
    }

    TEST_CASE("make_table_model: resolves user types, also inside others, and knows multi-cell")
    {
        const auto t = table_of(
            {{"k", "partition_key", "frozen<line>", 0},
             {"p", "regular", "point"},
             {"l", "regular", "list<frozen<point>>"},
             {"f", "regular", "frozen<list<int>>"}}
        );
        CHECK(t.find("k")->type.parameters[1].field_names == std::vector<std::string>{"x", "y"});
        CHECK_FALSE(is_multi_cell(t.find("k")->type));
        CHECK(is_multi_cell(t.find("p")->type));
        CHECK(is_multi_cell(t.find("l")->type));
        CHECK_FALSE(is_multi_cell(t.find("f")->type));
        CHECK(t.has_multi_cell_list());
    }

    TEST_CASE("make_table_model: refuses unknown user types, unknown kinds and tables without key")
    {
        const table_row table{"ks", "t", "id", {"compound"}, 0};
        const column_row key{"k", "partition_key", 0, "none", "int"};
        const column_row unknown{"a", "regular", -1, "none", "nobody"};
        const column_row strange{"a", "odd", -1, "none", "int"};
        CHECK(make_table_model(table, {key, unknown}, {}).error() == errc::unsupported);
        CHECK(make_table_model(table, {key, strange}, {}).error() == errc::malformed);
        CHECK(make_table_model(table, {}, {}).error() == errc::malformed);
    }

    TEST_CASE("make_table_model: tells counters and compact storage by the flags")
    {
        const std::vector<copy_support::column> key{{"k", "partition_key", "int", 0}};
        CHECK_FALSE(table_of(key).compact);
        CHECK_FALSE(table_of(key).counter);
        CHECK(table_of(key, {"compound", "counter"}).counter);
        CHECK(table_of(key, {"dense"}).compact);
        CHECK(table_of(key, {"compound", "dense"}).compact);
    }

    TEST_CASE("cql_name: quotes what needs it")
    {
        auto t = copy_support::mixed_table();
        CHECK(t.cql_name() == "ks.t");
        t.keyspace = "Ks";
        t.name = "se\"lect";
        CHECK(t.cql_name() == "\"Ks\".\"se\"\"lect\"");
    }
}

TEST_SUITE("copy/schema_check")
{
    TEST_CASE("target_problems: none for the same table, nor for more columns at the target")
    {
        const std::vector<copy_support::column> columns{
            {"k", "partition_key", "int", 0}, {"v", "regular", "frozen<list<int>>"}};
        auto more = columns;
        more.push_back({"w", "regular", "int"});
        CHECK(target_problems(table_of(columns), table_of(columns)).empty());
        CHECK(target_problems(table_of(columns), table_of(more)).empty());
    }

    TEST_CASE("target_problems: a sentence for everything that would lose something")
    {
        const auto source = table_of(
            {{"k", "partition_key", "int", 0},
             {"c", "clustering", "int", 0, "asc"},
             {"v", "regular", "bigint"},
             {"s", "static", "set<int>"}}
        );
        struct row {
            copy_support::column changed;
            std::string_view text;
        };
        const std::vector<row> rows{
            {{"v", "regular", "int"}, "column v has another type"},
            {{"v", "static", "bigint"}, "column v has another kind"},
            {{"s", "static", "frozen<set<int>>"}, "column s has another type"},
            {{"other", "regular", "int"}, "the target has no column v"},
        };
        for (const auto& [changed, text] : rows) {
            CAPTURE(text);
            std::vector<copy_support::column> columns{
                {"k", "partition_key", "int", 0},
                {"c", "clustering", "int", 0, "asc"},
                {"v", "regular", "bigint"},
                {"s", "static", "set<int>"}};
            auto& place = changed.name == "s" ? columns[3] : columns[2];
            place = changed;
            const auto problems = target_problems(source, table_of(columns));
            REQUIRE(problems.size() >= 1);
            CHECK(problems[0].find(text) == 0);
        }
    }

    TEST_CASE("target_problems: the key's columns must be the same ones in the same places")
    {
        const auto source =
            table_of({{"a", "partition_key", "int", 0}, {"b", "partition_key", "int", 1}});
        const auto swapped =
            table_of({{"b", "partition_key", "int", 0}, {"a", "partition_key", "int", 1}});
        const auto shorter =
            table_of({{"a", "partition_key", "int", 0}, {"b", "clustering", "int", 0}});
        CHECK_FALSE(target_problems(source, swapped).empty());
        CHECK_FALSE(target_problems(source, shorter).empty());
    }

    TEST_CASE("leave_out: the table as if it had no such column, statics included")
    {
        const auto target = table_of({{"k", "partition_key", "int", 0}, {"v", "regular", "int"}});
        auto source = table_of(
            {{"k", "partition_key", "int", 0},
             {"c", "clustering", "int", 0, "asc"},
             {"s", "static", "int"},
             {"v", "regular", "int"},
             {"w", "regular", "int"}}
        );
        const auto missing = missing_columns(source, target);
        CHECK(missing == std::vector<std::string>{"s", "w"});  // never one of the key
        for (const auto& name : missing) leave_out(source, name);
        CHECK_FALSE(source.has_statics());
        CHECK(source.columns.size() == 3);
        CHECK(source.columns[source.first_regular()].name == "v");
        CHECK(target_problems(source, target).size() == 2);  // the key's columns
    }

    TEST_CASE("comparison_problems: another clustering order matters to a comparison only")
    {
        const auto up =
            table_of({{"k", "partition_key", "int", 0}, {"c", "clustering", "int", 0, "asc"}});
        const auto down =
            table_of({{"k", "partition_key", "int", 0}, {"c", "clustering", "int", 0, "desc"}});
        CHECK(target_problems(up, down).empty());
        CHECK(comparison_problems(up, down).size() == 1);
        CHECK(comparison_problems(up, up).empty());
    }
}
