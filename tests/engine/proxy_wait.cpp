#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::compression;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a) VALUES (1)";

reply hold_writes(const seen_request& r)
{
    return r.is_write() ? reply::held() : reply::normal();
}

struct waiting_rig : proxy_rig {
    waiting_rig()
    {
        options.wait = true;
        options.wait_limit_ms = 20'000;
    }
};

void send_write(wire_client& client, std::int16_t stream = 0)
{
    client.send(opcode::query, query_body(client.version(), insert), stream);
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_wait");

TEST_CASE("proxy: with wait the answer comes when the target has the write, as the source gave it")
{
    for (const auto& settings :
         {client_settings{.version = 4},
          client_settings{.version = 5},
          client_settings{.version = 4, .compression = compression::lz4},
          client_settings{.version = 5, .compression = compression::lz4}}) {
        CAPTURE(settings.version);
        waiting_rig rig;
        // An answer that is worth compressing, with a flag that has to stay.
        byte_buffer warned;
        const std::string long_text(500, 'w');
        protocol::append_string_list(warned, std::array<std::string_view, 1>{long_text});
        protocol::append_void_body(warned);
        const std::string body(as_text(warned.view()));
        rig.source.set_script([&](const seen_request&) {
            return reply::message(opcode::result, body, protocol::flag_warning).executed();
        });
        rig.target.set_script(hold_writes);
        rig.start();
        auto client = rig.client(settings);
        send_write(client, 7);
        REQUIRE(rig.target.wait_for(1, is_write));
        CHECK(client.is_quiet(100));
        rig.target.answer_held();
        const auto got = client.receive();
        CHECK(got.stream() == 7);
        CHECK(got.body == body);
        CHECK(got.header.flags == protocol::flag_warning);
    }
}

TEST_CASE("proxy: only answers to writes that were applied wait")
{
    waiting_rig rig;
    rig.target.set_script(hold_writes);
    rig.source.set_script([](const seen_request& r) {
        if (r.text.find("= 9") != r.text.npos) return reply::error(error_code::invalid);
        if (r.text.find("= 8") != r.text.npos && !r.own)
            return reply::error(error_code::write_timeout, "slow", "SIMPLE");
        return reply::normal();
    });
    rig.start();
    auto client = rig.client(5);
    send_write(client, 1);
    REQUIRE(rig.target.wait_for(1, is_write));
    CHECK(client.query("SELECT v FROM k.t").op() == opcode::result);
    CHECK(client.query("DELETE FROM k.t WHERE a = 9").code() == error_code::invalid);
    CHECK(client.query("DELETE FROM k.t WHERE a = 8").code() == error_code::write_timeout);
    rig.target.answer_held();
    CHECK(client.receive().stream() == 1);
}

TEST_CASE("proxy: answers that wait come in the order in which the target takes the writes")
{
    waiting_rig rig;
    rig.target.set_script([](const seen_request& r) {
        if (r.text.find("= 1") != r.text.npos) return reply::normal().after(300);
        return reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, "DELETE FROM k.t WHERE a = 1"), 1);
    client.send(opcode::query, query_body(4, "DELETE FROM k.t WHERE a = 2"), 2);
    CHECK(client.receive().stream() == 2);
    CHECK(client.receive().stream() == 1);
}

TEST_CASE("proxy: a target that is down is not waited for")
{
    waiting_rig rig;
    rig.target.down();
    rig.start(false);
    auto client = rig.client(4);
    const auto began = now_ms();
    CHECK(client.query(insert).op() == opcode::result);
    CHECK(now_ms() - began < 10'000);
    rig.target.up();
    REQUIRE(rig.target.wait_for_writes(1));
    // Now it is.
    rig.target.set_script(hold_writes);
    send_write(client);
    REQUIRE(rig.target.wait_for(2, is_write));
    CHECK(client.is_quiet(100));
    // Until it goes down.
    const auto down_at = now_ms();
    rig.target.down();
    CHECK(client.receive().op() == opcode::result);
    CHECK(now_ms() - down_at < 10'000);
}

TEST_CASE("proxy: the wait has a limit, after which nobody waits until the target has caught up")
{
    waiting_rig rig;
    rig.options.wait_limit_ms = 200;
    rig.target.set_script(hold_writes);
    rig.start();
    auto client = rig.client(4);
    const auto began = now_ms();
    CHECK(client.query(insert).op() == opcode::result);
    CHECK(now_ms() - began >= 200);
    CHECK(rig.number("waits_given_up") == 1);
    for (int i = 0; i < 20; ++i) CHECK(client.query(insert).op() == opcode::result);
    CHECK(rig.number("waits_given_up") == 1);

    rig.target.answer_held();
    REQUIRE(eventually([&] {
        rig.target.answer_held();
        return rig.is_delivered(100);
    }));
    REQUIRE(eventually([&] {
        // Held again, and so the second one that is given up.
        CHECK(client.query(insert).op() == opcode::result);
        return rig.number("waits_given_up") == 2;
    }));
}

TEST_CASE("proxy: it is waited again when the target keeps up, though there is always a write on "
          "its way")
{
    waiting_rig rig;
    rig.options.wait_limit_ms = 300;
    const auto slow = std::make_shared<std::atomic<bool>>(true);
    rig.target.set_script([slow](const seen_request& r) {
        if (!r.is_write()) return reply::normal();
        return r.text.find("= 77") != r.text.npos ? reply::held()
                                                  : reply::normal().after(slow->load() ? 600 : 60);
    });
    rig.start();
    std::atomic<bool> over{false};
    std::thread others([&] {
        // Several at a time, so that the target is never without one.
        auto busy = rig.client(4);
        for (std::int16_t stream = 0; stream < 8; ++stream) send_write(busy, stream);
        while (!over) {
            std::this_thread::sleep_for(std::chrono::milliseconds(3));
            send_write(busy, busy.receive().stream());
        }
    });
    CHECK(eventually([&] { return rig.number("waits_given_up") > 0; }));
    slow->store(false);
    auto client = rig.client(4);
    // It waits: only its limit brings the answer.
    const bool waited = eventually([&] {
        const auto given_up = rig.number("waits_given_up");
        CHECK(client.query("DELETE FROM k.t WHERE a = 77").op() == opcode::result);
        rig.target.answer_held();
        return rig.number("waits_given_up") > given_up;
    });
    over = true;
    others.join();
    CHECK(waited);
}

TEST_CASE("proxy: an answer that waited never gets into the middle of a large result")
{
    for (const auto& settings :
         {client_settings{.version = 4},
          client_settings{.version = 5},
          client_settings{.version = 5, .compression = compression::lz4}}) {
        CAPTURE(settings.version);
        waiting_rig rig;
        std::string noise(600'000, '\0');
        std::uint32_t state = 1;
        for (auto& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
        rig.source.set_script([&](const seen_request& r) {
            if (r.is_write()) return reply::normal();
            return reply::message(opcode::result, rows_body({noise})).in_pieces(20'000);
        });
        rig.target.set_script([](const seen_request& r) {
            return r.is_write() ? reply::normal().after(12) : reply::normal();
        });
        rig.start();
        auto client = rig.client(settings);
        for (int round = 0; round < 3; ++round) {
            for (std::int16_t stream = 0; stream < 20; ++stream) send_write(client, stream);
            client.send(opcode::query, query_body(settings.version, "SELECT v FROM k.t"), 100);
            for (int i = 0; i < 21; ++i) {
                const auto got = client.receive();
                CHECK(got.op() == opcode::result);
                if (got.stream() == 100) CHECK(got.body == rows_body({noise}));
            }
        }
    }
}

TEST_CASE("proxy: an answer that waits is given although the source's connection has ended")
{
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        waiting_rig rig;
        rig.source.set_script([](const seen_request& r) {
            return r.is_write() && !r.own ? reply::normal().then_close() : reply::normal();
        });
        rig.target.set_script(hold_writes);
        rig.start();
        auto client = rig.client(version);
        send_write(client);
        REQUIRE(rig.target.wait_for(1, is_write));
        CHECK(client.is_quiet(100));
        rig.target.answer_held();
        CHECK(client.receive().op() == opcode::result);
        CHECK(client.is_closed());
        CHECK(rig.source.count(is_write) == 1);
    }
}

TEST_CASE("proxy: a client that is gone while its answer waits hurts nobody")
{
    waiting_rig rig;
    rig.target.set_script(hold_writes);
    rig.start();
    for (int i = 0; i < 20; ++i) {
        auto client = rig.client(4);
        send_write(client);
    }
    REQUIRE(rig.target.wait_for(20, is_write));
    CHECK(rig.wait_for_number("clients", 0));
    rig.target.answer_held();
    CHECK(rig.is_delivered());
    rig.target.set_script({});
    CHECK(rig.client(4).query(insert).op() == opcode::result);
}

TEST_CASE("proxy: more answers than can be held do not wait, and none is lost")
{
    waiting_rig rig;
    rig.target.set_script(hold_writes);
    rig.start();
    auto client = rig.client(4);
    constexpr int count = 17'000;
    std::string wire;
    for (int i = 0; i < count; ++i)
        wire += client.wire_of(opcode::query, query_body(4, insert), static_cast<std::int16_t>(i));
    client.send_bytes(wire);
    std::vector<bool> seen(count);
    const auto take = [&](int n) {
        while (n-- > 0) seen.at(static_cast<std::size_t>(client.receive().stream())) = true;
    };
    take(count - 16 * 1024);
    CHECK(client.is_quiet(50));
    rig.target.set_script({});
    rig.target.answer_held();
    take(16 * 1024);
    CHECK(std::count(seen.begin(), seen.end(), true) == count);
}

TEST_CASE("proxy: with fsync every answer comes, with and without waiting for the target")
{
    for (const bool wait : {false, true}) {
        CAPTURE(wait);
        waiting_rig rig;
        rig.options.wait = wait;
        rig.options.durable = engine::durability::fsync;
        rig.start();
        auto client = rig.client(5);
        for (int i = 0; i < 20; ++i) CHECK(client.query(insert).op() == opcode::result);
        for (std::int16_t stream = 0; stream < 200; ++stream) send_write(client, stream);
        for (int i = 0; i < 200; ++i) CHECK(client.receive().op() == opcode::result);
        CHECK(rig.is_delivered());
        CHECK(rig.target.writes().size() == 220);
    }
}

TEST_CASE("proxy: with fsync an answer does not wait for one before it that the target holds up")
{
    waiting_rig rig;
    rig.options.durable = engine::durability::fsync;
    rig.target.set_script([](const seen_request& r) {
        return r.text.find("= 1") != r.text.npos ? reply::held() : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, "DELETE FROM k.t WHERE a = 1"), 1);
    REQUIRE(rig.target.wait_for(1, is_write));
    for (int i = 0; i < 20; ++i) CHECK(client.query(insert).stream() == 0);
    rig.target.answer_held();
    CHECK(client.receive().stream() == 1);
}

TEST_SUITE_END();
