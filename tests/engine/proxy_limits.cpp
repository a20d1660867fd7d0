#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <thread>

#include "../support/proxy_rig.hpp"

// What the proxy does with writes when the spool has reached a limit.

using namespace dualwrite;
using namespace dualwrite::test;
using nlohmann::json;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a, b) VALUES (?, ?)";

bound_values row(std::int32_t a, std::size_t size = 1)
{
    return bound_values().of(a).of(std::string(size, 'x'));
}

json spool_of(proxy_rig& rig)
{
    return json::parse(rig.running().status_json()).at("spool");
}

bool wait_for_spool(proxy_rig& rig, const char* name, const json& value)
{
    return eventually([&] { return spool_of(rig).at(name) == value; });
}

// Writes large rows until one is refused; gives how many were taken.
std::size_t fill(proxy_rig& rig)
{
    auto client = rig.client(4);
    for (std::int32_t a = 0; a < 1000; ++a) {
        const auto answer = client.query(insert, row(a, std::size_t{512} << 10));
        if (answer.op() == opcode::result) continue;
        CHECK(answer.code() == error_code::overloaded);
        return static_cast<std::size_t>(a);
    }
    FAIL("the spool never became full");
    return 0;
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_limits");

TEST_CASE("proxy: near the limit of the spool clients are slowed down, at it refused")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    CHECK(spool_of(rig).at("when_full") == "slow");
    const auto taken = fill(rig);
    CHECK(taken > 10);
    CHECK(rig.number("slowed") > 0);
    CHECK(rig.number("refused") == 1);
    CHECK(rig.has_logged("clients are slowed down"));
    CHECK(rig.source.count(is_write) == taken);
    CHECK(spool_of(rig).at("full") == true);
    CHECK(rig.running().metrics_text().find("dualwrite_spool_full 1") != std::string::npos);

    rig.target.up();
    REQUIRE(rig.is_delivered());
    REQUIRE(wait_for_spool(rig, "full", false));
    CHECK(rig.client(4).query(insert, row(1)).op() == opcode::result);
    CHECK(rig.target.wait_for_writes(taken + 1));
}

TEST_CASE("proxy: --spool-full refuse slows nobody down")
{
    proxy_rig rig;
    rig.options.spool_full = engine::when_full::refuse;
    rig.target.down();
    rig.start(false);
    fill(rig);
    CHECK(rig.number("slowed") == 0);
    CHECK(rig.number("refused") == 1);
    CHECK(spool_of(rig).at("when_full") == "refuse");
}

