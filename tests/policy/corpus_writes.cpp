#include <doctest/doctest.h>

#include <array>

#include "describe.hpp"

using namespace dualwrite::policy;

namespace {

constexpr auto inserts = std::to_array<corpus_row>({
    {"INSERT INTO t (a) VALUES (1)", "insert t values(a=1)"},
    {"insert into ks.t (a, b) values (?, ?);", "insert ks.t m2 values(a=?0, b=?1)"},
    {"INSERT INTO \"Ks\".\"T\" (\"A\", b) VALUES ('x', ?)", "insert Ks.T m1 values(A='x', b=?0)"},
    {"INSERT INTO ks . t (a) VALUES (1) ; ; ", "insert ks.t values(a=1)"},
    {"INSERT INTO\"t\"(a)VALUES(1)", "insert t values(a=1)"},
    {"INSERT INTO \"a\"\"b\" (\"c\"\"\") VALUES (1)", "insert a\"b values(c\"=1)"},
    {"INSERT INTO T (A, bC) VALUES (1, 'It''s')", "insert t values(a=1, bc='It''s')"},
    {"INSERT INTO t (a) VALUES ($$now() ' ? :x$$)", "insert t values(a=$$now() ' ? :x$$)"},
    {"INSERT INTO t (a) VALUES ('now() ? :x --')", "insert t values(a='now() ? :x --')"},
    {"INSERT INTO t (a, b) VALUES (null, NaN)", "insert t values(a=null, b=NaN)"},
    {"INSERT INTO t (a, b) VALUES (-Infinity, -NaN)", "insert t values(a=-Infinity, b=-NaN)"},
    {"INSERT INTO t (a, b) VALUES (-1, 1.5e-3)", "insert t values(a=-1, b=1.5e-3)"},
    {"INSERT INTO t (a, b) VALUES (true, FALSE)", "insert t values(a=true, b=FALSE)"},
    {"INSERT INTO t (a) VALUES (0xCAFE)", "insert t values(a=0xCAFE)"},
    {"INSERT INTO t (a) VALUES (0x)", "insert t values(a=0x)"},
    {"INSERT INTO t (a) VALUES (1h30m)", "insert t values(a=1h30m)"},
    {"INSERT INTO t (a) VALUES (-2mo10dx)", "insert t unparsed several values(a=-2mo10d)"},
    {"INSERT INTO t (a) VALUES (89h4m48s100\xc2\xb5s)", "insert t values(a=89h4m48s100\xc2\xb5s)"},
    {"INSERT INTO t (a) VALUES (P1Y2M3DT4H5M6S)", "insert t values(a=P1Y2M3DT4H5M6S)"},
    {"INSERT INTO t (a) VALUES (-P2W)", "insert t values(a=-P2W)"},
    {"INSERT INTO t (a) VALUES (P0001-02-03T04:05:06)", "insert t values(a=P0001-02-03T04:05:06)"},
    {"INSERT INTO t (p1d) VALUES (1)", "insert t values(p1d=1)"},
    {"INSERT INTO t (id) VALUES (deadbeef-dead-beef-dead-beefdeadbeef)",
     "insert t values(id=deadbeef-dead-beef-dead-beefdeadbeef)"},
    {"INSERT INTO t (id) VALUES (12345678-1234-1234-1234-123456789abc)",
     "insert t values(id=12345678-1234-1234-1234-123456789abc)"},
    // Collections, tuples, UDTs
    {"INSERT INTO t (a) VALUES ([1, 2])", "insert t values(a=[1, 2]!)"},
    {"INSERT INTO t (a) VALUES ([])", "insert t values(a=[]!)"},
    {"INSERT INTO t (a) VALUES ({})", "insert t values(a={}!)"},
    {"INSERT INTO t (a) VALUES ({'a', 'b'})", "insert t values(a={'a', 'b'}!)"},
    {"INSERT INTO t (a) VALUES ({'a': 1, 'b': 2})", "insert t values(a={'a': 1, 'b': 2}!)"},
    {"INSERT INTO t (a) VALUES ({1:true,2:null})", "insert t values(a={1:true,2:null}!)"},
    {"INSERT INTO t (a) VALUES ({street: 'x', zip: 5})",
     "insert t values(a={street: 'x', zip: 5}!)"},
    {"INSERT INTO t (a) VALUES ({street::x})", "insert t named m1 values(a={street::x}~)"},
    {"INSERT INTO t (a) VALUES ({street:?, zip:?})", "insert t m2 values(a={street:?, zip:?}~)"},
    {"INSERT INTO t (a) VALUES ({:x : :y})", "insert t named m2 values(a={:x : :y}~)"},
    {"INSERT INTO t (a) VALUES ({\"Street\": 'x'})", "insert t values(a={\"Street\": 'x'}!)"},
    {"INSERT INTO t (a) VALUES ((1, 'x'))", "insert t values(a=(1, 'x')!)"},
    {"INSERT INTO t (a) VALUES (((1)))", "insert t values(a=((1))!)"},
    {"INSERT INTO t (a) VALUES ({('x') : 1})", "insert t values(a={('x') : 1}!)"},
    {"INSERT INTO t (a) VALUES ({('x') : :b})", "insert t named m1 values(a={('x') : :b}~)"},
    {"INSERT INTO t (a) VALUES ((text) :b)", "insert t named m1 values(a=(text) :b~)"},
    {"INSERT INTO t (a) VALUES ({(1,2): [{3}]})", "insert t values(a={(1,2): [{3}]}!)"},
    {"INSERT INTO t (a, b) VALUES ([?, 2], ?)", "insert t m2 values(a=[?, 2]~, b=?1)"},
    {"INSERT INTO t (v) VALUES ([0.1, -2, 3e5])", "insert t values(v=[0.1, -2, 3e5]!)"},
    // Functions, casts, arithmetic
    {"INSERT INTO t (a) VALUES (now())", "insert t nondeterministic values(a=now()~)"},
    {"INSERT INTO t (a) VALUES (UUID())", "insert t nondeterministic values(a=UUID()~)"},
    {"INSERT INTO t (a) VALUES (uuid ( ))", "insert t nondeterministic values(a=uuid ( )~)"},
    {"INSERT INTO t (a) VALUES (system.now())",
     "insert t nondeterministic values(a=system.now()~)"},
    {"INSERT INTO t (a) VALUES (\"now\"())", "insert t nondeterministic values(a=\"now\"()~)"},
    {"INSERT INTO t (a) VALUES (\"NOW\"())", "insert t function values(a=\"NOW\"()~)"},
    {"INSERT INTO t (a) VALUES (toTimestamp(now()))",
     "insert t nondeterministic values(a=toTimestamp(now())~)"},
    {"INSERT INTO t (a) VALUES (currentTimeUUID())",
     "insert t nondeterministic values(a=currentTimeUUID()~)"},
    {"INSERT INTO t (a) VALUES (current_timestamp())",
     "insert t nondeterministic values(a=current_timestamp()~)"},
    {"INSERT INTO t (a) VALUES (currentDate())",
     "insert t nondeterministic values(a=currentDate()~)"},
    {"INSERT INTO t (a) VALUES ({now(): [uuid()]})",
     "insert t nondeterministic values(a={now(): [uuid()]}~)"},
    {"INSERT INTO t (a) VALUES (blobAsInt(0x00000001))",
     "insert t values(a=blobAsInt(0x00000001)~)"},
    {"INSERT INTO t (a) VALUES (text_as_blob('x'))", "insert t values(a=text_as_blob('x')~)"},
    {"INSERT INTO t (a) VALUES (minTimeuuid('2024-01-01'))",
     "insert t values(a=minTimeuuid('2024-01-01')~)"},
    {"INSERT INTO t (a) VALUES (fromJson('{}'))", "insert t values(a=fromJson('{}')~)"},
    {"INSERT INTO t (a) VALUES (my_udf(?, 2))", "insert t function m1 values(a=my_udf(?, 2)~)"},
    {"INSERT INTO t (a) VALUES (ks.now())", "insert t function values(a=ks.now()~)"},
    {"INSERT INTO t (a) VALUES ((int) 5)", "insert t values(a=(int) 5~)"},
    {"INSERT INTO t (a) VALUES ((map<text, frozen<list<int>>>) ?)",
     "insert t m1 values(a=(map<text, frozen<list<int>>>) ?~)"},
    {"INSERT INTO t (a) VALUES ((vector<float, 3>) [1,2,3])",
     "insert t values(a=(vector<float, 3>) [1,2,3]~)"},
    {"INSERT INTO t (a) VALUES ((ks.udt) {x: 1})", "insert t values(a=(ks.udt) {x: 1}~)"},
    {"INSERT INTO t (a) VALUES (CAST(? AS int))", "insert t m1 values(a=CAST(? AS int)~)"},
    {"INSERT INTO t (a) VALUES (1 + 2 * ?)", "insert t m1 values(a=1 + 2 * ?~)"},
    {"INSERT INTO t (a) VALUES (- ?)", "insert t m1 values(a=- ?~)"},
    // Markers
    {"INSERT INTO t (a, b) VALUES (:a, :\"B\")", "insert t named m2 values(a=?0, b=?1)"},
    {"INSERT INTO t (a, b) VALUES (:a, :a)", "insert t named m2 values(a=?0, b=?1)"},
    {"INSERT INTO t (a) VALUES (: a)", "insert t named m1 values(a=?0)"},
    {"INSERT INTO t (a,b) VALUES (?,now()) USING TTL ? AND TIMESTAMP ?",
     "insert t nondeterministic ts=?2 ttl=?1 m3 values(a=?0, b=now()~)"},
    // USING, IF, JSON
    {"INSERT INTO t (a) VALUES (1) USING TTL 3600", "insert t ttl=3600 values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) USING TTL 0 AND TIMESTAMP 1700000000000000",
     "insert t ts=1700000000000000 ttl=0 values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) USING TIMESTAMP -5", "insert t ts=-5 values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) USING TIMESTAMP :ts AND TTL :ttl",
     "insert t named ts=?0 ttl=?1 m2 values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) USING TIMEOUT 500ms", "insert t values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) IF NOT EXISTS", "insert t lwt exists values(a=1)"},
    {"INSERT INTO t (a) VALUES (1) IF NOT EXISTS USING TTL 5",
     "insert t lwt exists ttl=5 values(a=1)"},
    {"INSERT INTO t JSON '{\"a\": 1}'", "insert t json json='{\"a\": 1}'"},
    {"INSERT INTO ks.t JSON ? DEFAULT UNSET", "insert ks.t json unset json=?0 m1"},
    {"INSERT INTO t JSON :doc DEFAULT NULL IF NOT EXISTS USING TTL ?",
     "insert t lwt exists json named ttl=?1 json=?0 m2"},
    {"INSERT INTO json JSON $${\"a\": now()}$$", "insert json json json=$${\"a\": now()}$$"},
    // Words that are keywords elsewhere
    {"INSERT INTO values (key, ttl, json, counter) VALUES (1, 2, 3, 4)",
     "insert values values(key=1, ttl=2, json=3, counter=4)"},
    {"INSERT INTO list.map (text, type, role) VALUES (1, 2, 3)",
     "insert list.map values(text=1, type=2, role=3)"},
    {"INSERT INTO t (timestamp, writetime, distinct, exists) VALUES (1, 2, 3, 4)",
     "insert t values(timestamp=1, writetime=2, distinct=3, exists=4)"},
    // Blanks and comments
    {"-- a comment; DROP TABLE t\nINSERT INTO t (a) VALUES (1)", "insert t values(a=1)"},
    {"// c\rINSERT INTO t (a) VALUES (1)", "insert t values(a=1)"},
    {"/* a */INSERT/**/INTO/* ' */t(a)VALUES(1/*?*/)--", "insert t values(a=1)"},
    {"\t\r\n INSERT\nINTO\tt\n(a)\nVALUES\n(\n1\n)\n", "insert t values(a=1)"},
});

constexpr auto updates = std::to_array<corpus_row>({
    {"UPDATE t SET a = 1 WHERE k = 2", "update t set(a) where(k=2)"},
    {"UPDATE ks.t SET a = ?, b = ? WHERE k = ? AND c = ?;",
     "update ks.t m4 set(a, b) where(k=?2, c=?3)"},
    {"UPDATE t USING TTL ? SET a = ? WHERE k = ?", "update t ttl=?0 m3 set(a) where(k=?2)"},
    {"UPDATE t USING TTL 5 AND TIMESTAMP ? SET a = 1 WHERE k = :k",
     "update t named ts=?0 ttl=5 m2 set(a) where(k=?1)"},
    {"UPDATE using_t USING TIMESTAMP 9 SET \"set\" = 1 WHERE k = 2",
     "update using_t ts=9 set(set) where(k=2)"},
    {"UPDATE t SET a = null WHERE k = 2", "update t set(a) where(k=2)"},
    {"UPDATE t SET c = c + 1 WHERE k = 1", "update t delta set(c+) where(k=1)"},
    {"UPDATE t SET c = c - 1 WHERE k = 1", "update t delta set(c-) where(k=1)"},
    {"UPDATE t SET c = c -3 WHERE k = 1", "update t delta set(c-) where(k=1)"},
    {"UPDATE t SET c=c-3 WHERE k = 1", "update t delta set(c-) where(k=1)"},
    {"UPDATE t SET c = c + ? WHERE k = ?", "update t delta m2 set(c+) where(k=?1)"},
    {"UPDATE t SET c += 1 WHERE k = 1", "update t delta set(c+) where(k=1)"},
    {"UPDATE t SET c -= {'x'} WHERE k = 1", "update t delta set(c-) where(k=1)"},
    {"UPDATE t SET l = l + [1, ?] WHERE k = 1", "update t delta m1 set(l+) where(k=1)"},
    {"UPDATE t SET l = [1] + l WHERE k = 1", "update t delta set(l+) where(k=1)"},
    {"UPDATE t SET l = ? + l, b = 2 WHERE k = ?", "update t delta m2 set(l+, b) where(k=?1)"},
    {"UPDATE t SET \"L\" = \"L\" + [1] WHERE k = 1", "update t delta set(L+) where(k=1)"},
    {"UPDATE t SET m = m + {'a': 1} WHERE k = 1", "update t delta set(m+) where(k=1)"},
    {"UPDATE t SET a = 1 + 2 WHERE k = 1", "update t set(a) where(k=1)"},
    {"UPDATE t SET a = 1 + f(2) WHERE k = 1", "update t function set(a) where(k=1)"},
    {"UPDATE t SET a = (int) 2 WHERE k = 1", "update t set(a) where(k=1)"},
    {"UPDATE t SET l[0] = ? WHERE k = ?", "update t element m2 set(l[]) where(k=?1)"},
    {"UPDATE t SET m['a'] = 1, m[?] = ? WHERE k = 1",
     "update t element m2 set(m[], m[]) where(k=1)"},
    {"UPDATE t SET u.f = 1, u . \"G\" = ? WHERE k = 1", "update t m1 set(u., u.) where(k=1)"},
    {"UPDATE t SET a = now() WHERE k = 1", "update t nondeterministic set(a) where(k=1)"},
    {"UPDATE t SET a = f() WHERE k = ks.g(1)", "update t function set(a) where(k=ks.g(1)~)"},
    {"UPDATE t SET a = 1 WHERE k IN (1, 2)", "update t several set(a) where(k IN (1, 2)!)"},
    {"UPDATE t SET a = 1 WHERE k IN ('a')", "update t several set(a) where(k IN ('a')!)"},
    {"UPDATE t SET a = 1 WHERE k IN ?", "update t several m1 set(a) where(k IN ?0)"},
    {"UPDATE t SET a = 1 WHERE k IN :ks AND c = 2",
     "update t named several m1 set(a) where(k IN ?0, c=2)"},
    {"UPDATE t SET a = 1 WHERE k IN (?, ?) AND c = ?",
     "update t several m3 set(a) where(k IN (?, ?)~, c=?2)"},
    {"UPDATE t SET a = 1 WHERE k IN ()", "update t several set(a) where(k IN ()!)"},
    {"UPDATE t SET a = ('x') WHERE (k, c) = (1, ?)", "update t m1 set(a) where(k=1, c=?0)"},
    {"UPDATE t SET a = 1 WHERE k IN ('a') AND (c, d) IN ((1, 2))",
     "update t several set(a) where(k IN ('a')!, c IN ((1, 2))~, d IN ((1, 2))~)"},
    {"UPDATE t SET c = c 3 WHERE k = 1", "update t delta set(c-) where(k=1)"},
    {"UPDATE t SET a = 1 WHERE (k, c) = (1, ?)", "update t m1 set(a) where(k=1, c=?0)"},
    {"UPDATE t SET a = 1 WHERE k = 1 AND (c, d) IN ((1, 2), (3, 4))",
     "update t several set(a) where(k=1, c IN ((1, 2), (3, 4))~, d IN ((1, 2), (3, 4))~)"},
    {"UPDATE t SET a = 1 WHERE (k = 1) AND ((c = 2))", "update t set(a) where(k=1, c=2)"},
    {"UPDATE t SET a = 1 WHERE k = 1 IF EXISTS", "update t lwt exists set(a) where(k=1)"},
    {"UPDATE t SET a = 1 WHERE k = 1 IF a = ? AND b IN (1, 2) AND c != null",
     "update t lwt m1 set(a) where(k=1)"},
    {"UPDATE t SET a = 1 WHERE k = ? IF l[0] = ? AND u.f > ? AND m['x'] IN ?",
     "update t lwt m4 set(a) where(k=?0)"},
    {"UPDATE t SET a = 1 WHERE k = 1 IF s CONTAINS 'x' AND m CONTAINS KEY ?",
     "update t lwt m1 set(a) where(k=1)"},
    {"UPDATE t SET a = 1 WHERE k = 1 IF exists CONTAINS 1", "update t lwt set(a) where(k=1)"},
    {"UPDATE t SET a = 1 WHERE k = 1 IF exists = true", "update t lwt set(a) where(k=1)"},
    {"UPDATE t SET key = 1, values = 2 WHERE type = 3", "update t set(key, values) where(type=3)"},
    {"UPDATE \"Select\".\"From\" SET \"Where\" = 1 WHERE \"And\" = 2",
     "update Select.From set(Where) where(And=2)"},
    {"UPDATE t SET a = '-- not a comment', b = '/*' WHERE k = '*/'",
     "update t set(a, b) where(k='*/')"},
});

constexpr auto deletes = std::to_array<corpus_row>({
    {"DELETE FROM t WHERE k = 1", "delete t where(k=1)"},
    {"DELETE FROM ks.t WHERE k = ? AND c = ?", "delete ks.t m2 where(k=?0, c=?1)"},
    {"DELETE a, \"B\" FROM t WHERE k = 1", "delete t set(-a, -B) where(k=1)"},
    {"DELETE l[0] FROM t WHERE k = 1", "delete t element set(-l[]) where(k=1)"},
    {"DELETE m[?], m['x'] FROM t WHERE k = ?", "delete t element m2 set(-m[], -m[]) where(k=?1)"},
    {"DELETE u.f, a FROM t WHERE k = 1", "delete t set(-u., -a) where(k=1)"},
    {"DELETE FROM t USING TIMESTAMP 7 WHERE k = 1", "delete t ts=7 where(k=1)"},
    {"DELETE a FROM t USING TIMESTAMP ? WHERE k = ?", "delete t ts=?0 m2 set(-a) where(k=?1)"},
    {"DELETE FROM t WHERE k = 1 AND c > 2", "delete t range where(k=1)"},
    {"DELETE FROM t WHERE k = 1 AND c >= ? AND c < ?", "delete t range m2 where(k=1)"},
    {"DELETE FROM t WHERE k = 1 AND (c, d) > (1, 2)", "delete t range where(k=1)"},
    {"DELETE FROM t WHERE k = 1 AND c BETWEEN 1 AND ?", "delete t range m1 where(k=1)"},
    {"DELETE FROM t WHERE k IN (1, 2)", "delete t several where(k IN (1, 2)!)"},
    {"DELETE FROM t WHERE k = 1 IF EXISTS", "delete t lwt exists where(k=1)"},
    {"DELETE FROM t WHERE k = 1 IF a = 2 AND b = ?;", "delete t lwt m1 where(k=1)"},
    {"DELETE a FROM t WHERE k = 1 IF a > now()",
     "delete t lwt nondeterministic set(-a) where(k=1)"},
    {"DELETE FROM t WHERE k = uuid()", "delete t nondeterministic where(k=uuid()~)"},
    {"DELETE key, ttl FROM t WHERE values = 1", "delete t set(-key, -ttl) where(values=1)"},
    {"DELETE FROM t WHERE token(k) > 5", "delete t range token"},
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
    TEST_CASE("classify: finds every fact of an INSERT")
    {
        check(inserts);
    }
    TEST_CASE("classify: finds every fact of an UPDATE")
    {
        check(updates);
    }
    TEST_CASE("classify: finds every fact of a DELETE")
    {
        check(deletes);
    }
}
