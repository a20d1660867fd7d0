#include <doctest/doctest.h>

#include <functional>
#include <optional>

#include "../support/counting_new.hpp"
#include "../support/proxy_rig.hpp"

// What the proxy takes from the heap for one request when it has warmed up: nothing. Its own
// timers take a little 20 times a second.

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

constexpr int requests = 20'000;
constexpr double per_request_max = 0.02;
constexpr int in_flight = 64;

// A rig whose own threads are not counted, and whose clusters remember nothing.
struct quiet_rig {
    quiet_rig()
    {
        leave_out_this_thread();
        const leave_out_new_threads fakes;
        rig.emplace();
        // By now their threads have run.
        for (auto* its : {&rig->source, &rig->target}) {
            its->down();
            its->up();
        }
    }
    std::optional<proxy_rig> rig;
};

// Keeps `in_flight` requests on their way until all are answered.
void pump(wire_client& client, int count, const std::string& body, opcode op)
{
    std::vector<std::string> wires;
    for (std::int16_t stream = 0; stream < in_flight; ++stream)
        wires.push_back(client.wire_of(op, body, stream));
    for (const auto& wire : wires) client.send_bytes(wire);
    for (int answered = 0; answered < count; ++answered) {
        const auto got = client.receive();
        if (got.op() != opcode::result) FAIL("no result");
        if (answered + in_flight < count)
            client.send_bytes(wires[static_cast<std::size_t>(got.stream())]);
    }
}

double
allocations_per_request(proxy_rig& rig, wire_client& client, const std::string& body, opcode op)
{
    // Warms up: with `wait` each of 16,384 places for an answer gets its memory once.
    pump(client, requests, body, op);
    REQUIRE(rig.is_delivered());
    const auto before = allocations();
    pump(client, requests, body, op);
    REQUIRE(rig.is_delivered());
    return static_cast<double>(allocations() - before) / requests;
}

struct shape {
    const char* name;
    bool wait;
    client_settings client;
};

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_allocations");

TEST_CASE("proxy: a forwarded prepared write takes nothing from the heap")
{
    for (const auto& its :
         {shape{"v4", false, {.version = 4}},
          shape{"v5", false, {.version = 5}},
          shape{"v4 wait", true, {.version = 4}},
          shape{"v5 wait", true, {.version = 5}},
          shape{"v5 LZ4", false, {.version = 5, .compression = protocol::compression::lz4}}}) {
        INFO(its.name);
        quiet_rig quiet;
        auto& rig = *quiet.rig;
        rig.options.wait = its.wait;
        rig.start();
        auto client = rig.client(its.client);
        const auto id = client.prepare("INSERT INTO k.t (a, b) VALUES (?, ?)");
        const auto body =
            execute_body(its.client.version, id, bound_values().of(1).of(std::string(100, 'v')));
        const auto per_request = allocations_per_request(rig, client, body, opcode::execute);
        CHECK(per_request < per_request_max);
    }
}

TEST_CASE("proxy: a forwarded read takes nothing from the heap")
{
    for (const auto& its :
         {shape{"v4", false, {.version = 4}},
          shape{"v5", false, {.version = 5}},
          shape{"v5 LZ4", false, {.version = 5, .compression = protocol::compression::lz4}}}) {
        INFO(its.name);
        quiet_rig quiet;
        auto& rig = *quiet.rig;
        rig.start();
        auto client = rig.client(its.client);
        const auto id = client.prepare("SELECT v FROM k.t WHERE a = ?");
        const auto prepared = execute_body(its.client.version, id, bound_values().of(1));
        CHECK(allocations_per_request(rig, client, prepared, opcode::execute) < per_request_max);
        const auto text = query_body(its.client.version, "SELECT v FROM k.t WHERE a = 1");
        CHECK(allocations_per_request(rig, client, text, opcode::query) < per_request_max);
    }
}

TEST_CASE("proxy: the counter sees an allocation for each request where there is one")
{
    // Text with literals is read anew each time, and that is known to take memory.
    quiet_rig quiet;
    auto& rig = *quiet.rig;
    rig.start();
    auto client = rig.client(4);
    const auto body = query_body(4, "INSERT INTO k.t (a) VALUES (1)");
    CHECK(allocations_per_request(rig, client, body, opcode::query) > 1);
}

TEST_SUITE_END();
