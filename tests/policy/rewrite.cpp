#include <doctest/doctest.h>

#include <array>
#include <string_view>

#include "describe.hpp"

using namespace dualwrite::policy;

namespace {

struct rewrite_row {
    std::string_view cql;
    std::string_view qualified;  // with keyspace Ks
};

constexpr auto rows = std::to_array<rewrite_row>({
    {"INSERT INTO t (a) VALUES (1)", "INSERT INTO \"Ks\".t (a) VALUES (1)"},
    {"INSERT INTO other.t (a) VALUES (1)", "INSERT INTO other.t (a) VALUES (1)"},
    {"INSERT INTO\"T\"(a)VALUES('t')", "INSERT INTO\"Ks\".\"T\"(a)VALUES('t')"},
    {"/* t */ UPDATE t -- t\n SET t = 't' WHERE t = 1",
     "/* t */ UPDATE \"Ks\".t -- t\n SET t = 't' WHERE t = 1"},
    {"DELETE t FROM t WHERE k = 1;", "DELETE t FROM \"Ks\".t WHERE k = 1;"},
    {"SELECT a FROM t", "SELECT a FROM \"Ks\".t"},
    {"TRUNCATE t", "TRUNCATE \"Ks\".t"},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (1); DELETE FROM k.u WHERE a = 1; UPDATE v SET a = 1 "
     "WHERE k = 1 APPLY BATCH",
     "BEGIN BATCH INSERT INTO \"Ks\".t (a) VALUES (1); DELETE FROM k.u WHERE a = 1; UPDATE "
     "\"Ks\".v SET a = 1 WHERE k = 1 APPLY BATCH"},
    {"CREATE TABLE IF NOT EXISTS t (a u PRIMARY KEY)",
     "CREATE TABLE IF NOT EXISTS \"Ks\".t (a u PRIMARY KEY)"},
    {"CREATE TABLE t LIKE u", "CREATE TABLE \"Ks\".t LIKE \"Ks\".u"},
    {"CREATE TABLE a.t LIKE u", "CREATE TABLE a.t LIKE \"Ks\".u"},
    {"CREATE INDEX i ON t (a)", "CREATE INDEX i ON \"Ks\".t (a)"},
    {"DROP INDEX i", "DROP INDEX \"Ks\".i"},
    {"CREATE TYPE x (a int)", "CREATE TYPE \"Ks\".x (a int)"},
    {"CREATE MATERIALIZED VIEW v AS SELECT a FROM t WHERE a IS NOT NULL PRIMARY KEY (a)",
     "CREATE MATERIALIZED VIEW \"Ks\".v AS SELECT a FROM \"Ks\".t WHERE a IS NOT NULL "
     "PRIMARY KEY (a)"},
    {"CREATE MATERIALIZED VIEW a.v AS SELECT a FROM b.t",
     "CREATE MATERIALIZED VIEW a.v AS SELECT "
     "a FROM b.t"},
    {"DROP FUNCTION f (int)", "DROP FUNCTION \"Ks\".f (int)"},
    {"CREATE KEYSPACE x WITH replication = {}", "CREATE KEYSPACE x WITH replication = {}"},
    {"USE x", "USE x"},
    {"CREATE ROLE r", "CREATE ROLE r"},
    {"nonsense t", "nonsense t"},
});

}  // namespace

TEST_SUITE("policy/rewrite")
{
    TEST_CASE("qualify: puts the keyspace before each name that has none, and nowhere else")
    {
        for (const auto& row : rows) {
            CAPTURE(row.cql);
            CHECK(qualify(row.cql, classify(row.cql), "Ks") == row.qualified);
        }
    }

    TEST_CASE("qualify: a qualified text is qualified and keeps its facts")
    {
        const std::string_view cql = "UPDATE t USING TTL ? SET l = l + [?] WHERE k = 'x'";
        const auto text = qualify(cql, classify(cql), "a\"b");
        CHECK(text == "UPDATE \"a\"\"b\".t USING TTL ? SET l = l + [?] WHERE k = 'x'");
        CHECK(
            describe(text, classify(text)) == "update a\"b.t delta ttl=?0 m2 set(l+) where(k='x')"
        );
        CHECK(qualify(text, classify(text), "other") == text);
    }

    TEST_CASE("qualify: changes nothing without a keyspace")
    {
        CHECK(qualify("USE x", classify("USE x"), "") == "USE x");
        const std::string_view cql = "DELETE FROM t WHERE k = 1";
        CHECK(qualify(cql, classify(cql), "") == cql);
    }
}
