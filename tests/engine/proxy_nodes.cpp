#include <doctest/doctest.h>

#include <set>

#include "../support/proxy_rig.hpp"

// A target of several nodes: contact points, and nodes that it tells of.
using namespace dualwrite;
using namespace dualwrite::test;

namespace {

engine::contact_point at(std::uint16_t port)
{
    return {"127.0.0.1", port};
}

// INSERTs number `first` to `last`, one after the other.
void write(wire_client& client, int first, int last)
{
    for (int a = first; a <= last; ++a)
        CHECK_FALSE(
            client.query("INSERT INTO k.t (a) VALUES (" + std::to_string(a) + ")").is_error()
        );
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_nodes");

TEST_CASE("nodes: all nodes of the target's datacenter that it tells of are written to")
{
    proxy_rig rig;
    fake_cluster second("second"), elsewhere("elsewhere");
    rig.target.add_peer(second.port(), "dc1");
    rig.target.add_peer(elsewhere.port(), "dc2");
    rig.start();
    CHECK(rig.wait_for_number("target_connections", 4));
    CHECK(elsewhere.connections() == 0);
    SUBCASE("one after the other")
    {
        auto client = rig.client();
        write(client, 1, 200);
        CHECK(rig.is_delivered());
        CHECK(rig.target.writes().size() + second.writes().size() == 200);
        CHECK(rig.target.writes().size() >= 20);
        CHECK(second.writes().size() >= 20);
    }
    SUBCASE("when the contact point is away, the other one gets everything")
    {
        rig.target.down();
        REQUIRE(rig.wait_for_number("target_connections", 2));
        auto client = rig.client();
        write(client, 1, 20);
        CHECK(rig.is_delivered());
        CHECK(second.writes().size() == 20);
        CHECK(rig.running().status_json().find("\"reachable\":false") == std::string::npos);
    }
    SUBCASE("a node that vanishes in the middle loses nothing")
    {
        auto client = rig.client();
        second.set_script([](const seen_request&) { return reply::nothing(); });
        write(client, 1, 40);
        second.drop_connections();
        second.set_script({});
        write(client, 41, 60);
        CHECK(rig.is_delivered());
        std::set<std::string> got;
        for (const auto* side : {&rig.target, &second})
            for (const auto& its : side->writes()) got.insert(its->text);
        CHECK(got.size() == 60);
    }
}

TEST_CASE("nodes: with --target-discovery false only the contact points are written to")
{
    proxy_rig rig;
    fake_cluster second("second");
    rig.target.add_peer(second.port(), "dc1");
    rig.options.target_discovery = false;
    rig.start();
    auto client = rig.client();
    write(client, 1, 10);
    CHECK(rig.is_delivered());
    CHECK(rig.target.writes().size() == 10);
    CHECK(second.connections() == 0);
}

TEST_CASE("nodes: of several contact points each will do, and a node is counted once")
{
    proxy_rig rig;
    fake_cluster second("second");
    rig.target.add_peer(second.port(), "dc1");
    rig.options.target.more = {at(second.port())};
    rig.target.down();
    rig.start(false);
    REQUIRE(rig.wait_for_number("target_connections", 2));
    auto client = rig.client();
    write(client, 1, 10);
    CHECK(rig.is_delivered());
    CHECK(second.writes().size() == 10);
    rig.target.up();
    CHECK(rig.wait_for_number("target_connections", 4));
    CHECK_FALSE(eventually([&] { return rig.number("target_connections") != 4; }, 500));
}

TEST_SUITE_END();
