#include <dualwrite/policy/evaluate.hpp>
#include <dualwrite/policy/statement.hpp>

#include <doctest/doctest.h>

#include <set>

using namespace dualwrite;
using namespace dualwrite::policy;

namespace {

constexpr std::int64_t now_ms = 1'790'000'000'123;  // 2026-09-21 14:13:20.123 UTC

function_evaluator counting()
{
    return function_evaluator([n = std::uint64_t{0}]() mutable { return ++n; });
}

std::string evaluated(std::string_view cql)
{
    const auto facts = classify(cql);
    REQUIRE(is_evaluable(facts));
    auto evaluator = counting();
    return evaluate(cql, facts, evaluator, now_ms);
}

std::string hidden(std::string_view cql)
{
    const auto facts = classify(cql);
    REQUIRE(is_evaluable(facts));
    return hide_calls(cql, facts);
}

}  // namespace

TEST_SUITE_BEGIN("policy/evaluate");

TEST_CASE("evaluate: each function gives its value as a literal, where the column tells the type")
{
    CHECK(
        evaluated("INSERT INTO t (a, b) VALUES (uuid(), 1)") ==
        "INSERT INTO t (a, b) VALUES (00000000-0000-4002-8000-000000000003, 1)"
    );
    CHECK(
        evaluated("UPDATE t SET a = currentTimestamp() WHERE k = 1") ==
        "UPDATE t SET a = '2026-09-21 14:13:20.123+0000' WHERE k = 1"
    );
    CHECK(
        evaluated("UPDATE t SET a = current_date(), b = system.currentTime() WHERE k = 1") ==
        "UPDATE t SET a = '2026-09-21', b = '14:13:20.123000000' WHERE k = 1"
    );
    const auto now = evaluated("UPDATE t SET a = NOW ( ) WHERE k = 1");
    CHECK(now.starts_with("UPDATE t SET a = "));
    CHECK(classify(now).nondeterministic == false);
    CHECK(classify(now).unparsed == false);
}

TEST_CASE("evaluate: inside another term the value says its type")
{
    CHECK(
        evaluated("UPDATE t SET a = toDate(currentTimestamp()), s = {uuid()} WHERE k = 1") ==
        "UPDATE t SET a = toDate((timestamp)'2026-09-21 14:13:20.123+0000'), "
        "s = {(uuid)00000000-0000-4002-8000-000000000003} WHERE k = 1"
    );
}

TEST_CASE("evaluate: every call has a value of its own, and texts and names are left alone")
{
    const auto text = evaluated("BEGIN BATCH INSERT INTO t (now, b) VALUES ('now()', uuid()); "
                                "DELETE FROM t WHERE k = uuid() APPLY BATCH");
    CHECK(
        text.find("(now, b) VALUES ('now()', 00000000-0000-4002-8000-000000000003)") != text.npos
    );
    CHECK(text.find("k = 00000000-0000-4004-8000-000000000005") != text.npos);
}

TEST_CASE("is_evaluable: not what is no write, was not understood, or calls with arguments")
{
    CHECK_FALSE(is_evaluable(classify("SELECT now() FROM t")));
    CHECK_FALSE(is_evaluable(classify("INSERT INTO t (a) VALUES (1)")));
    CHECK_FALSE(is_evaluable(classify("INSERT INTO t (a) VALUES (now(1))")));
    CHECK_FALSE(is_evaluable(classify("INSERT INTO t (a, b) VALUES (now(), uuid(2))")));
    CHECK_FALSE(is_evaluable(classify("INSERT INTO t (a) VALUES (now()) WHAT")));
    CHECK_FALSE(is_evaluable(classify("INSERT INTO t (a) VALUES (mine.now())")));
    CHECK_FALSE(is_evaluable(
        classify("BEGIN BATCH INSERT INTO t (a) VALUES (now()); DELETE WHAT now() APPLY BATCH")
    ));
}

