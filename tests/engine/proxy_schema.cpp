#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <vector>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string alter = "ALTER TABLE k.t ADD c int";

bool is_schema(const seen_request& r)
{
    return r.is_schema();
}

std::string insert(int a)
{
    return "INSERT INTO k.t (a) VALUES (" + std::to_string(a) + ")";
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_schema");

TEST_CASE("proxy: a change of the schema stands at the target where it stood at the source")
{
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        proxy_rig rig;
        const auto executing = std::make_shared<std::atomic<int>>(0);
        rig.target.set_script([executing](const seen_request& r) {
            // The later of the first writes are answered first.
            if (!r.is_data()) return reply::normal();
            return reply::normal().after(r.is_schema() ? 100 : 60 - executing->fetch_add(1) * 5);
        });
        rig.start();
        auto client = rig.client(version);
        for (int a = 0; a < 10; ++a) CHECK(client.query(insert(a)).op() == opcode::result);
        CHECK(client.query(alter).op() == opcode::result);
        for (int a = 10; a < 20; ++a) CHECK(client.query(insert(a)).op() == opcode::result);
        REQUIRE(rig.target.wait_for_writes(20));
        const auto seen = rig.target.requests();
        REQUIRE(seen.size() == 21);
        CHECK(seen[10]->text == alter);
        for (std::size_t i = 0; i < 10; ++i)
            CHECK(std::ranges::any_of(seen.begin(), seen.begin() + 10, [&](const auto& its) {
                return its->text == insert(static_cast<int>(i));
            }));
        // Sent only when all before it were done, and nothing after it before it was.
        CHECK(seen[10]->answers_before == 10);
        for (std::size_t i = 11; i < 21; ++i) CHECK(seen[i]->answers_before >= 11);
    }
}

TEST_CASE("proxy: a change of the schema waits for a write before it whose outcome is open")
{
    proxy_rig rig;
    const auto asked = std::make_shared<std::atomic<int>>(0);
    rig.source.set_script([asked](const seen_request& r) {
        if (!r.is_write() || asked->fetch_add(1) > 3) return reply::normal();
        return reply::error(error_code::write_timeout, "slow", "SIMPLE");
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query(insert(1)).is_error());
    CHECK(client.query(alter).op() == opcode::result);
    REQUIRE(rig.target.wait_for(1, is_schema));
    const auto seen = rig.target.requests();
    REQUIRE(seen.size() == 2);
    CHECK(seen[0]->text == insert(1));
}

TEST_CASE("proxy: the target gets a change with its keyspace, and without a write time")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query("USE k").op() == opcode::result);
    CHECK(client.query("CREATE TABLE n (a int PRIMARY KEY)").op() == opcode::result);
    REQUIRE(rig.target.wait_for(1, is_schema));
    const auto got = rig.target.requests(is_schema)[0];
    CHECK(got->text == "CREATE TABLE \"k\".n (a int PRIMARY KEY)");
    CHECK_FALSE(got->timestamp_us);
    REQUIRE(rig.source.count(is_schema) == 1);
    CHECK(rig.source.requests(is_schema)[0]->text == "CREATE TABLE n (a int PRIMARY KEY)");
}

TEST_CASE("proxy: a change that the source refused does not reach the target")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request& r) {
        return r.is_schema() ? reply::error(error_code::already_exists) : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query(alter).code() == error_code::already_exists);
    CHECK(client.query(insert(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(1));
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.count(is_schema) == 0);
}

