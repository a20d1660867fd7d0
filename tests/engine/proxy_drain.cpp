#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a) VALUES (1)";

// The kernel may let a handshake end in the moment in which the listener is closed, and keep no
// socket for it: the client believes in its connection until it sends.
bool refuses_connections(std::uint16_t port)
{
    try {
        wire_client client(port);
        client.send(opcode::options, {});
        client.set_limit_ms(100);
        return client.is_closed();
    } catch (const wire_error&) {
        return true;
    }
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_drain");

TEST_CASE("drain: requests in flight are answered, then the client is sent away")
{
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        proxy_rig rig;
        rig.source.set_script([](const seen_request&) { return reply::held(); });
        rig.start();
        auto client = rig.client(version);
        client.send(opcode::query, query_body(version, "SELECT v FROM k.t"), 1);
        client.send(opcode::query, query_body(version, insert), 2);
        REQUIRE(rig.source.wait_for(2, {}));
        rig.running().stop(20'000);
        REQUIRE(eventually([&] { return refuses_connections(rig.running().port()); }));
        CHECK_FALSE(rig.running().wait(100));
        rig.source.answer_held();
        CHECK(client.receive().stream() == 1);
        CHECK(client.receive().stream() == 2);
        CHECK(client.is_closed());
        CHECK(rig.running().wait(20'000));
        CHECK(rig.target.writes().size() == 1);
        CHECK(rig.running().failure().empty());
    }
}

TEST_CASE("drain: answers that wait for the target are given")
{
    proxy_rig rig;
    rig.options.wait = true;
    rig.options.wait_limit_ms = 20'000;
    rig.target.set_script([](const seen_request& r) {
        return r.is_write() ? reply::held() : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, insert), 5);
    REQUIRE(rig.target.wait_for(1, is_write));
    rig.running().stop(20'000);
    CHECK(client.is_quiet(200));
    rig.target.answer_held();
    CHECK(client.receive().stream() == 5);
    CHECK(client.is_closed());
    CHECK(rig.running().wait(20'000));
}

TEST_CASE("drain: a large result that has begun is passed on to its end")
{
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        proxy_rig rig;
        const std::string large(2'000'000, 'L');
        rig.source.set_script([&](const seen_request&) {
            return reply::message(opcode::result, rows_body({large})).in_pieces(10'000);
        });
        rig.start();
        auto client = rig.client(version);
        client.send(opcode::query, query_body(version, "SELECT v FROM k.t"));
        REQUIRE(eventually([&] {
            return rig.source.sent(rig.source.client_connections().back()).size() > 300'000;
        }));
        rig.running().stop(20'000);
        CHECK(client.receive().body == rows_body({large}));
        CHECK(client.is_closed());
        CHECK(rig.running().wait(20'000));
    }
}

TEST_CASE("drain: clients that ask nothing are sent away at once, and so is who only connected")
{
    proxy_rig rig;
    rig.start();
    auto idle = rig.client(5);
    wire_client silent(rig.running().port());
    REQUIRE(rig.wait_for_number("clients", 2));
    rig.running().stop(20'000);
    CHECK(idle.is_closed());
    CHECK(silent.is_closed());
    CHECK(rig.running().wait(20'000));
}

TEST_CASE("drain: what the target has not got yet is delivered first")
{
    proxy_rig rig;
    rig.target.set_script([](const seen_request& r) {
        return r.is_write() ? reply::normal().after(200) : reply::normal();
    });
    rig.start();
    {
        auto client = rig.client(4);
        for (int i = 0; i < 100; ++i) CHECK(client.query(insert).op() == opcode::result);
    }
    rig.stop(20'000);
    CHECK(rig.target.writes().size() == 100);
}

TEST_CASE("drain: has a limit, and what is left is delivered by the next run")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    {
        auto client = rig.client(4);
        for (int i = 0; i < 10; ++i) CHECK(client.query(insert).op() == opcode::result);
    }
    const auto began = now_ms();
    rig.stop(300);
    CHECK(now_ms() - began >= 300);
    CHECK(now_ms() - began < 10'000);
    rig.target.up();
    rig.start();
    CHECK(rig.target.wait_for_writes(10));
}

TEST_CASE("drain: a second stop with a shorter limit ends it sooner")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    auto client = rig.client(4);
    CHECK(client.query(insert).op() == opcode::result);
    const auto began = now_ms();
    rig.running().stop(60'000);
    CHECK_FALSE(rig.running().wait(100));
    rig.running().stop(0);
    CHECK(rig.running().wait(20'000));
    CHECK(now_ms() - began < 20'000);
    rig.running().stop(0);  // once more: nothing happens
}

TEST_CASE("drain: a request that comes too late is not forwarded")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request& r) {
        return r.is_write() ? reply::normal() : reply::held();
    });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, "SELECT v FROM k.t"), 1);
    REQUIRE(rig.source.wait_for(1, {}));
    rig.running().stop(20'000);
    REQUIRE(eventually([&] { return refuses_connections(rig.running().port()); }));
    client.send(opcode::query, query_body(4, insert), 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    rig.source.answer_held();
    CHECK(client.receive().stream() == 1);
    CHECK(client.is_closed());
    CHECK(rig.running().wait(20'000));
    CHECK(rig.source.count(is_write) == 0);
    CHECK(rig.target.count() == 0);
}

TEST_CASE("drain: says so in its status")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request&) { return reply::held(); });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, "SELECT v FROM k.t"));
    REQUIRE(rig.source.wait_for(1, {}));
    CHECK(rig.running().status_json().find("\"running\"") != std::string::npos);
    rig.running().stop(20'000);
    CHECK(rig.running().status_json().find("\"draining\"") != std::string::npos);
    rig.source.answer_held();
    CHECK(rig.running().wait(20'000));
}

TEST_SUITE_END();