TEST_CASE("proxy: --spool-full degrade goes on, and reads later what was written meanwhile")
{
    for (const bool restart : {false, true}) {
        CAPTURE(restart);
        proxy_rig rig;
        rig.options.spool_full = engine::when_full::degrade;
        rig.target.down();
        rig.start(false);
        auto client = rig.client(4);
        std::int32_t a = 0;
        for (; rig.number("degraded") == 0; ++a) {
            REQUIRE(a < 1000);
            REQUIRE(client.query(insert, row(a, std::size_t{512} << 10)).op() == opcode::result);
        }
        const auto whole = rig.source.count(is_write) - 1;  // the last one left its row only
        // One row again and again takes no more space than once.
        const auto size = spool_of(rig).at("size_bytes");
        const auto id = client.prepare(insert);
        for (int i = 0; i < 300; ++i)
            REQUIRE(client.execute(id, row(7000, 10'000)).op() == opcode::result);
        const auto batch = batch_body(4, {{insert, false, row(7001)}, {id, true, row(7002)}});
        client.send(opcode::batch, batch, 1);
        CHECK(client.receive().op() == opcode::result);
        CHECK(
            client.query("UPDATE k.t SET b = 'x' WHERE a = 7003 IF b = 'y'").op() == opcode::result
        );
        CHECK(spool_of(rig).at("size_bytes") == size);
        CHECK(rig.source.count(is_write) == whole + 1 + 300 + 1 + 1);
        CHECK(rig.number("refused") == 0);
        CHECK(rig.number("degraded") == 303);
        CHECK(rig.has_logged("only which rows are written is recorded"));
        // What does not say its rows, and DDL, cannot be recorded that way.
        CHECK(
            client.query("INSERT INTO k.t (a, b) VALUES (k.f(1), 'x')").code() ==
            error_code::overloaded
        );
        CHECK(
            client.query("CREATE TABLE k.u (a int PRIMARY KEY)").code() == error_code::overloaded
        );
        CHECK(rig.number("refused") == 2);

        if (restart) rig.stop();
        rig.target.up();
        if (restart) rig.start();
        REQUIRE(rig.is_delivered());
        CHECK(rig.target.count(is_write) == whole);
        std::map<std::string, int> read;
        bool serial = false;
        for (const auto& key : refreshed()) {
            ++read[key.partition.at(0)];
            if (key.partition[0] == int_bytes(7003)) serial = key.serial;
        }
        for (const auto number : {a - 1, 7000, 7001, 7002, 7003})
            CHECK(read[int_bytes(number)] == 1);
        CHECK(serial);
        CHECK(read.size() == 5);
    }
}

TEST_CASE("proxy: a row is read only when the source has answered every write to it")
{
    proxy_rig rig;
    rig.options.spool_full = engine::when_full::degrade;
    rig.target.down();
    rig.start(false);
    auto client = rig.client(4);
    for (std::int32_t a = 0; rig.number("degraded") == 0; ++a)
        REQUIRE(client.query(insert, row(a, std::size_t{512} << 10)).op() == opcode::result);
    const auto seen = rig.source.count(is_write);
    rig.source.set_script([](const seen_request& r) {
        return r.is_write() ? reply::held() : reply::normal();
    });
    auto slow = rig.client(4);
    slow.send(opcode::query, query_body(4, insert, row(7000)), 1);
    REQUIRE(rig.source.wait_for(seen + 1, is_write));
    rig.target.up();
    REQUIRE(wait_for_spool(rig, "full", false));
    REQUIRE(rig.wait_for_number("backlog", 1));
    const auto is_read = [] {
        for (const auto& key : refreshed())
            if (key.partition.at(0) == int_bytes(7000)) return true;
        return false;
    };
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK_FALSE(is_read());
    rig.source.answer_held();
    REQUIRE(rig.is_delivered());
    CHECK(is_read());
}

TEST_CASE("proxy: a row is marked anew behind a write that went into the spool whole")
{
    proxy_rig rig;
    rig.options.spool_full = engine::when_full::degrade;
    rig.target.down();
    rig.start(false);
    auto client = rig.client(4);
    const auto fill_up = [&](std::int32_t first) {
        const auto before = rig.number("degraded");
        for (auto a = first; rig.number("degraded") == before; ++a)
            REQUIRE(client.query(insert, row(a, std::size_t{512} << 10)).op() == opcode::result);
    };
    fill_up(0);
    // The mark of this row stays open: its first write is not answered.
    const auto marked = bound_values().of(7000).of("held").bytes();
    rig.source.set_script([marked](const seen_request& r) {
        return r.values == marked ? reply::held() : reply::normal();
    });
    auto slow = rig.client(4);
    const auto seen = rig.source.count(is_write);
    slow.send(opcode::query, query_body(4, insert, bound_values().of(7000).of("held")), 1);
    REQUIRE(rig.source.wait_for(seen + 1, is_write));
    rig.target.up();
    REQUIRE(wait_for_spool(rig, "full", false));
    CHECK(client.query(insert, row(1)).op() == opcode::result);
    rig.target.down();
    fill_up(1000);

    CHECK(client.query(insert, row(7000)).op() == opcode::result);
    CHECK(rig.number("degraded") >= 4);
    rig.source.answer_held();
    rig.target.up();
    INFO(rig.running().status_json());
    REQUIRE(rig.is_delivered());
    int reads = 0;
    for (const auto& key : refreshed()) reads += key.partition.at(0) == int_bytes(7000) ? 1 : 0;
    CHECK(reads == 2);
}

TEST_CASE("proxy: writes that wait for most of gc_grace_seconds are an alarm, then a limit")
{
    proxy_rig rig;
    rig.source.set_gc_grace("k.t", 3);
    rig.source.set_gc_grace("k.other", 1);  // nobody writes it
    rig.target.down();
    rig.start(false);
    auto client = rig.client(4);
    CHECK(client.query(insert, row(1)).op() == opcode::result);
    REQUIRE(wait_for_spool(rig, "gc_grace_s", 3));
    CHECK(spool_of(rig).at("age_alarm") == false);
    REQUIRE(wait_for_spool(rig, "age_alarm", true));
    CHECK(rig.number("oldest_age_ms") >= 1'500);
    CHECK(rig.has_logged("gc_grace_seconds of k.t is 3"));
    CHECK(client.query(insert, row(2)).op() == opcode::result);

    REQUIRE(wait_for_spool(rig, "too_old", true));
    CHECK(rig.number("oldest_age_ms") >= 2'700);
    const auto seen = rig.source.count(is_write);
    CHECK(client.query(insert, row(3)).code() == error_code::overloaded);
    CHECK(rig.source.count(is_write) == seen);
    CHECK(rig.number("refused") == 1);
    const auto metrics = rig.running().metrics_text();
    CHECK(metrics.find("dualwrite_spool_too_old 1") != metrics.npos);
    CHECK(metrics.find("dualwrite_spool_gc_grace_seconds 3") != metrics.npos);

    rig.target.up();
    REQUIRE(rig.is_delivered());
    REQUIRE(wait_for_spool(rig, "too_old", false));
    CHECK(rig.has_logged("accepted again"));
    CHECK(client.query(insert, row(4)).op() == opcode::result);
}

TEST_CASE("proxy: the age is that of writes of an earlier run, too, and of either side's tables")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    CHECK(rig.client(4).query(insert, row(1)).op() == opcode::result);
    REQUIRE(wait_for_spool(rig, "gc_grace_s", 864'000));
    rig.stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(1'000));

    // The target answers, but takes no write.
    rig.target.set_gc_grace("k.t", 1);
    rig.target.up();
    rig.target.set_script([](const seen_request& r) {
        return r.is_write() ? reply::error(error_code::overloaded) : reply::normal();
    });
    rig.start();
    // DDL makes the proxy read the schemas again.
    CHECK(rig.client(4).query("CREATE TABLE k.u (a int PRIMARY KEY)").op() == opcode::result);
    REQUIRE(wait_for_spool(rig, "gc_grace_s", 1));
    REQUIRE(wait_for_spool(rig, "too_old", true));
    CHECK(rig.client(4).query(insert, row(2)).code() == error_code::overloaded);
    rig.target.set_script({});
    REQUIRE(rig.is_delivered());
    REQUIRE(wait_for_spool(rig, "too_old", false));
    CHECK(rig.client(4).query(insert, row(3)).op() == opcode::result);
}

TEST_CASE("proxy: a table without grace is no limit")
{
    proxy_rig rig;
    rig.source.set_gc_grace("k.t", 0);
    rig.target.set_gc_grace("k.t", 0);
    rig.start();
    CHECK(rig.client(4).query(insert, row(1)).op() == opcode::result);
    REQUIRE(rig.is_delivered());
    CHECK(spool_of(rig).at("gc_grace_s") == 0);
    CHECK(spool_of(rig).at("too_old") == false);
}

TEST_SUITE_END();
