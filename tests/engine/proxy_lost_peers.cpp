#include <doctest/doctest.h>

#include "../support/proxy_rig.hpp"

// Peers whose machine or network is gone without a word (half-open connections).
using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

constexpr std::int64_t limit_ms = 3000;
// The kernel probes in whole seconds, and its timers are late rather than early.
constexpr std::int64_t margin_ms = 12'000;

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_lost_peers");

TEST_CASE("lost peers: a silent client that vanished is let go, with its connection to the source")
{
    proxy_rig rig;
    rig.options.lost_peer_limit_ms = limit_ms;
    rig.start();
    auto stays = rig.client();
    const auto settled = rig.source.open_connections();
    auto gone = rig.client();
    CHECK(rig.source.open_connections() == settled + 1);
    gone.vanish();
    CHECK(rig.wait_for_number("clients", 1, limit_ms + margin_ms));
    CHECK(eventually([&] { return rig.source.open_connections() == settled; }));
    CHECK_FALSE(stays.query("SELECT v FROM k.t").is_error());
}

TEST_CASE("lost peers: clients of a source that vanished are told, new ones are served")
{
    proxy_rig rig;
    rig.options.lost_peer_limit_ms = limit_ms;
    rig.source.set_script([](const seen_request& r) {
        return r.is_write() ? reply::normal() : reply::held();
    });
    rig.start();
    auto answered = rig.client();
    auto waiting = rig.client();
    auto idle = rig.client();
    waiting.send(opcode::query, query_body(4, "SELECT v FROM k.t"), 3);
    CHECK(rig.source.wait_for(1, [](const seen_request& r) { return !r.is_write(); }));
    rig.source.vanish();
    // Bytes that nobody takes, a request that nobody answers, and silence.
    answered.send(opcode::query, query_body(4, "INSERT INTO k.t (a) VALUES (1)"), 4);
    for (auto* client : {&answered, &waiting, &idle}) {
        client->set_limit_ms(limit_ms + margin_ms);
        CHECK(client->is_closed());
    }
    auto next = rig.client();
    CHECK_FALSE(next.query("INSERT INTO k.t (a) VALUES (2)").is_error());
}

TEST_CASE("lost peers: writes to a target that vanished arrive when it is there again")
{
    proxy_rig rig;
    rig.options.lost_peer_limit_ms = limit_ms;
    rig.options.wait = false;
    rig.start();
    auto client = rig.client();
    CHECK_FALSE(client.query("INSERT INTO k.t (a) VALUES (1)").is_error());
    CHECK(rig.target.wait_for_writes(1));
    rig.target.vanish();
    for (int a = 2; a < 6; ++a)
        CHECK_FALSE(
            client.query("INSERT INTO k.t (a) VALUES (" + std::to_string(a) + ")").is_error()
        );
    CHECK(rig.is_delivered(limit_ms + margin_ms));
}

TEST_SUITE_END();
