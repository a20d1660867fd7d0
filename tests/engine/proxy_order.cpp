#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

std::string insert(int a)
{
    return "INSERT INTO k.t (a) VALUES (" + std::to_string(a) + ")";
}

const std::string conditional = "DELETE FROM k.t WHERE a = 1 IF EXISTS";

reply writes_held(const seen_request& r)
{
    return r.is_write() ? reply::held() : reply::normal();
}

reply applied(const seen_request& r)
{
    return r.text == conditional ? reply::message(opcode::result, applied_body(true))
                                 : reply::normal();
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_order");

TEST_CASE("proxy: a refresh begins when the older writes are at the target, for it leaves no trace")
{
    proxy_rig rig;
    rig.options.wait = false;
    rig.source.set_script(applied);
    rig.target.set_script(writes_held);
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query(insert(1)).op() == opcode::result);
    CHECK(client.query(conditional).body == applied_body(true));
    REQUIRE(rig.target.wait_for(1, is_write));
    CHECK(!wait_for_refreshes(1, 300));
    // What is newer is not waited for.
    CHECK(client.query(insert(2)).op() == opcode::result);
    REQUIRE(rig.target.wait_for(2, is_write));
    rig.target.set_script({});
    rig.target.answer_held();
    REQUIRE(wait_for_refreshes(1));
    REQUIRE(rig.is_delivered());
}

TEST_CASE("proxy: a refresh waits for the older writes of other loops")
{
    proxy_rig rig;
    rig.options.wait = false;
    rig.options.threads = 4;
    rig.options.target_connections = 1;
    rig.source.set_script(applied);
    rig.start();
    auto clients = clients_of_two_loops(rig);
    const auto written = rig.target.count(is_write);
    rig.target.set_script(writes_held);
    CHECK(clients.back().query(insert(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for(written + 1, is_write));
    CHECK(clients[0].query(conditional).body == applied_body(true));
    CHECK(!wait_for_refreshes(1, 300));
    rig.target.answer_held();
    REQUIRE(wait_for_refreshes(1));
    REQUIRE(rig.is_delivered());
}

TEST_CASE("proxy: refreshes do not wait for each other, nor for what lies behind a barrier")
{
    proxy_rig rig;
    rig.options.wait = false;
    rig.options.threads = 4;
    rig.source.set_script(applied);
    rig.target.down();
    rig.start(false);
    std::vector<wire_client> clients;
    for (int i = 0; i < 16; ++i) clients.push_back(rig.client(4));
    for (int round = 0; round < 3; ++round) {
        for (auto& client : clients) {
            CHECK(client.query(conditional).body == applied_body(true));
            CHECK(client.query("ALTER TABLE k.t ADD c int").op() == opcode::result);
            CHECK(client.query(insert(round)).op() == opcode::result);
        }
    }
    rig.target.up();
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("dead_letters") == 0);
    CHECK(rig.number("refreshed") == 48);
}

TEST_CASE("proxy: a refresh of an earlier run waits for that run's writes, and this run's for both")
{
    proxy_rig rig;
    rig.options.wait = false;
    rig.source.set_script(applied);
    rig.target.down();
    rig.start(false);
    {
        auto client = rig.client(4);
        CHECK(client.query(insert(1)).op() == opcode::result);
        CHECK(client.query(conditional).body == applied_body(true));
    }
    rig.stop();
    rig.target.set_script(writes_held);
    rig.target.up();
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query(conditional).body == applied_body(true));
    REQUIRE(rig.target.wait_for(1, is_write));
    CHECK(!wait_for_refreshes(1, 300));
    rig.target.set_script({});
    rig.target.answer_held();
    REQUIRE(wait_for_refreshes(2));
    REQUIRE(rig.is_delivered());
}

TEST_CASE("proxy: a refresh of an earlier run does not wait for what that run has delivered")
{
    proxy_rig rig;
    rig.options.wait = false;
    rig.source.set_script(applied);
    set_refresh_script([](const engine::refresh_key&) {
        return engine::refresh_result{.status = engine::refresh_status::retry, .why = "scripted"};
    });
    rig.start();
    {
        auto client = rig.client(4);
        CHECK(client.query(conditional).body == applied_body(true));
        // Of other partitions, which the transaction does not concern.
        for (int a = 100; a < 110; ++a) CHECK(client.query(insert(a)).op() == opcode::result);
        REQUIRE(rig.wait_for_number("replicated", 10));
    }
    rig.stop();
    reset_refreshes();
    rig.start();
    REQUIRE(rig.is_delivered());
    CHECK(refreshed().size() == 1);
}

TEST_CASE("proxy: more refreshes than the window holds are done")
{
    proxy_rig rig;
    rig.options.wait = false;
    rig.source.set_script(applied);
    rig.target.down();
    rig.start(false);
    auto client = rig.client(4);
    const int count = 20'000;
    for (int sent = 0; sent < count; sent += 100) {
        for (int i = 0; i < 100; ++i)
            client.send(opcode::query, query_body(4, conditional), static_cast<std::int16_t>(i));
        for (int i = 0; i < 100; ++i) CHECK(client.receive().op() == opcode::result);
    }
    CHECK(client.query(insert(1)).op() == opcode::result);
    rig.target.up();
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("refreshed") == count);
}

TEST_SUITE_END();
