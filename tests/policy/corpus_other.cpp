#include <doctest/doctest.h>

#include <array>

#include "describe.hpp"

using namespace dualwrite::policy;

namespace {

constexpr auto batches = std::to_array<corpus_row>({
    {"BEGIN BATCH APPLY BATCH", "batch"},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (1) APPLY BATCH", "batch {insert t values(a=1)}"},
    {"BEGIN UNLOGGED BATCH INSERT INTO t (a) VALUES (?); DELETE FROM k.u WHERE a = ?; APPLY BATCH;",
     "batch unlogged several m2 {insert t m1 values(a=?0); delete k.u m1 where(a=?1)}"},
    {"BEGIN LOGGED BATCH UPDATE t SET a = 1 WHERE k = 1 APPLY BATCH",
     "batch {update t set(a) where(k=1)}"},
    {"begin counter batch update t set c = c + ? where k = 1; apply batch",
     "batch counter delta m1 {update t delta m1 set(c+) where(k=1)}"},
    {"BEGIN BATCH USING TIMESTAMP 5 INSERT INTO t (a) VALUES (1); APPLY BATCH",
     "batch ts=5 {insert t values(a=1)}"},
    {"BEGIN BATCH USING TIMESTAMP ? INSERT INTO t (a) VALUES (?) USING TTL ? APPLY BATCH",
     "batch ts=?0 m3 {insert t ttl=?2 m2 values(a=?1)}"},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (1) USING TIMESTAMP 3; APPLY BATCH",
     "batch {insert t ts=3 values(a=1)}"},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (1) INSERT INTO t (a) VALUES (2) UPDATE t SET a = 1 "
     "WHERE k = 1 DELETE FROM t WHERE k = 1 APPLY BATCH",
     "batch several {insert t values(a=1); insert t values(a=2); update t set(a) where(k=1); "
     "delete t where(k=1)}"},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (1) IF NOT EXISTS; APPLY BATCH",
     "batch lwt {insert t lwt exists values(a=1)}"},
    {"BEGIN BATCH UPDATE t SET a = now() WHERE k = 1; INSERT INTO t (a) VALUES (2) APPLY BATCH",
     "batch nondeterministic several {update t nondeterministic set(a) where(k=1); "
     "insert t values(a=2)}"},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (2); UPDATE t SET a = f(1) WHERE k = 1 APPLY BATCH",
     "batch function several {insert t values(a=2); update t function set(a) where(k=1)}"},
    {"BEGIN BATCH DELETE FROM t WHERE k IN (1, 2) APPLY BATCH",
     "batch several {delete t several where(k IN (1, 2)!)}"},
    {"BEGIN BATCH INSERT INTO t JSON '{}'; DELETE l[1] FROM t WHERE k = 1; APPLY BATCH",
     "batch element json several {insert t json json='{}'; delete t element set(-l[]) where(k=1)}"},
    {"BEGIN BATCH -- c\n INSERT INTO t (a) VALUES (':x?') /* ; */ ; APPLY /**/ BATCH ;",
     "batch {insert t values(a=':x?')}"},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (:x); INSERT INTO t (a) VALUES (1); APPLY BATCH",
     "batch named several m1 {insert t named m1 values(a=?0); insert t values(a=1)}"},
});

