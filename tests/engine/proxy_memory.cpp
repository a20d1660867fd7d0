#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

constexpr std::uint64_t mib = 1 << 20;
const std::string insert = "INSERT INTO k.t (a, b) VALUES (?, ?)";

// The most memory that the proxy says to have used, looked at all the time.
class memory_watch {
public:
    explicit memory_watch(const proxy_rig& rig)
        : thread_([this, &rig] {
              while (!ends_) {
                  most_ = std::max<std::uint64_t>(most_, rig.memory("size_bytes"));
                  std::this_thread::sleep_for(std::chrono::microseconds(500));
              }
          })
    {
    }
    ~memory_watch() { end(); }
    std::uint64_t end()
    {
        ends_ = true;
        if (thread_.joinable()) thread_.join();
        return most_;
    }

private:
    std::atomic<bool> ends_{false};
    std::atomic<std::uint64_t> most_{0};
    std::thread thread_;
};

bool is_free_again(const proxy_rig& rig)
{
    return eventually([&] { return rig.memory("size_bytes") < mib; });
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_memory");

TEST_CASE("memory: many clients that do not read large results stay within the budget, then go on")
{
    constexpr int clients = 60, results = 8;
    for (const auto version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        proxy_rig rig;
        rig.options.memory_max = 4 * mib;
        rig.source.set_script([](const seen_request& r) {
            if (r.is_write()) return reply::normal();
            return reply::message(opcode::result, rows_body({std::string(1 << 20, 'L')}));
        });
        rig.start();
        memory_watch watch(rig);
        std::vector<wire_client> slow;
        for (int i = 0; i < clients; ++i) {
            slow.push_back(rig.client(version));
            for (std::int16_t stream = 0; stream < results; ++stream)
                slow.back().send(opcode::query, query_body(version, "SELECT v FROM k.t"), stream);
        }
        // Without a budget these would have 20 MiB: 64 KiB and one read for each.
        CHECK(eventually([&] { return rig.memory("size_bytes") > 2 * mib; }));
        auto other = rig.client(version);
        for (int i = 0; i < 20; ++i)
            CHECK(other.query(insert, bound_values().of(i).of("x")).op() == opcode::result);
        for (auto& client : slow)
            for (int i = 0; i < results; ++i) CHECK(client.receive().body.size() > mib);
        // Beside the budget, for each connection of version 5: docs/operations.md, "Memory".
        CHECK(watch.end() <= 4 * mib + (version == 5 ? clients * 160u * 1024 : 0));
        CHECK(is_free_again(rig));
    }
}

TEST_CASE("memory: many large requests to a source that takes nothing wait, then all go on")
{
    constexpr int clients = 24;
    const std::string large(mib, 'x');
    for (const auto version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        proxy_rig rig;
        rig.options.memory_max = 16 * mib;
        rig.options.spool_size_max = 256 * mib;
        rig.start();
        std::vector<wire_client> all;
        for (int i = 0; i < clients; ++i) all.push_back(rig.client(version));
        rig.source.set_reading(false);
        memory_watch watch(rig);
        std::atomic<int> answered{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < clients; ++i)
            threads.emplace_back([&, i] {
                for (int n = 0; n < 2; ++n) {
                    const auto values = bound_values().of(i * 10 + n).of(large);
                    if (all[static_cast<std::size_t>(i)].query(insert, values).op() ==
                        opcode::result)
                        ++answered;
                }
            });
        CHECK(eventually([&] { return rig.number("memory_waits") > 0; }));
        rig.source.set_reading(true);
        for (auto& thread : threads) thread.join();
        CHECK(answered == 2 * clients);
        // The budget, and one request that is always let in.
        CHECK(watch.end() <= 16 * mib + 4 * (mib + 1024));
        CHECK(rig.has_logged("--memory-max"));
        REQUIRE(rig.is_delivered());
        CHECK(rig.target.writes().size() == 2 * clients);
        CHECK(eventually([&] { return rig.memory("size_bytes") < 4 * mib; }));
    }
}

TEST_CASE("memory: a request that is larger than the budget is served, alone")
{
    proxy_rig rig;
    rig.options.memory_max = mib;
    rig.start();
    for (const auto version : {std::uint8_t{4}, std::uint8_t{5}}) {
        auto client = rig.client(version);
        const auto values = bound_values().of(1).of(std::string(3 * mib, 'x'));
        CHECK(client.query(insert, values).op() == opcode::result);
        REQUIRE(rig.is_delivered());
    }
    CHECK(rig.target.writes().size() == 2);
}

TEST_CASE("memory: who begins a large request and stops is sent away, and the next has its room")
{
    proxy_rig rig;
    rig.options.memory_max = 4 * mib;
    rig.options.patience.stall_ms = 1500;
    rig.start();
    const auto body = query_body(4, insert, bound_values().of(1).of(std::string(2 * mib, 'x')));
    auto stopped = rig.client(4);
    auto waiting = rig.client(4);
    stopped.send_bytes(stopped.wire_of(opcode::query, body).substr(0, mib));
    CHECK(eventually([&] { return rig.memory("size_bytes") >= 4 * mib; }));
    std::thread sender([&] { waiting.send(opcode::query, body); });
    CHECK(rig.wait_for_number("memory_waits", 1));
    CHECK(rig.number("clients_expired") == 0);
    CHECK(stopped.is_closed());
    CHECK(rig.has_logged("it stopped in the middle of a request"));
    sender.join();
    CHECK(waiting.receive().op() == opcode::result);
    CHECK(is_free_again(rig));
}

TEST_CASE("memory: who takes nothing of its answers may stay, but not while memory is short")
{
    for (const bool short_of : {false, true}) {
        CAPTURE(short_of);
        proxy_rig rig;
        rig.options.memory_max = short_of ? mib : 64 * mib;
        rig.options.patience.stall_ms = 1000;
        rig.source.set_script([](const seen_request&) {
            return reply::message(opcode::result, rows_body({std::string(1 << 20, 'L')}));
        });
        rig.start();
        auto slow = rig.client(4);
        for (std::int16_t stream = 0; stream < 16; ++stream)
            slow.send(opcode::query, query_body(4, "SELECT v FROM k.t"), stream);
        std::vector<wire_client> others;
        for (int i = 0; short_of && i < 4; ++i) {
            others.push_back(rig.client(4));
            for (std::int16_t stream = 0; stream < 16; ++stream)
                others.back().send(opcode::query, query_body(4, "SELECT v FROM k.t"), stream);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2500));
        CHECK((rig.number("clients_expired") > 0) == short_of);
        if (!short_of)
            for (int i = 0; i < 16; ++i) CHECK(slow.receive().op() == opcode::result);
    }
}

TEST_CASE("memory: an outage of the target takes no more than its part of the budget")
{
    proxy_rig rig;
    rig.options.memory_max = 16 * mib;
    rig.target.down();
    rig.start(false);
    memory_watch watch(rig);
    auto client = rig.client(5);
    const auto id = client.prepare(insert);
    const std::string text(100'000, 'x');
    for (int i = 0; i < 300; ++i)
        CHECK(client.execute(id, bound_values().of(i).of(text)).op() == opcode::result);
    CHECK(watch.end() < 12 * mib);
    rig.target.up();
    REQUIRE(rig.target.wait_for_writes(300));
    REQUIRE(rig.is_delivered());
}

TEST_SUITE_END();
