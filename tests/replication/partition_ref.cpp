#include <dualwrite/replication/partition_ref.hpp>

#include <doctest/doctest.h>

#include <array>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::replication;
using test::int_bytes;
using test::values;

namespace {

std::vector<partition_ref> find(
    std::string_view cql,
    const values& bound = {},
    const std::string& keyspace = "k",
    bool named = false
)
{
    static const auto shapes = test::shapes();
    return partitions_of(
        policy::classify(cql), cql, keyspace, shapes, bound_values(bound.view(), named)
    );
}

partition_ref plain(std::int32_t a)
{
    return {"k", "t", {int_bytes(a)}, {}};
}

partition_ref wide(std::int32_t a, std::string b)
{
    return {"k", "wide", {int_bytes(a), std::move(b)}, {}};
}

using refs = std::vector<partition_ref>;

// A bound list<int>.
std::string list(const std::vector<std::int32_t>& elements)
{
    auto out = int_bytes(static_cast<std::int32_t>(elements.size()));
    for (const auto element : elements) out += int_bytes(4) + int_bytes(element);
    return out;
}

}  // namespace

namespace dualwrite::replication {

// For messages of failed checks.
doctest::String toString(const refs& all)
{
    std::string out;
    for (const auto& one : all) {
        out += one.keyspace + '.' + one.table;
        for (const auto& part : one.key) out += ' ' + std::to_string(part.size());
        for (const auto& part : one.clustering) out += " /" + std::to_string(part.size());
        out += "; ";
    }
    return out.c_str();
}

}  // namespace dualwrite::replication

TEST_SUITE_BEGIN("replication/partition_ref");