constexpr auto reads = std::to_array<corpus_row>({
    {"SELECT * FROM t", "select t"},
    {"select a, b from ks.t where k = ?;", "select ks.t m1 where(k=?0)"},
    {"SELECT * FROM system.local WHERE key='local'", "select system.local where(key='local')"},
    {"SELECT DISTINCT k FROM t", "select t"},
    {"SELECT JSON * FROM t", "select t json"},
    {"SELECT JSON DISTINCT k FROM t", "select t json"},
    {"SELECT json FROM t", "select t"},
    {"SELECT json, a FROM t", "select t"},
    {"SELECT json AS j FROM t", "select t"},
    {"SELECT count(*), max(a) AS m FROM t WHERE k = 1", "select t where(k=1)"},
    {"SELECT writetime(a), ttl(a), CAST(a AS text) FROM t", "select t"},
    {"SELECT a[?], b['x'..'y'], c.d FROM t WHERE k = ?", "select t m2 where(k=?1)"},
    {"SELECT {'a': :x} FROM t", "select t named m1"},
    {"SELECT {'a'[?] :b}, {:x :c} FROM t", "select t named m2"},
    {"SELECT now() FROM t", "select t nondeterministic"},
    {"SELECT a FROM t WHERE k IN ('a') GROUP BY c", "select t several where(k IN ('a')!)"},
    {"SELECT a FROM t WHERE k = 1 AND c > 2 ORDER BY c DESC PER PARTITION LIMIT 3 LIMIT ? ALLOW "
     "FILTERING",
     "select t range m1 where(k=1)"},
    {"SELECT a FROM t WHERE token(k) > ? AND token(k) <= ?", "select t range token m2"},
    {"SELECT a FROM t WHERE token(k, l) BETWEEN 1 AND 2", "select t range token"},
    {"SELECT a FROM t WHERE a CONTAINS KEY 'x' AND b LIKE '%x%'", "select t"},
    {"SELECT a FROM t WHERE a NOT IN (1) AND b NOT CONTAINS 2", "select t range"},
    {"SELECT a FROM t WHERE expr(idx, 'x')", "select t"},
    {"SELECT a FROM t WHERE m['x'] = 1 AND k = 2", "select t where(k=2)"},
    {"SELECT a FROM t ORDER BY v ANN OF [1.0, ?] LIMIT 3", "select t m1"},
    {"SELECT * FROM t USING TIMEOUT 5s", "select t"},
    {"SELECT (int) a, (b, c), [d] FROM t", "select t"},
    {"LIST ROLES", "other_read"},
    {"LIST ALL PERMISSIONS ON KEYSPACE ks OF role", "other_read"},
    {"LIST USERS;", "other_read"},
    {"DESCRIBE TABLES", "other_read"},
    {"DESC KEYSPACE \"Ks\" WITH INTERNALS", "other_read"},
});