TEST_CASE("hide_calls: a marker in place of each call, and a comment that says which")
{
    const auto text =
        hidden("INSERT INTO t (a, b, c) VALUES (uuid(), ?, toTimestamp(now())) USING TTL ?");
    CHECK(
        text == "INSERT INTO t (a, b, c) VALUES (?, ?, toTimestamp((timeuuid)?)) USING TTL ? "
                "/* dualwrite binds: uuid@0 timeuuid@2 */"
    );
    const std::vector<hidden_marker> both{{0, function_value::uuid}, {2, function_value::timeuuid}};
    CHECK(hidden_markers(text) == both);
    const auto facts = classify(text);
    CHECK(facts.marker_count == 4);
    CHECK_FALSE(facts.nondeterministic);
    CHECK_FALSE(facts.unparsed);
    CHECK(without_hidden_comment(text).ends_with("USING TTL ?"));
}

TEST_CASE("hide_calls: markers are named where the statement names its own")
{
    CHECK(
        hidden("UPDATE t SET a = now(), b = :b WHERE k = uuid()") ==
        "UPDATE t SET a = :dualwrite_0, b = :b WHERE k = :dualwrite_1 "
        "/* dualwrite binds: timeuuid@0 uuid@2 */"
    );
}

TEST_CASE("hide_calls: positions count over the children of a batch")
{
    const auto text = hidden("BEGIN BATCH INSERT INTO t (a, b) VALUES (?, now()); INSERT INTO t "
                             "(a, b) VALUES (?, now()) "
                             "APPLY BATCH");
    const std::vector<hidden_marker> both{
        {1, function_value::timeuuid}, {3, function_value::timeuuid}};
    CHECK(hidden_markers(text) == both);
}

TEST_CASE("hidden_markers: other comments say nothing")
{
    for (const auto* text :
         {"DELETE FROM t WHERE a = ?",
          "DELETE FROM t WHERE a = ? /* dualwrite binds: */",
          "DELETE FROM t WHERE a = ? /* dualwrite binds: uuid */",
          "DELETE FROM t WHERE a = ? /* dualwrite binds: uuid@ */",
          "DELETE FROM t WHERE a = ? /* dualwrite binds: blob@0 */",
          "DELETE FROM t WHERE a = ? /* dualwrite binds: uuid@1 uuid@1 */",
          "DELETE FROM t WHERE a = ? /* dualwrite binds: uuid@70000 */",
          "DELETE FROM t WHERE a = ? /* dualwrite binds: uuid@0*/",
          "/* dualwrite binds: uuid@0 */ DELETE FROM t"}) {
        CAPTURE(text);
        CHECK(hidden_markers(text).empty());
        CHECK(without_hidden_comment(text) == text);
    }
}

TEST_CASE("function_evaluator: UUIDs of version 4, and of version 1 in ascending order")
{
    std::uint64_t seed = 88172645463325252ull;
    function_evaluator evaluator([&seed] {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        return seed ^= seed << 17;
    });
    std::set<std::string> all;
    std::uint64_t last = 0;
    for (int i = 0; i < 2000; ++i) {
        const auto random = evaluator.evaluate(function_value::uuid, now_ms);
        CHECK(random.size() == 16);
        CHECK((static_cast<unsigned char>(random[6]) >> 4) == 4);
        CHECK((static_cast<unsigned char>(random[8]) >> 6) == 2);
        all.insert(random);
        // The clock goes back once: ids still go on.
        const auto time = evaluator.evaluate(function_value::timeuuid, i < 1000 ? now_ms : 1);
        CHECK((static_cast<unsigned char>(time[6]) >> 4) == 1);
        CHECK((static_cast<unsigned char>(time[8]) >> 6) == 2);
        CHECK((static_cast<unsigned char>(time[10]) & 1) == 1);
        const auto first = load_be<std::uint64_t>(as_bytes(time).data());
        const auto ticks = (first & 0xfff) << 48 | (first >> 16 & 0xffff) << 32 | first >> 32;
        CHECK(ticks > last);
        last = ticks;
        all.insert(time);
    }
    CHECK(all.size() == 4000);
    // 1790000000.123 s after 1970, in 100 ns since 1582-10-15.
    CHECK(last / 10'000 == 12'219'292'800'000 + now_ms);
}

TEST_SUITE_END();
