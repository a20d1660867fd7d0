#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string truncate_t = "TRUNCATE k.t";

bool is_truncate(const seen_request& r)
{
    return r.is_truncate();
}

std::string insert(int a)
{
    return "INSERT INTO k.t (a) VALUES (" + std::to_string(a) + ")";
}

// Of the table as a whole.
std::size_t table_refreshes()
{
    std::size_t n = 0;
    for (const auto& key : refreshed()) n += key.partition.empty() && key.table == "t";
    return n;
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_truncate");

TEST_CASE("proxy: TRUNCATE reaches the target behind what was written before, then the rest is read"
)
{
    proxy_rig rig;
    rig.target.set_script([](const seen_request& r) {
        return r.is_write() ? reply::normal().after(80) : reply::normal();
    });
    rig.start();
    auto client = rig.client(5);
    for (int a = 0; a < 10; ++a) CHECK(client.query(insert(a)).op() == opcode::result);
    CHECK(client.query(truncate_t).op() == opcode::result);
    for (int a = 10; a < 20; ++a) CHECK(client.query(insert(a)).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(20));
    REQUIRE(rig.is_delivered());
    const auto seen = rig.target.requests();
    REQUIRE(seen.size() == 21);
    CHECK(seen[10]->is_truncate());
    CHECK(seen[10]->answers_before == 10);
    CHECK(table_refreshes() == 1);
    CHECK(rig.number("dead_letters") == 0);
}

TEST_CASE("proxy: TRUNCATE waits for what the other loops had accepted before")
{
    proxy_rig rig;
    rig.options.threads = 4;
    rig.options.target_connections = 1;
    rig.start();
    auto clients = clients_of_two_loops(rig);
    const auto written = rig.target.count(is_write);
    rig.target.set_script([](const seen_request& r) {
        return r.is_write() ? reply::held() : reply::normal();
    });
    clients.back().send(opcode::query, query_body(4, insert(100)));
    REQUIRE(rig.target.wait_for(written + 1, is_write));
    clients[0].send(opcode::query, query_body(4, truncate_t));
    CHECK(!rig.target.wait_for(1, is_truncate, 300));
    rig.target.answer_held();
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.count(is_truncate) == 1);
    CHECK(rig.target.requests(is_truncate)[0]->answers_before == written + 1);
}

TEST_CASE("proxy: what is written while the source executes a TRUNCATE stands before it")
{
    proxy_rig rig;
    rig.options.wait = false;
    rig.source.set_script([](const seen_request& r) {
        return r.is_truncate() ? reply::held() : reply::normal();
    });
    rig.target.set_script([](const seen_request& r) {
        return r.is_write() ? reply::normal().after(100) : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    auto other = rig.client(4);
    client.send(opcode::query, query_body(4, truncate_t));
    REQUIRE(rig.source.wait_for(1, is_truncate));
    for (int a = 0; a < 5; ++a) CHECK(other.query(insert(a)).op() == opcode::result);
    rig.source.answer_held();
    CHECK(client.receive().op() == opcode::result);
    REQUIRE(rig.is_delivered());
    REQUIRE(rig.target.count(is_truncate) == 1);
    CHECK(rig.target.requests(is_truncate)[0]->answers_before == 5);
    CHECK(rig.number("writes_void") == 0);
}

TEST_CASE("proxy: two TRUNCATEs of different loops do not wait for each other for ever")
{
    proxy_rig rig;
    rig.options.threads = 4;
    rig.options.wait = false;
    rig.target.down();
    rig.start(false);
    std::vector<wire_client> clients;
    for (int i = 0; i < 16; ++i) clients.push_back(rig.client(4));
    for (int i = 0; i < 16; ++i) {
        CHECK(clients[i].query(insert(i)).op() == opcode::result);
        CHECK(clients[i].query(truncate_t).op() == opcode::result);
    }
    rig.target.up();
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.count(is_truncate) == 16);
    CHECK(rig.number("dead_letters") == 0);
}

TEST_CASE("proxy: a TRUNCATE that the source did not answer is kept and sent to nobody again")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request& r) {
        return r.is_truncate() ? reply::error(error_code::truncate_error) : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query(truncate_t).is_error());
    REQUIRE(rig.wait_for_number("dead_letters", 1));
    REQUIRE(rig.is_delivered());
    CHECK(rig.source.count(is_truncate) == 1);
    CHECK(rig.target.count(is_truncate) == 0);
    CHECK(rig.has_logged("did not say whether it was executed"));
    CHECK(rig.dead_letters().find(truncate_t) != std::string::npos);
}

TEST_CASE("proxy: a DROP that the source did not answer is kept and sent to nobody again")
{
    for (const std::string text : {"DROP TABLE k.t", "ALTER TABLE k.t DROP b"}) {
        CAPTURE(text);
        proxy_rig rig;
        rig.source.set_script([](const seen_request& r) {
            return r.is_schema() ? reply::cut() : reply::normal();
        });
        rig.start();
        auto client = rig.client(4);
        client.send(opcode::query, query_body(4, text));
        REQUIRE(rig.wait_for_number("dead_letters", 1));
        CHECK(rig.source.count([](const auto& r) { return r.is_schema(); }) == 1);
        CHECK(rig.target.count([](const auto& r) { return r.is_schema(); }) == 0);
    }
}

TEST_CASE("proxy: after a crash a TRUNCATE that the target has is not executed again")
{
    proxy_rig rig;
    rig.start();
    {
        auto client = rig.client(4);
        CHECK(client.query(truncate_t).op() == opcode::result);
        REQUIRE(rig.is_delivered());
        CHECK(client.query(insert(1)).op() == opcode::result);
    }
    rig.stop();
    rig.start();
    REQUIRE(rig.is_delivered());
    CHECK(rig.source.count(is_truncate) == 1);
    CHECK(rig.target.count(is_truncate) == 1);
}

TEST_CASE("proxy: a TRUNCATE of an earlier run is executed before what this run writes is lost")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    {
        auto client = rig.client(4);
        CHECK(client.query(insert(1)).op() == opcode::result);
        CHECK(client.query(truncate_t).op() == opcode::result);
    }
    rig.stop();
    rig.target.up();
    rig.start();
    REQUIRE(rig.is_delivered());
    CHECK(rig.source.count(is_truncate) == 1);
    CHECK(rig.target.count(is_truncate) == 1);
    CHECK(table_refreshes() == 1);
}

TEST_CASE("proxy: --ddl decides what becomes of DDL and TRUNCATE")
{
    for (const auto policy : {engine::ddl_policy::source_only, engine::ddl_policy::refuse}) {
        const bool refused = policy == engine::ddl_policy::refuse;
        CAPTURE(refused);
        proxy_rig rig;
        rig.options.ddl = policy;
        rig.start();
        auto client = rig.client(4);
        for (const std::string text : {"TRUNCATE k.t", "CREATE TABLE k.u (a int PRIMARY KEY)"}) {
            CAPTURE(text);
            const auto answer = client.query(text);
            CHECK(answer.is_error() == refused);
            const auto seen = rig.source.count([&](const auto& r) { return r.text == text; });
            CHECK(seen == (refused ? 0 : 1));
        }
        CHECK(rig.wait_for_number("dead_letters", refused ? 0 : 2));
        CHECK(client.query(insert(1)).op() == opcode::result);
        REQUIRE(rig.is_delivered());
        CHECK(rig.target.count() == 1);
        if (refused) CHECK(rig.has_logged("--ddl refuse"));
    }
}

TEST_SUITE_END();