constexpr auto others = std::to_array<corpus_row>({
    {"TRUNCATE t", "truncate t"},
    {"TRUNCATE TABLE ks.t;", "truncate ks.t"},
    {"truncate columnfamily \"T\"", "truncate T"},
    {"USE ks", "use ks"},
    {"USE \"Ks\";", "use Ks"},
    {"CREATE KEYSPACE IF NOT EXISTS ks WITH replication = {'class': 'SimpleStrategy'}",
     "ddl ks exists"},
    {"CREATE SCHEMA \"Ks\" WITH replication = {}", "ddl Ks"},
    {"ALTER KEYSPACE ks WITH durable_writes = false", "ddl ks"},
    {"DROP KEYSPACE IF EXISTS ks", "ddl ks exists"},
    {"CREATE TABLE t (a int PRIMARY KEY, b text)", "ddl t"},
    {"CREATE TABLE IF NOT EXISTS ks.\"T\" (a int PRIMARY KEY) WITH comment = 'x;y' AND ttl = 5",
     "ddl ks.T exists"},
    {"create columnfamily t (a int, primary key (a))", "ddl t"},
    {"CREATE TABLE t LIKE ks.u WITH INDEXES", "ddl t"},
    {"ALTER TABLE ks.t ADD c int", "ddl ks.t"},
    {"ALTER TABLE IF EXISTS t DROP c USING TIMESTAMP 5", "ddl t exists"},
    {"DROP TABLE IF EXISTS ks.t", "ddl ks.t exists"},
    {"CREATE TYPE ks.address (street text)", "ddl ks #address"},
    {"ALTER TYPE address ADD zip int", "ddl #address"},
    {"DROP TYPE IF EXISTS address", "ddl #address exists"},
    {"CREATE INDEX ON t (a)", "ddl t"},
    {"CREATE INDEX IF NOT EXISTS i ON ks.t (KEYS(m))", "ddl ks.t #i exists"},
    {"CREATE CUSTOM INDEX i ON t (a) USING 'StorageAttachedIndex'", "ddl t #i"},
    {"DROP INDEX IF EXISTS ks.i", "ddl ks #i exists"},
    {"CREATE MATERIALIZED VIEW v AS SELECT * FROM t WHERE a IS NOT NULL PRIMARY KEY (a)", "ddl v"},
    {"ALTER MATERIALIZED VIEW ks.v WITH comment = 'x'", "ddl ks.v"},
    {"DROP MATERIALIZED VIEW IF EXISTS v", "ddl v exists"},
    {"CREATE OR REPLACE FUNCTION ks.f (a int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE java "
     "AS $$ return a; $$",
     "ddl ks #f"},
    {"DROP FUNCTION f (int)", "ddl #f"},
    {"CREATE AGGREGATE IF NOT EXISTS avg2 (int) SFUNC f STYPE int", "ddl #avg2 exists"},
    {"DROP AGGREGATE ks.a", "ddl ks #a"},
    {"CREATE TRIGGER tr ON ks.t USING 'x'", "ddl ks.t #tr"},
    {"DROP TRIGGER IF EXISTS tr ON t", "ddl t #tr exists"},
    {"CREATE ROLE r WITH PASSWORD = 'secret' AND LOGIN = true", "role"},
    {"ALTER ROLE r WITH SUPERUSER = false", "role"},
    {"DROP ROLE IF EXISTS r", "role"},
    {"CREATE USER u WITH PASSWORD 'secret' NOSUPERUSER", "role"},
    {"ALTER USER u WITH PASSWORD 'x'", "role"},
    {"DROP USER u", "role"},
    {"GRANT SELECT ON ks.t TO r", "role"},
    {"GRANT r TO s", "role"},
    {"REVOKE ALL PERMISSIONS ON ALL KEYSPACES FROM r", "role"},
    {"ADD IDENTITY 'spiffe://x' TO ROLE 'r'", "role"},
    {"DROP IDENTITY 'spiffe://x'", "role"},
});

