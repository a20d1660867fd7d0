#include <dualwrite/replication/ttl.hpp>

#include <doctest/doctest.h>

#include <array>
#include <limits>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::replication;
using test::values;

namespace {

std::string shorten(std::string_view cql, std::int64_t elapsed_s)
{
    return shorten_ttl_literals(cql, policy::classify(cql), elapsed_s);
}

// The values after `elapsed_s`, as bytes.
std::string
shorten(std::string_view cql, const values& in, std::int64_t elapsed_s, bool named = false)
{
    byte_buffer copy;
    copy.append(in.view());
    shorten_ttl_values({copy.data(), copy.size()}, cql, policy::classify(cql), elapsed_s, named);
    return std::string(as_text(copy.view()));
}

struct row {
    std::string_view cql;
    std::int64_t elapsed_s;
    std::string_view expected;
};

}  // namespace

TEST_SUITE_BEGIN("replication/ttl");

TEST_CASE("shortened: by the time that has passed, but never to nothing")
{
    CHECK(shortened(100, 0) == 100);
    CHECK(shortened(100, 99) == 1);
    CHECK(shortened(100, 100) == 1);
    CHECK(shortened(100, 100'000'000'000) == 1);
    CHECK(shortened(1, 5) == 1);
    CHECK(shortened(630'720'000, 10) == 630'719'990);  // the largest that the server takes
    CHECK(shortened(std::numeric_limits<std::int32_t>::max(), 1) == 2'147'483'646);
}

TEST_CASE("shortened: 0 means none and stays, nonsense stays nonsense")
{
    CHECK(shortened(0, 100) == 0);
    CHECK(shortened(-1, 100) == -1);
}

TEST_CASE("shorten_ttl_literals: changes the number and nothing else")
{
    const auto rows = std::to_array<row>({
        {"INSERT INTO k.t (a) VALUES (1) USING TTL 100",
         30,
         "INSERT INTO k.t (a) VALUES (1) USING TTL 70"},
        {"INSERT INTO k.t (a) VALUES (100) USING TTL 100 AND TIMESTAMP 100",
         30,
         "INSERT INTO k.t (a) VALUES (100) USING TTL 70 AND TIMESTAMP 100"},
        {"INSERT INTO k.t (a) VALUES ('USING TTL 5') USING TIMESTAMP 5 AND ttl 5;",
         3,
         "INSERT INTO k.t (a) VALUES ('USING TTL 5') USING TIMESTAMP 5 AND ttl 2;"},
        {"UPDATE k.t USING TTL 10 SET b = 10 WHERE a = 10",
         60,
         "UPDATE k.t USING TTL 1 SET b = 10 WHERE a = 10"},
        {"UPDATE k.t USING TTL 0 SET b = 1 WHERE a = 1",
         60,
         "UPDATE k.t USING TTL 0 SET b = 1 WHERE a = 1"},
        {"UPDATE k.t USING TTL ? SET b = 1 WHERE a = 1",
         60,
         "UPDATE k.t USING TTL ? SET b = 1 WHERE a = 1"},
        {"DELETE FROM k.t WHERE a = 1", 60, "DELETE FROM k.t WHERE a = 1"},
        {"BEGIN BATCH INSERT INTO k.t (a) VALUES (1) USING TTL 100; "
         "DELETE FROM k.t WHERE a = 2; UPDATE k.t USING TTL 7 SET b = 1 WHERE a = 1 APPLY "
         "BATCH",
         10,
         "BEGIN BATCH INSERT INTO k.t (a) VALUES (1) USING TTL 90; "
         "DELETE FROM k.t WHERE a = 2; UPDATE k.t USING TTL 1 SET b = 1 WHERE a = 1 APPLY "
         "BATCH"},
    });
    for (const auto& [cql, elapsed_s, expected] : rows) {
        const auto& its_cql = cql;  // Clang 14 captures no binding
        CAPTURE(its_cql);
        CHECK(shorten(cql, elapsed_s) == expected);
    }
}

TEST_CASE("shorten_ttl_values: finds the marker wherever it stands, behind null, unset and empty")
{
    const std::string_view insert = "INSERT INTO k.t (a, b, c, d) VALUES (?, ?, ?, ?) USING TTL ?";
    const auto in = [](std::int32_t ttl) { return values().of(100).null().unset().of("").of(ttl); };
    CHECK(shorten(insert, in(100), 40) == in(60).bytes());
    CHECK(shorten(insert, in(100), 400) == in(1).bytes());
    CHECK(shorten(insert, in(0), 400) == in(0).bytes());
    const std::string_view update = "UPDATE k.t USING TTL ? SET b = ? WHERE a = ?";
    CHECK(shorten(update, values().of(9).of(9).of(9), 4) == values().of(5).of(9).of(9).bytes());
}

TEST_CASE("shorten_ttl_values: a TTL that is null, unset, empty or no int stays as it is")
{
    const std::string_view cql = "INSERT INTO k.t (a) VALUES (?) USING TTL ?";
    const auto same = [&](const values& in) { CHECK(shorten(cql, in, 40) == in.bytes()); };
    same(values().of(100).null());
    same(values().of(100).unset());
    same(values().of(100).of(""));
    same(values().of(100).of("12345678"));
    same(values().of(100));
}

TEST_CASE("shorten_ttl_values: counts markers over the whole text of a batch")
{
    const std::string_view cql = "BEGIN BATCH INSERT INTO k.t (a) VALUES (?) USING TTL ?; "
                                 "UPDATE k.t USING TTL ? SET b = ? WHERE a = ? APPLY BATCH";
    CHECK(
        shorten(cql, values().of(50).of(50).of(60).of(50).of(50), 20) ==
        values().of(50).of(30).of(40).of(50).of(50).bytes()
    );
}

TEST_CASE("shorten_ttl_values: named values are found by their name, in any order")
{
    const std::string_view cql = "INSERT INTO k.t (a, b) VALUES (:a, :b) USING TTL :Life";
    const auto in = [](std::int32_t ttl) {
        return values().named("life", ttl).named("b", 50).named("a", 50);
    };
    CHECK(shorten(cql, in(50), 20, true) == in(30).bytes());
    const std::string_view quoted = "INSERT INTO k.t (a) VALUES (:a) USING TTL :\"Life\"";
    CHECK(
        shorten(quoted, values().named("life", 50).named("Life", 50), 20, true) ==
        values().named("life", 50).named("Life", 30).bytes()
    );
    const std::string_view anonymous = "INSERT INTO k.t (a) VALUES (?) USING TTL ?";
    CHECK(
        shorten(anonymous, values().named("[ttl]", 50).named("a", 50), 20, true) ==
        values().named("[ttl]", 30).named("a", 50).bytes()
    );
}

TEST_CASE("shorten_ttl_values: values that are cut anywhere are left alone, never read past the end"
)
{
    for (const bool named : {false, true}) {
        const std::string_view cql = "INSERT INTO k.t (a) VALUES (:a) USING TTL :l";
        const auto whole = named ? values().named("a", 50).named("l", 50) : values().of(50).of(50);
        for (std::size_t size = 0; size < whole.view().size(); ++size) {
            CAPTURE(size);
            const auto cut = whole.view().first(size);
            // Exactly as large as what it holds, so that a step over the end is found.
            const auto memory = std::make_unique<std::byte[]>(size);
            if (size != 0) std::memcpy(memory.get(), cut.data(), size);
            shorten_ttl_values({memory.get(), size}, cql, policy::classify(cql), 20, named);
            CHECK(equal({memory.get(), size}, cut));
        }
    }
}

TEST_CASE("has_ttl_literal: tells whether the text has to change")
{
    const auto has = [](std::string_view cql) { return has_ttl_literal(policy::classify(cql)); };
    CHECK(has("INSERT INTO k.t (a) VALUES (1) USING TTL 5"));
    CHECK(has("BEGIN BATCH UPDATE k.t USING TTL 5 SET b = 1 WHERE a = 1 APPLY BATCH"));
    CHECK_FALSE(has("INSERT INTO k.t (a) VALUES (1) USING TTL ?"));
    CHECK_FALSE(has("INSERT INTO k.t (a) VALUES (1)"));
}

TEST_SUITE_END();