TEST_CASE("proxy: what the target has already is done")
{
    proxy_rig rig;
    rig.target.set_script([](const seen_request& r) {
        return r.is_schema() ? reply::error(error_code::already_exists) : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query(alter).op() == opcode::result);
    CHECK(client.query(insert(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(1));
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("dead_letters") == 0);
    CHECK(rig.target.count(is_schema) == 1);
}

TEST_CASE("proxy: a change that the source has made, but did not answer, reaches the target")
{
    // What it says when it is asked again: nothing wrong, or that it was done before.
    for (const auto code :
         {std::optional<error_code>(),
          std::optional(error_code::already_exists),
          std::optional(error_code::invalid),
          std::optional(error_code::config_error)}) {
        CAPTURE(code.has_value());
        proxy_rig rig;
        const auto asked = std::make_shared<std::atomic<int>>(0);
        rig.source.set_script([asked, code](const seen_request& r) {
            if (!r.is_schema()) return reply::normal();
            if (asked->fetch_add(1) == 0) return reply::cut().executed();
            return code ? reply::error(*code) : reply::normal();
        });
        rig.start();
        auto client = rig.client(4);
        client.send(opcode::query, query_body(4, alter));
        CHECK(client.is_closed());
        REQUIRE(rig.target.wait_for(1, is_schema));
        REQUIRE(rig.is_delivered());
        CHECK(rig.target.requests(is_schema)[0]->text == alter);
        CHECK(rig.source.count(is_schema) == 2);
    }
}

TEST_CASE("proxy: asked again, a change that is no CQL at all is void")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request& r) {
        if (!r.is_schema()) return reply::normal();
        return r.own ? reply::error(error_code::syntax_error) : reply::cut();
    });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, alter));
    CHECK(client.is_closed());
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.count() == 0);
}

TEST_CASE("proxy: a change that the target has made, but did not answer, is not refused by itself")
{
    proxy_rig rig;
    rig.options.patience.refusal_ms = 0;
    const auto asked = std::make_shared<std::atomic<int>>(0);
    rig.target.set_script([asked, &rig](const seen_request& r) {
        if (!r.is_schema()) return reply::normal();
        if (asked->fetch_add(1) != 0)
            return reply::error(error_code::invalid, "Invalid column name c because it conflicts");
        rig.target.add_column({"k", "t", "c", "regular", "int"});
        return reply::cut().executed();
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query(alter).op() == opcode::result);
    CHECK(client.query(insert(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(1));
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.count(is_schema) == 2);
    CHECK(rig.number("dead_letters") == 0);
    CHECK(rig.has_logged("was at the target already: k.t"));
    // Another column of that name is another matter.
    CHECK(client.query("ALTER TABLE k.t ADD c text").op() == opcode::result);
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("dead_letters") == 1);
}

TEST_CASE(
    "proxy: a change that the target has made when the proxy dies is not refused by the next run"
)
{
    proxy_rig rig;
    rig.options.patience.refusal_ms = 0;
    rig.target.set_script([&rig](const seen_request& r) {
        if (!r.is_schema()) return reply::normal();
        rig.target.add_column({"k", "t", "c", "regular", "int"});
        return reply::nothing().executed();
    });
    rig.start();
    {
        auto client = rig.client(4);
        CHECK(client.query(alter).op() == opcode::result);
        REQUIRE(rig.target.wait_for(1, is_schema));
    }
    rig.stop(0);
    rig.target.set_script([](const seen_request& r) {
        return r.is_schema() ? reply::error(error_code::invalid, "conflicts") : reply::normal();
    });
    rig.start();
    REQUIRE(rig.target.wait_for(2, is_schema));
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("dead_letters") == 0);
}

