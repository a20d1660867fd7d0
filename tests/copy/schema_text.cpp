#include <dualwrite/copy/schema_text.hpp>

#include <doctest/doctest.h>

using namespace dualwrite::copy;

namespace {

const table_row orders{"shop", "Orders", "id", {"compound"}, 600};

// As system_schema gives them: by name.
const std::vector<column_row> columns{
    {"When", "clustering", 0, "desc", "timestamp"},
    {"b", "partition_key", 1, "none", "int"},
    {"a", "partition_key", 0, "none", "text"},
    {"c", "clustering", 1, "asc", "int"},
    {"note", "static", -1, "none", "text"},
    {"total", "regular", -1, "none", "decimal"}};

table_options options()
{
    table_options out;
    out.comment = "don't";
    out.default_ttl_s = 600;
    out.gc_grace_s = 10;
    out.compaction = {{"class", "org.apache.cassandra.db.compaction.UnifiedCompactionStrategy"}};
    return out;
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != text.npos;
}

}  // namespace

TEST_SUITE("copy/schema_text")
{
    TEST_CASE("create_table: columns in their order, names quoted, all that shapes the data")
    {
        const auto text = create_table(orders, columns, options(), {});
        CHECK(
            text == "CREATE TABLE IF NOT EXISTS shop.\"Orders\" (\n"
                    "    a text,\n    b int,\n    \"When\" timestamp,\n    c int,\n"
                    "    note text static,\n    total decimal,\n"
                    "    PRIMARY KEY ((a, b), \"When\", c)\n"
                    ") WITH CLUSTERING ORDER BY (\"When\" DESC, c ASC)\n"
                    "    AND comment = 'don''t'\n"
                    "    AND default_time_to_live = 600\n"
                    "    AND gc_grace_seconds = 10\n"
                    "    AND compaction = {'class': "
                    "'org.apache.cassandra.db.compaction.UnifiedCompactionStrategy'};"
        );
    }

    TEST_CASE("create_table: leaves out what the target would refuse")
    {
        const auto old = create_table(orders, columns, options(), {.unified_compaction = false});
        CHECK_FALSE(has(old, "compaction"));
        auto tiered = options();
        tiered.compaction = {{"class", "SizeTieredCompactionStrategy"}};
        CHECK(
            has(create_table(orders, columns, tiered, {.unified_compaction = false}),
                "compaction = {'class': 'SizeTieredCompactionStrategy'}")
        );
        const auto cosmos = create_table(orders, columns, options(), {.cell_level = true});
        CHECK_FALSE(has(cosmos, "compaction"));
        CHECK_FALSE(has(cosmos, "gc_grace_seconds"));
        for (const auto flag : cell_level_flags) CHECK(has(cosmos, std::string(flag) + " = true"));
        CHECK(has(cosmos, "default_time_to_live = 600"));
    }

    TEST_CASE("create_table: says no order where it is the usual one, and no option without need")
    {
        const std::vector<column_row> plain{
            {"k", "partition_key", 0, "none", "int"}, {"c", "clustering", 0, "asc", "int"}};
        table_options none;
        const auto text = create_table({"ks", "t", "", {}, 0}, plain, none, {});
        CHECK_FALSE(has(text, "CLUSTERING"));
        CHECK_FALSE(has(text, "comment"));
        CHECK_FALSE(has(text, "default_time_to_live"));
        CHECK(text.ends_with("PRIMARY KEY ((k), c)\n) WITH gc_grace_seconds = 864000;"));
    }

    TEST_CASE("in_order_of_use: a type comes behind those that it is made of")
    {
        const std::vector<user_type_row> types{
            {"ks", "a", {"x"}, {"frozen<map<text, frozen<b>>>"}},
            {"ks", "b", {"x", "y"}, {"int", "frozen<list<frozen<\"C\">>>"}},
            {"ks", "C", {"x"}, {"int"}},
            {"ks", "ab", {"x"}, {"int"}}};
        const auto ordered = in_order_of_use(types);
        REQUIRE(ordered.size() == 4);
        std::map<std::string, std::size_t> place;
        for (std::size_t i = 0; i < ordered.size(); ++i) place[ordered[i].name] = i;
        CHECK(place["C"] < place["b"]);
        CHECK(place["b"] < place["a"]);
        CHECK(
            create_type(types[1]) == "CREATE TYPE IF NOT EXISTS ks.b (\n    x int,\n"
                                     "    y frozen<list<frozen<\"C\">>>\n);"
        );
    }

    TEST_CASE("names_type: whole names only")
    {
        CHECK(detail::names_type("frozen<b>", "b"));
        CHECK(detail::names_type("map<int, frozen<\"B\">>", "B"));
        CHECK_FALSE(detail::names_type("frozen<ab>", "b"));
        CHECK_FALSE(detail::names_type("frozen<b_2>", "b"));
        CHECK_FALSE(detail::names_type("frozen<\"B\">", "b"));
    }

    TEST_CASE("create_keyspace: its map as literals")
    {
        CHECK(
            create_keyspace("Ks", {{"class", "NetworkTopologyStrategy"}, {"dc'1", "3"}}) ==
            "CREATE KEYSPACE IF NOT EXISTS \"Ks\" WITH replication = {'class': "
            "'NetworkTopologyStrategy', 'dc''1': '3'};"
        );
    }
}
