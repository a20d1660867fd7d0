#include <dualwrite/policy/statement.hpp>
#include <dualwrite/policy/table_selection.hpp>

#include <doctest/doctest.h>

using namespace dualwrite::policy;

namespace {

table_selection selection(
    std::initializer_list<std::string_view> include,
    std::initializer_list<std::string_view> exclude = {}
)
{
    table_selection out;
    for (const auto text : include) out.include.push_back(*parse_table_pattern(text));
    for (const auto text : exclude) out.exclude.push_back(*parse_table_pattern(text));
    return out;
}

bool takes(const table_selection& of, std::string_view cql, std::string_view keyspace = "")
{
    return of.takes(classify(cql), keyspace);
}

std::string
part_of(std::string_view cql, const table_selection& of, std::vector<std::uint16_t> left_out = {})
{
    const auto part = selected_part(cql, classify(cql), "shop", of);
    if (!part) return "none";
    CHECK(part->left_out == left_out);
    return part->text;
}

}  // namespace

TEST_SUITE("policy/table_selection")
{
    TEST_CASE("parse_table_pattern: takes a keyspace and a table, nothing else")
    {
        CHECK(parse_table_pattern("shop.orders") == table_pattern{"shop", "orders"});
        CHECK(parse_table_pattern("Shop_1.*") == table_pattern{"Shop_1", "*"});
        CHECK(parse_table_pattern("*.*") == table_pattern{"*", "*"});
        for (const auto* text :
             {"",
              "shop",
              ".",
              "shop.",
              ".orders",
              "a.b.c",
              "\"Shop\".t",
              "a b.c",
              "a.b;",
              "größe.t"})
            CHECK_FALSE(parse_table_pattern(text));
    }
    TEST_CASE("matches: a star is any characters, every other character itself")
    {
        for (const auto* pattern : {"orders", "*", "o*", "*s", "*rd*", "o*r*s", "**", "orders*"})
            CHECK(matches(pattern, "orders"));
        for (const auto* pattern : {"order", "Orders", "o*x", "x*", "*r", "", "ordersx*", "o*s*o"})
            CHECK_FALSE(matches(pattern, "orders"));
        CHECK(matches("*aab", "aaaaab"));
        CHECK(matches("", ""));
    }
    TEST_CASE("table_selection: an empty one takes everything, an exclusion wins")
    {
        CHECK(selection({}).takes("any", "thing"));
        const auto some = selection({"shop.*", "crm.people"}, {"shop.log_*"});
        CHECK(some.takes("shop", "orders"));
        CHECK(some.takes("crm", "people"));
        CHECK_FALSE(some.takes("crm", "mail"));
        CHECK_FALSE(some.takes("shop", "log_2024"));
        CHECK_FALSE(some.takes("Shop", "orders"));
        const auto all_but = selection({}, {"*.cache"});
        CHECK(all_but.takes("shop", "orders"));
        CHECK_FALSE(all_but.takes("shop", "cache"));
    }
    TEST_CASE("table_selection: judges a statement by its table, with the connection's keyspace")
    {
        const auto some = selection({"shop.orders"});
        for (const auto* cql :
             {"INSERT INTO shop.orders (a) VALUES (1)",
              "UPDATE orders SET a = 1 WHERE k = 1",
              "DELETE FROM \"orders\" WHERE k = 1",
              "TRUNCATE orders",
              "ALTER TABLE orders ADD c int",
              "CREATE INDEX i ON orders (a)",
              "DROP TRIGGER tr ON shop.orders",
              "CREATE TYPE shop.t (a int)",
              "ALTER KEYSPACE shop WITH durable_writes = false",
              "SELECT * FROM other.t",
              "HELLO"})
            CHECK(takes(some, cql, "shop"));
        for (const auto* cql :
             {"INSERT INTO shop.people (a) VALUES (1)",
              "INSERT INTO crm.orders (a) VALUES (1)",
              "UPDATE people SET a = 1 WHERE k = 1",
              "TRUNCATE TABLE people",
              "DROP TABLE people",
              "CREATE INDEX i ON people (a)",
              "CREATE MATERIALIZED VIEW v AS SELECT * FROM orders PRIMARY KEY (a)",
              "CREATE TYPE crm.t (a int)",
              "DROP KEYSPACE crm"})
            CHECK_FALSE(takes(some, cql, "shop"));
    }
    TEST_CASE("table_selection: a keyspace of which nothing is left is left out with its types")
    {
        const auto some = selection({}, {"crm.*", "shop.orders"});
        CHECK_FALSE(takes(some, "DROP TYPE t", "crm"));
        CHECK(takes(some, "DROP TYPE t", "shop"));
    }
    TEST_CASE("table_selection: what the server will refuse is not judged")
    {
        CHECK(takes(selection({"shop.orders"}), "INSERT INTO people (a) VALUES (1)"));
        CHECK(takes(selection({"shop.orders"}), "INSERT INTO", "crm"));
    }
    TEST_CASE("selected_part: leaves the other children of a batch out, with their markers")
    {
        const auto some = selection({"shop.a"});
        CHECK(
            part_of(
                "BEGIN BATCH USING TIMESTAMP ? INSERT INTO a (k) VALUES (?); INSERT INTO b (k, v) "
                "VALUES (?, ?); /* c */ DELETE FROM a WHERE k = ? APPLY BATCH",
                some,
                {2, 3}
            ) == "BEGIN BATCH USING TIMESTAMP ? INSERT INTO a (k) VALUES (?);  /* c */ DELETE FROM "
                 "a WHERE k = ? APPLY BATCH"
        );
        CHECK(
            part_of(
                "BEGIN BATCH INSERT INTO b (k) VALUES (1) INSERT INTO a (k) VALUES (?) INSERT INTO "
                "b (k) VALUES (?) APPLY BATCH;",
                some,
                {1}
            ) == "BEGIN BATCH  INSERT INTO a (k) VALUES (?)  APPLY BATCH;"
        );
    }
    TEST_CASE("selected_part: there is none where all, nothing or nobody knows what is left out")
    {
        const auto some = selection({"shop.a"});
        CHECK(part_of("BEGIN BATCH INSERT INTO a (k) VALUES (1); APPLY BATCH", some) == "none");
        CHECK(part_of("BEGIN BATCH INSERT INTO b (k) VALUES (1); APPLY BATCH", some) == "none");
        CHECK(part_of("BEGIN BATCH APPLY BATCH", some) == "none");
        CHECK(part_of("INSERT INTO a (k) VALUES (1)", some) == "none");
        CHECK(
            part_of(
                "BEGIN BATCH INSERT INTO a (k) VALUES (1); INSERT INTO b nonsense; APPLY BATCH",
                some
            ) == "none"
        );
    }
}