constexpr auto malformed = std::to_array<corpus_row>({
    {"", "unknown"},
    {"  -- nothing", "unknown"},
    {"/* open", "unknown"},
    {";", "unknown"},
    {"'INSERT INTO t'", "unknown"},
    {"\"INSERT\" INTO t (a) VALUES (1)", "unknown"},
    {"EXPLAIN SELECT * FROM t", "unknown"},
    {"INSERTINTO t (a) VALUES (1)", "unknown"},
    {"BEGIN TRANSACTION LET x = (SELECT a FROM t); COMMIT TRANSACTION", "unknown"},
    {"BEGIN", "unknown"},
    {"CREATE SERVICE LEVEL x", "unknown"},
    {"CREATE", "unknown"},
    {"ADD COLUMN x", "unknown"},
    {"\xef\xbb\xbfINSERT INTO t (a) VALUES (1)", "unknown"},
    {"INSERT", "insert unparsed several"},
    {"INSERT INTO", "insert unparsed several"},
    {"INSERT INTO t", "insert t unparsed several"},
    {"INSERT INTO ks. (a) VALUES (1)", "insert unparsed several"},
    {"INSERT INTO ? (a) VALUES (?)", "insert unparsed several m2"},
    {"INSERT INTO select (a) VALUES (1)", "insert unparsed several"},
    {"INSERT INTO t (a, b) VALUES (?)", "insert t unparsed several m1 values(a=?0)"},
    {"INSERT INTO t (a) VALUES (?, ?)", "insert t unparsed several m2 values(a=?0)"},
    {"INSERT INTO t (a) VALUES (b)", "insert t unparsed several"},
    {"INSERT INTO t (a) VALUES (1", "insert t unparsed several values(a=1)"},
    {"INSERT INTO t (a) VALUES ('open)", "insert t unparsed several"},
    {"INSERT INTO t (a) VALUES ($$open$)", "insert t unparsed several"},
    {"INSERT INTO t (a) VALUES (1 /* open)", "insert t unparsed several values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) USING COLOUR 5", "insert t unparsed several values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) USING TTL 1h", "insert t unparsed several ttl= values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) USING TTL 99999999999",
     "insert t unparsed several ttl= values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) garbage now() ? IF",
     "insert t unparsed lwt nondeterministic several m1 values(a=1)"},
    {"INSERT INTO t (a) VALUES (1); DROP TABLE t", "insert t unparsed several values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) DELETE FROM t WHERE a = 1",
     "insert t unparsed several values(a=1)"},
    {"INSERT INTO t (a) VALUES (1 @ 2)", "insert t unparsed several values(a=1)"},
    {"INSERT INTO t SELECT * FROM u", "insert t unparsed several"},
    {"UPDATE t SET a = 1", "update t unparsed several set(a)"},
    {"UPDATE t SET a = b WHERE k = ?", "update t unparsed several m1"},
    {"UPDATE t WHERE k = 1", "update t unparsed several"},
    {"UPDATE t SET a = 1 WHERE k = 1 OR k = 2", "update t unparsed several set(a) where(k=1)"},
    {"UPDATE t SET a = 5-3 WHERE k = 1", "update t unparsed several set(a)"},
    {"DELETE * FROM t WHERE k = 1", "delete unparsed several"},
    {"DELETE FROM t", "delete t unparsed several"},
    {"DELETE FROM t WHERE k", "delete t unparsed several"},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (1)", "batch unparsed several {insert t values(a=1)}"},
    {"BEGIN BATCH INSERT INTO t nonsense ?; DELETE FROM u WHERE k = ? APPLY BATCH",
     "batch unparsed several m2 {insert t unparsed several m1; delete u m1 where(k=?1)}"},
    {"BEGIN BATCH SELECT * FROM t; DELETE FROM u WHERE k = 1 APPLY BATCH",
     "batch unparsed several {delete u where(k=1)}"},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (1) APPLY BATCH DROP TABLE t",
     "batch unparsed several {insert t values(a=1)}"},
    {"SELECT", "select unparsed"},
    {"SELECT * FROM", "select unparsed"},
    {"SELECT 'open FROM t", "select unparsed"},
    {"SELECT * FROM t; DELETE FROM t WHERE k = 1", "select t unparsed"},
    {"TRUNCATE", "truncate unparsed"},
    {"TRUNCATE t u", "truncate t unparsed"},
    {"USE", "use  unparsed"},
    {"USE a b", "use a unparsed"},
    {"DROP TABLE", "ddl unparsed"},
    {"DROP TABLE t; DROP TABLE u", "ddl t unparsed"},
    {"CREATE MATERIALIZED t", "ddl unparsed"},
    {"CREATE TABLE t (a int PRIMARY KEY, b 'open)", "ddl t unparsed"},
});

template <class Rows> void check(const Rows& rows)
{
    for (const auto& row : rows) {
        CAPTURE(row.cql);
        CHECK(describe(row.cql, classify(row.cql)) == row.facts);
    }
}

}  // namespace

TEST_SUITE("policy/statement")
{
    TEST_CASE("classify: finds a batch's own facts and those of its children")
    {
        check(batches);
    }
    TEST_CASE("classify: finds the table and the restrictions of reads")
    {
        check(reads);
    }
    TEST_CASE("classify: finds what schema, role and other statements are about")
    {
        check(others);
    }
    TEST_CASE("classify: shows what it did not understand and never calls a write a read")
    {
        check(malformed);
    }
}