TEST_CASE("find_partition: by literals, wherever the key stands in the text")
{
    struct row {
        std::string_view cql;
        partition_ref expected;
    };
    const auto rows = std::to_array<row>({
        {"INSERT INTO t (x, a) VALUES (9, 5)", plain(5)},
        {"INSERT INTO k.t (a) VALUES (-5) IF NOT EXISTS", plain(-5)},
        {"UPDATE t SET x = 9 WHERE a = 5 IF x = 8", plain(5)},
        {"UPDATE t USING TTL 7 SET x = x + 9 WHERE c = 1 AND a = 5", plain(5)},
        {"DELETE x FROM t WHERE a = 5 AND c > 3", plain(5)},
        {"INSERT INTO wide (b, a) VALUES ('it''s', 5)", wide(5, "it's")},
        {"DELETE FROM wide WHERE b = '' AND a = 5", wide(5, "")},
        {"INSERT INTO \"K\".\"T\" (\"A\") VALUES (00112233-4455-6677-8899-aabbccddeeff)",
         {"K",
          "T",
          {std::string("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16)}}},
    });
    for (const auto& [cql, expected] : rows) {
        const auto& its_cql = cql;  // Clang 14 captures no binding
        CAPTURE(its_cql);
        CHECK(find(cql) == refs{expected});
    }
}

TEST_CASE("find_partition: by bound values, counted in the order of the text")
{
    CHECK(find("INSERT INTO t (x, a) VALUES (?, ?)", values().of(9).of(5)) == refs{plain(5)});
    CHECK(
        find(
            "UPDATE t USING TTL ? SET x = ? WHERE a = ? IF x = ?",
            values().of(1).null().of(5).unset()
        ) == refs{plain(5)}
    );
    CHECK(find("INSERT INTO wide (b, a) VALUES (?, 5)", values().of("")) == refs{wide(5, "")});
    // Named in the text, but bound by place.
    CHECK(find("DELETE FROM t WHERE a = :a", values().of(5)) == refs{plain(5)});
}

TEST_CASE("find_partition: the bytes of a bound key are not looked at")
{
    const auto odd = std::string("\0\xff odd", 6);
    CHECK(find("DELETE FROM t WHERE a = ?", values().of(odd)) == refs{{"k", "t", {odd}}});
    CHECK(
        find("DELETE FROM dated WHERE d = ?", values().of("date")) == refs{{"k", "dated", {"date"}}}
    );
}

TEST_CASE("partitions_of: a key that the statement does not say has no partition")
{
    CHECK(find("INSERT INTO t (x) VALUES (9)").empty());
    CHECK(find("DELETE FROM wide WHERE a = 5").empty());
    CHECK(find("DELETE FROM t WHERE a IN (5, f(6))").empty());
    CHECK(find("DELETE FROM t WHERE a IN ()").empty());
    CHECK(find("DELETE FROM t WHERE a IN ?", values().of(5)).empty());  // not a list
    CHECK(find("DELETE FROM t WHERE a = f(5)").empty());
    CHECK(find("DELETE FROM t WHERE token(a) = 5").empty());
    CHECK(find("INSERT INTO t JSON '{\"a\": 5}'").empty());
    CHECK(find("DELETE FROM dated WHERE d = '2024-01-01'").empty());
    CHECK(find("DELETE FROM unknown WHERE a = 5").empty());
    CHECK(find("DELETE FROM t WHERE a = 5", {}, "other").empty());
    CHECK(find("DELETE FROM t WHERE a = 5", {}, "").empty());
    CHECK(find("DELETE FROM t WHERE a = 'text'").empty());
}

TEST_CASE("partitions_of: a key that is null, unset or missing has no partition")
{
    const auto cql = "DELETE FROM t WHERE a = ?";
    CHECK(find(cql, values().null()).empty());
    CHECK(find(cql, values().unset()).empty());
    CHECK(find(cql, values()).empty());
    CHECK(find("DELETE FROM t WHERE a = :b", values().named("a", 5), "k", true).empty());
    CHECK(find("DELETE FROM t WHERE a IN (?, ?)", values().of(5).null()).empty());
}

TEST_CASE("partitions_of: all partitions of a batch, each once")
{
    CHECK(
        find(
            "BEGIN BATCH INSERT INTO t (a, x) VALUES (?, ?); UPDATE wide SET x = ? "
            "WHERE a = ? AND b = ?; DELETE FROM t WHERE a = ? APPLY BATCH",
            values().of(1).of(0).of(0).of(2).of("b").of(1)
        ) == refs{plain(1), wide(2, "b")}
    );
}

TEST_CASE("partitions_of: one child that does not say its key leaves nothing of the batch")
{
    CHECK(find("BEGIN BATCH DELETE FROM t WHERE a = 1; DELETE FROM t WHERE a = f(2) APPLY BATCH")
              .empty());
}

TEST_CASE("partitions_of: values that the request names")
{
    const auto named = values().named("x", 9).named("a", 5);
    CHECK(find("UPDATE t SET x = :x WHERE a = :A", named, "k", true) == refs{plain(5)});
    CHECK(find("UPDATE t SET x = ? WHERE a = ?", named, "k", true) == refs{plain(5)});
    CHECK(
        find("DELETE FROM t WHERE a IN ?", values().named("in(a)", list({7, 8})), "k", true) ==
        refs{plain(7), plain(8)}
    );
}

TEST_CASE("partitions_of: every value of an IN")
{
    CHECK(find("DELETE FROM t WHERE a IN (5, 6, 5)") == refs{plain(5), plain(6)});
    CHECK(
        find("DELETE FROM wide WHERE b IN (?, 'd') AND a IN (?, 2)", values().of("c").of(1)) ==
        refs{wide(1, "c"), wide(1, "d"), wide(2, "c"), wide(2, "d")}
    );
    CHECK(
        find("DELETE FROM t WHERE a IN ?", values().of(list({7, 8}))) == refs{plain(7), plain(8)}
    );
}

TEST_CASE("partitions_of: more than a thousand are not named")
{
    const std::vector<std::int32_t> many(1001, 3);
    CHECK(find("DELETE FROM t WHERE a IN ?", values().of(list(many))).empty());
}

TEST_CASE("partitions_of: the rows, as far as the leading clustering columns are given")
{
    const auto row = [](std::vector<std::string> clustering) {
        return refs{{"k", "clustered", {int_bytes(1)}, std::move(clustering)}};
    };
    const auto b = int_bytes(2);
    CHECK(find("INSERT INTO clustered (c, b, a) VALUES ('x', 2, 1)") == row({b, "x"}));
    CHECK(find("DELETE FROM clustered WHERE a = 1 AND b = 2") == row({b}));
    CHECK(find("DELETE FROM clustered WHERE a = 1 AND b = 2 AND c > 'x'") == row({b}));
    CHECK(find("DELETE FROM clustered WHERE a = 1 AND b > 2") == row({}));
    CHECK(find("UPDATE clustered SET s = 1 WHERE a = 1") == row({}));
    CHECK(find("DELETE m FROM clustered WHERE a = 1 AND (b, c) = (2, 'x')") == row({b, "x"}));
    CHECK(
        find("DELETE m FROM clustered WHERE a = 1 AND b = 2 AND c IN ('x', 'y')") ==
        refs{
            {"k", "clustered", {int_bytes(1)}, {b, "x"}},
            {"k", "clustered", {int_bytes(1)}, {b, "y"}}}
    );
    // Without the bytes of a literal: the rows that begin with what is known.
    CHECK(find("DELETE m FROM clustered WHERE a = 1 AND b = 2 AND c = f('x')") == row({b}));
}

TEST_SUITE_END();
