#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a) VALUES (1)";

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_documented");

TEST_CASE("dest-close: who was there when the target was lost goes at its next request")
{
    for (const bool asked : {true, false}) {
        CAPTURE(asked);
        proxy_rig rig;
        rig.options.close_when_target_lost = asked;
        rig.start();
        auto client = rig.client(5);
        CHECK(client.query(insert).op() == opcode::result);
        rig.target.down();
        REQUIRE(rig.wait_for_number("target_connections", 0));
        CHECK(client.is_quiet(300));
        auto later = rig.client(5);
        client.send(opcode::query, query_body(5, insert));
        if (asked)
            CHECK(client.is_closed());
        else
            CHECK(client.receive().op() == opcode::result);
        // Nothing is lost meanwhile, and a client of now is served.
        CHECK(later.query(insert).op() == opcode::result);
        rig.target.up();
        CHECK(rig.target.wait_for_writes(asked ? 2 : 3));
    }
}

TEST_CASE("write-buffer-size: what a slow client leaves waiting is bounded by it")
{
    constexpr std::size_t results = 40;
    const std::string large(2'000'000, 'L');
    const auto all = results * large.size();
    const auto taken = [&](std::uint32_t limit) {
        proxy_rig rig;
        rig.options.write_buffer_size = limit;
        rig.source.set_script([&](const seen_request&) {
            return reply::message(opcode::result, rows_body({large}));
        });
        rig.start();
        auto slow = rig.client(4);
        const auto source = rig.source.client_connections().back();
        for (std::size_t i = 0; i < results; ++i)
            slow.send(
                opcode::query, query_body(4, "SELECT v FROM k.t"), static_cast<std::int16_t>(i)
            );
        std::size_t before = 0;
        // Until nothing moves any more, under a sanitizer too.
        for (int still = 0; still < 15 && before <= all; ++still) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            const auto now = rig.source.sent(source).size();
            if (now != before) still = 0;
            before = now;
        }
        for (std::size_t i = 0; i < results; ++i) CHECK(slow.receive().body.size() > large.size());
        return before;
    };
    CHECK(taken(65'536) < all / 2);
    CHECK(taken(1u << 30) > all);
}

TEST_CASE("source-identifier, target-identifier: name the sides for people")
{
    proxy_rig rig;
    rig.options.source.identifier = "east \"1\"";
    rig.start();
    CHECK(rig.running().status_json().find(R"("identifier":"east \"1\"")") != std::string::npos);
    const auto metrics = rig.running().metrics_text();
    CHECK(metrics.find(R"(identifier="east \"1\""} 1)") != std::string::npos);
    CHECK(metrics.find(R"(identifier=""} 1)") != std::string::npos);
    rig.source.down();
    wire_client client(rig.running().port());
    CHECK(eventually([&] { return rig.has_logged("the source east \"1\" (127.0.0.1:"); }));
}

TEST_SUITE_END();
