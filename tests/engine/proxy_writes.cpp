#include "../support/proxy_rig.hpp"

#include <doctest/doctest.h>

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

TEST_SUITE_BEGIN("engine/proxy_writes");

TEST_CASE("proxy: a write reaches both sides with the same write time")
{
    proxy_rig rig;
    rig.start();
    for (const auto version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        auto client = rig.client(version);
        CHECK(client.query("INSERT INTO k.t (a, b) VALUES (1, 'x')").op() == opcode::result);
        REQUIRE(rig.target.wait_for_writes(1));
        const auto at_source = rig.source.writes();
        const auto at_target = rig.target.writes();
        REQUIRE(at_source.size() == 1);
        REQUIRE(at_target.size() == 1);
        REQUIRE(at_source[0]->timestamp_us);
        CHECK(at_source[0]->timestamp_us == at_target[0]->timestamp_us);
        CHECK(at_source[0]->text == at_target[0]->text);
        rig.source.forget_requests();
        rig.target.forget_requests();
    }
}

TEST_SUITE_END();
