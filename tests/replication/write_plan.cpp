#include <doctest/doctest.h>

#include <array>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::replication;

namespace {

struct row {
    std::string_view cql;
    plan what;
    std::string_view reason{};
    std::string keyspace{"k"};  // of the connection
};

const std::string not_understood = "statement not understood";

void check(const row& its)
{
    static const auto shapes = test::shapes();
    CAPTURE(its.cql);
    const auto got = decide(policy::classify(its.cql), its.keyspace, shapes);
    CHECK(got.what == its.what);
    CHECK(got.reason == its.reason);
}

}  // namespace

TEST_SUITE_BEGIN("replication/write_plan");

TEST_CASE("decide: what changes no user data goes to the source alone")
{
    const auto rows = std::to_array<row>({
        {"SELECT * FROM t", plan::pass},
        {"SELECT * FROM k.t WHERE a = 1", plan::pass},
        {"USE k", plan::pass},
        {"LIST ROLES", plan::pass},
        {"DESCRIBE TABLES", plan::pass},
        {"CREATE ROLE r WITH PASSWORD = 'x'",
         plan::pass,
         "roles and permissions stay at the source"},
        {"GRANT SELECT ON k.t TO r", plan::pass, "roles and permissions stay at the source"},
        {"DROP USER u", plan::pass, "roles and permissions stay at the source"},
        {"INSERT INTO system.local (key) VALUES ('x')", plan::pass},
        {"UPDATE system_auth.roles SET is_superuser = true WHERE role = 'x'", plan::pass},
        {"DELETE FROM peers WHERE peer = '127.0.0.1'", plan::pass, "", "system"},
        {"INSERT INTO system_distributed.t (a) VALUES (1) IF NOT EXISTS", plan::pass},
    });
    for (const auto& its : rows) check(its);
}

TEST_CASE("decide: writes that carry their whole meaning are replayed")
{
    const auto rows = std::to_array<row>({
        {"INSERT INTO t (a, b) VALUES (1, 2)", plan::replay},
        {"INSERT INTO k.t (a, b) VALUES (?, ?) USING TTL ? AND TIMESTAMP ?", plan::replay, "", ""},
        {"UPDATE t SET b = 1 WHERE a = 1", plan::replay},
        {"UPDATE t SET m['x'] = 1 WHERE a = 1", plan::replay},
        {"UPDATE t SET m = m + {'x': 1} WHERE a = 1", plan::replay},
        {"UPDATE t SET s = s - {1} WHERE a = 1", plan::replay},
        {"DELETE FROM t WHERE a = 1", plan::replay},
        {"DELETE m['x'] FROM t WHERE a = 1", plan::replay},
        {"DELETE FROM t WHERE a = 1 AND c > 5", plan::replay},
        {"INSERT INTO t JSON '{\"a\": 1}'", plan::replay},
        {"INSERT INTO t JSON ? DEFAULT UNSET", plan::replay},
        {"INSERT INTO t (a, b) VALUES (1, toTimestamp(?))", plan::replay},
        {"INSERT INTO lists (a, b) VALUES (1, 2)", plan::replay},
        {"DELETE l FROM lists WHERE a = 1", plan::replay},
        {"DELETE FROM lists WHERE a = 1", plan::replay},
        {"UPDATE lists SET m['x'] = 1 WHERE a = 1", plan::replay},
        {"INSERT INTO \"K\".\"T\" (\"A\") VALUES (?)", plan::replay},
        {"BEGIN BATCH INSERT INTO t (a) VALUES (1); DELETE FROM wide WHERE a = 1 APPLY BATCH",
         plan::replay},
    });
    for (const auto& its : rows) check(its);
}

TEST_CASE("decide: what would come out differently at the target is refreshed")
{
    const auto rows = std::to_array<row>({
        {"INSERT INTO t (a) VALUES (1) IF NOT EXISTS", plan::refresh, "lightweight transaction"},
        {"UPDATE t SET b = 1 WHERE a = 1 IF b = 2", plan::refresh, "lightweight transaction"},
        {"DELETE FROM t WHERE a = 1 IF EXISTS", plan::refresh, "lightweight transaction"},
        {"INSERT INTO t (a, b) VALUES (1, now())", plan::refresh, "non-deterministic function"},
        {"INSERT INTO t (a, b) VALUES (1, uuid())", plan::refresh, "non-deterministic function"},
        {"INSERT INTO t (a, b) VALUES (1, k.f(2))", plan::refresh, "user-defined function"},
        {"UPDATE lists SET l = l + [1] WHERE a = 1", plan::refresh, "list"},
        {"UPDATE lists SET l = [0] + l WHERE a = 1", plan::refresh, "list"},
        {"UPDATE lists SET l[0] = 1 WHERE a = 1", plan::refresh, "list"},
        {"DELETE l[0] FROM lists WHERE a = 1", plan::refresh, "list"},
        {"INSERT INTO lists (a, l) VALUES (1, [1, 2])", plan::refresh, "list"},
        {"INSERT INTO lists JSON ?", plan::refresh, "list"},
        {"UPDATE counters SET c = c + 1 WHERE a = 1", plan::refresh, "counter"},
        {"DELETE FROM counters WHERE a = 1", plan::refresh, "counter"},
        {"BEGIN COUNTER BATCH UPDATE counters SET c = c + 1 WHERE a = 1; APPLY BATCH",
         plan::refresh,
         "counter"},
        {"BEGIN BATCH INSERT INTO t (a) VALUES (1); UPDATE lists SET l = l + [1] WHERE a = 1; "
         "APPLY BATCH",
         plan::refresh,
         "list"},
    });
    for (const auto& its : rows) check(its);
}