TEST_CASE("proxy: a change that the target refuses for good does not hold up what is behind it")
{
    proxy_rig rig;
    rig.options.patience.refusal_ms = 300;
    rig.target.set_script([](const seen_request& r) {
        return r.is_schema() ? reply::error(error_code::invalid, "no") : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query(alter).op() == opcode::result);
    CHECK(client.query(insert(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(rig.number("dead_letters") == 1);
    CHECK(rig.dead_letters().find(alter) != std::string::npos);
}

TEST_CASE("proxy: a write that the target refuses for good is kept with its values")
{
    proxy_rig rig;
    rig.options.patience.refusal_ms = 300;
    rig.target.set_script([](const seen_request& r) {
        return r.is_write() ? reply::error(error_code::invalid, "too narrow") : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    const auto id = client.prepare("INSERT INTO k.t (a, b, c) VALUES (?, ?, ?)");
    CHECK(client.execute(id, bound_values().of(7).null().unset()).op() == opcode::result);
    const auto named = bound_values().named("a", 8);
    const protocol::write_parameters by_name{
        .value_count = 1, .named_values = true, .values = named.view()};
    const auto update = query_body(4, "UPDATE k.t SET b = 'x' WHERE a = :a", by_name);
    CHECK(client.ask(opcode::query, update).op() == opcode::result);
    REQUIRE(rig.is_delivered());
    const auto letters = rig.dead_letters();
    const auto has = [&](std::string_view text) { return letters.find(text) != std::string::npos; };
    CHECK(has(R"("detail":"too narrow")"));
    CHECK(has(R"X("text":"INSERT INTO k.t (a, b, c) VALUES (?, ?, ?)")X"));
    CHECK(has(R"("values":["0x00000007",null,"unset"])"));
    CHECK(has(R"("names":["a"])"));
    CHECK(has(R"("values":["0x00000008"])"));
    CHECK(has(R"("writetime_us":)"));
    CHECK(rig.number("dead_letters") == 2);
}

TEST_CASE("proxy: a table that another loop is about to create is not held against a write")
{
    proxy_rig rig;
    rig.options.threads = 2;
    rig.options.patience.refusal_ms = 100;
    const auto created = std::make_shared<std::atomic<bool>>(false);
    const auto may_create = std::make_shared<std::atomic<bool>>(false);
    rig.target.set_script([=](const seen_request& r) {
        if (r.is_schema()) {
            if (!may_create->load()) return reply::error(error_code::overloaded);
            created->store(true);
        } else if (!created->load()) {
            return reply::error(error_code::invalid, "no such table");
        }
        return reply::normal();
    });
    rig.start();
    rig.source.add_table("k", "n");
    auto first = rig.client(4);
    CHECK(first.query("CREATE TABLE k.n (a int PRIMARY KEY)").op() == opcode::result);
    std::vector<wire_client> others;
    for (int i = 0; i < 12; ++i) {
        others.push_back(rig.client(4));
        CHECK(others.back().query("INSERT INTO k.n (a) VALUES (1)").op() == opcode::result);
    }
    // Some of them are on the other loop.
    REQUIRE(rig.target.wait_for(1, is_write));
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    CHECK(rig.number("dead_letters") == 0);
    may_create->store(true);
    REQUIRE(rig.target.wait_for_writes(12));
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("dead_letters") == 0);
}

TEST_CASE("proxy: the schema is read again after a change, so that new tables are known")
{
    proxy_rig rig;
    rig.start();
    rig.source.add_column({"k", "lists", "a", "partition_key", "int"});
    rig.source.add_column({"k", "lists", "l", "regular", "list<int>"});
    auto client = rig.client(4);
    CHECK(
        client.query("CREATE TABLE k.lists (a int PRIMARY KEY, l list<int>)").op() == opcode::result
    );
    // At once: the proxy has not read it yet.
    CHECK(client.query("UPDATE k.lists SET l = l + [1] WHERE a = 5").op() == opcode::result);
    REQUIRE(wait_for_refreshes(1));
    REQUIRE(rig.is_delivered());
    CHECK(refreshed()[0].table == "lists");
    CHECK(rig.target.count(is_write) == 0);
}

TEST_CASE("proxy: what concerns the server's own keyspaces stays at the source")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    for (const auto cql :
         {"ALTER KEYSPACE system_auth WITH replication = {'class': 'SimpleStrategy'}",
          "CREATE ROLE r WITH PASSWORD = 'secret'",
          "GRANT SELECT ON k.t TO r"}) {
        CHECK(client.query(cql).op() == opcode::result);
    }
    CHECK(client.query(insert(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(1));
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.count() == 1);
    CHECK(rig.number("dead_letters") == 0);
    CHECK_FALSE(rig.has_logged("secret"));
}

TEST_SUITE_END();
