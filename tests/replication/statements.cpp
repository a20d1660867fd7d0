#include <dualwrite/replication/statements.hpp>

#include <doctest/doctest.h>

#include <array>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::replication;

namespace {

statement make(std::string_view cql, std::string_view keyspace = "k")
{
    return make_statement(keyspace, cql, test::shapes());
}

struct times_row {
    std::string_view cql;
    bool timestamp;
    bool ttl;
};

}  // namespace

TEST_SUITE_BEGIN("replication/statements");

TEST_CASE("make_statement: the text for the target does not depend on a connection's keyspace")
{
    const auto its = make("INSERT INTO t (a) VALUES (?)");
    CHECK(its.text == "INSERT INTO t (a) VALUES (?)");
    CHECK(its.target_text == "INSERT INTO \"k\".t (a) VALUES (?)");
    CHECK(its.table == "k.t");
    CHECK(make("INSERT INTO x.t (a) VALUES (?)").target_text == "INSERT INTO x.t (a) VALUES (?)");
    CHECK(make("INSERT INTO t (a) VALUES (?)", "").target_text == "INSERT INTO t (a) VALUES (?)");
    CHECK(
        make("BEGIN BATCH DELETE FROM t WHERE a = 1; DELETE FROM x.u WHERE a = 1 APPLY BATCH")
            .target_text ==
        "BEGIN BATCH DELETE FROM \"k\".t WHERE a = 1; DELETE FROM x.u WHERE a = 1 APPLY BATCH"
    );
}

TEST_CASE("table_name: names what a report is about")
{
    CHECK(make("DELETE FROM t WHERE a = 1").table == "k.t");
    CHECK(make("DELETE FROM x.t WHERE a = 1").table == "x.t");
    CHECK(make("DROP KEYSPACE x").table == "x");
    CHECK(
        make("BEGIN BATCH DELETE FROM x.u WHERE a = 1; DELETE FROM t WHERE a = 1 APPLY BATCH")
            .table == "x.u"
    );
}

TEST_CASE("statement: knows whether its text gives every write a time, and whether it can expire")
{
    const auto rows = std::to_array<times_row>({
        {"INSERT INTO t (a) VALUES (1)", false, false},
        {"INSERT INTO t (a) VALUES (1) USING TIMESTAMP 5", true, false},
        {"INSERT INTO t (a) VALUES (1) USING TTL 5 AND TIMESTAMP 5", true, true},
        // The marker may be left unset: then the default timestamp counts.
        {"INSERT INTO t (a) VALUES (1) USING TIMESTAMP ?", false, false},
        {"UPDATE t USING TTL ? SET b = 1 WHERE a = 1", false, true},
        {"DELETE FROM t USING TIMESTAMP 5 WHERE a = 1", true, false},
        {"BEGIN BATCH USING TIMESTAMP 5 DELETE FROM t WHERE a = 1; APPLY BATCH", true, false},
        {"BEGIN BATCH DELETE FROM t USING TIMESTAMP 5 WHERE a = 1; APPLY BATCH", true, false},
        {"BEGIN BATCH DELETE FROM t USING TIMESTAMP 5 WHERE a = 1; DELETE FROM t WHERE a = 2; "
         "APPLY BATCH",
         false,
         false},
        {"BEGIN BATCH DELETE FROM t WHERE a = 1; UPDATE t USING TTL 9 SET b = 1 WHERE a = 1; "
         "APPLY BATCH",
         false,
         true},
    });
    for (const auto& row : rows) {
        CAPTURE(row.cql);
        const auto its = make(row.cql);
        CHECK(its.timestamp_in_text == row.timestamp);
        CHECK(its.has_ttl == row.ttl);
    }
}

TEST_CASE("statement_registry: one statement per text and keyspace")
{
    statement_registry registry;
    const auto& first = registry.intern("k", "DELETE FROM t WHERE a = 1");
    CHECK(first.id == 0);
    CHECK(&registry.intern("k", "DELETE FROM t WHERE a = 1") == &first);
    const auto& other = registry.intern("k2", "DELETE FROM t WHERE a = 1");
    CHECK(other.id == 1);
    CHECK(other.target_text == "DELETE FROM \"k2\".t WHERE a = 1");
    CHECK(&registry.by_id(0) == &first);
    CHECK(registry.size() == 2);
    // Keyspace and text do not run into each other.
    CHECK(&registry.intern("a", "b") != &registry.intern("ab", ""));
}

TEST_CASE("statement_registry: statements stay where they are while more come")
{
    statement_registry registry;
    const auto* first = &registry.intern("k", "SELECT 0");
    for (int i = 1; i < 1000; ++i) (void)registry.intern("k", "SELECT " + std::to_string(i));
    CHECK(&registry.intern("k", "SELECT 0") == first);
    CHECK(registry.by_id(999).text == "SELECT 999");
}

TEST_CASE("statement_registry: finds what the source prepared, by any bytes")
{
    using namespace std::string_view_literals;
    statement_registry registry;
    const auto& a = registry.intern("k", "DELETE FROM t WHERE a = 1");
    const auto& b = registry.intern("k", "DELETE FROM t WHERE a = 2");
    CHECK(registry.prepared(as_bytes("id\0x"sv)) == nullptr);
    registry.set_prepared(as_bytes("id\0x"sv), a);
    CHECK(registry.prepared(as_bytes("id\0x"sv)) == &a);
    CHECK(registry.prepared(as_bytes("id\0y"sv)) == nullptr);
    registry.set_prepared(as_bytes("id\0x"sv), b);  // the source prepared it anew
    CHECK(registry.prepared(as_bytes("id\0x"sv)) == &b);
}

TEST_CASE("statement_registry: a new schema decides every statement again")
{
    statement_registry registry;
    const auto& list = registry.intern("k", "UPDATE lists SET l = l + [1] WHERE a = 1");
    const auto& plain = registry.intern("k", "DELETE FROM t WHERE a = 1");
    CHECK(list.decision.what == plan::undecided);
    registry.set_shapes(std::make_shared<table_shapes>(test::shapes()));
    CHECK(list.decision.what == plan::refresh);
    CHECK(plain.decision.what == plan::replay);
    CHECK(registry.intern("k", "DELETE FROM counters WHERE a = 1").decision.reason == "counter");
    registry.set_shapes(std::make_shared<table_shapes>());
    CHECK(list.decision.what == plan::undecided);
}

TEST_SUITE_END();