TEST_CASE("decide: a table that is not known yet is decided when it is")
{
    const auto rows = std::to_array<row>({
        {"INSERT INTO new (a) VALUES (1)", plan::undecided, "unknown table"},
        {"INSERT INTO t (a) VALUES (1)", plan::undecided, "unknown table", ""},
        {"INSERT INTO t (a) VALUES (1)", plan::undecided, "unknown table", "other"},
        {"INSERT INTO k.T (a) VALUES (1)", plan::replay},  // unquoted: folded
        {"INSERT INTO k.\"T\" (a) VALUES (1)", plan::undecided, "unknown table"},
        {"INSERT INTO new (a) VALUES (1) IF NOT EXISTS", plan::refresh, "lightweight transaction"},
        {"BEGIN BATCH INSERT INTO t (a) VALUES (1); INSERT INTO new (a) VALUES (1) APPLY BATCH",
         plan::undecided,
         "unknown table"},
    });
    for (const auto& its : rows) check(its);
}

TEST_CASE("decide: a change of the schema is repeated at the target")
{
    const auto rows = std::to_array<row>({
        {"CREATE TABLE k.n (a int PRIMARY KEY)", plan::schema},
        {"ALTER TABLE t ADD x int", plan::schema},
        {"DROP TABLE t", plan::schema},
        {"CREATE KEYSPACE n WITH replication = {'class': 'SimpleStrategy'}", plan::schema},
        {"DROP KEYSPACE n", plan::schema},
        {"CREATE TYPE k.u (x int)", plan::schema},
        {"CREATE INDEX ON t (b)", plan::schema},
        {"CREATE MATERIALIZED VIEW v AS SELECT * FROM t WHERE a IS NOT NULL PRIMARY KEY (a)",
         plan::schema},
        {"CREATE FUNCTION k.f (x int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'x'",
         plan::schema},
    });
    for (const auto& its : rows) check(its);
}

TEST_CASE("decide: the server's own keyspaces are each cluster's own affair")
{
    const auto rows = std::to_array<row>({
        {"ALTER KEYSPACE system_auth WITH replication = {'class': 'SimpleStrategy'}", plan::pass},
        {"ALTER TABLE system_traces.events WITH default_time_to_live = 1", plan::pass},
        {"ALTER TABLE events WITH default_time_to_live = 1", plan::pass, "", "system_traces"},
        {"TRUNCATE system_traces.sessions", plan::pass},
        {"DROP KEYSPACE n", plan::schema, "", "system"},
        {"DELETE FROM k.t WHERE a = 1", plan::replay, "", "system"},
    });
    for (const auto& its : rows) check(its);
}

TEST_CASE("decide: what cannot be carried over is said, never guessed")
{
    const auto rows = std::to_array<row>({
        {"TRUNCATE t", plan::schema},
        {"CREATE TRIGGER x ON t USING 'c'",
         plan::unreplicated,
         "triggers run code of the source's server"},
        {"DROP TRIGGER x ON t", plan::unreplicated, "triggers run code of the source's server"},
        {"FROBNICATE k.t", plan::unreplicated, "unknown statement"},
        {"FROBNICATE t", plan::unreplicated, "unknown statement", "system"},
        {"", plan::unreplicated, "unknown statement"},
        {"INSERT INTO t (a) VALUES (1) WITH MAGIC", plan::unreplicated, not_understood},
        {"UPDATE t SET b = 1 WHERE a = 1 extra", plan::unreplicated, not_understood},
        {"BEGIN BATCH INSERT INTO t (a) VALUES (1); FOO APPLY BATCH",
         plan::unreplicated,
         not_understood},
    });
    for (const auto& its : rows) check(its);
}

TEST_CASE("decide: the worst child decides for its batch")
{
    // In the order of the enumeration, which decide() relies on.
    static_assert(plan::pass < plan::replay && plan::replay < plan::undecided);
    static_assert(plan::undecided < plan::refresh && plan::refresh < plan::schema);
    static_assert(plan::schema < plan::unreplicated);
    check(
        {"BEGIN BATCH INSERT INTO new (a) VALUES (1); "
         "INSERT INTO t (a) VALUES (1) IF NOT EXISTS APPLY BATCH",
         plan::refresh,
         "lightweight transaction"}
    );
    check({"BEGIN BATCH INSERT INTO system.local (key) VALUES ('x') APPLY BATCH", plan::replay});
}

TEST_SUITE_END();
