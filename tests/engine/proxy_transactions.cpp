#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "../support/proxy_rig.hpp"

// Lightweight transactions have their write times from the source's clock; plain writes beside them
// have the proxy's, or the client's.

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

constexpr std::int64_t hour_ms = 3'600'000;
const std::string transaction = "DELETE FROM k.t WHERE a = 1 IF EXISTS";

std::string update(int a)
{
    return "UPDATE k.t SET b = 'x' WHERE a = " + std::to_string(a);
}

fake_cluster::script executes_transactions()
{
    return [](const seen_request& r) {
        const bool conditional = r.is_write() && r.text.find(" IF ") != r.text.npos;
        return conditional ? reply::message(opcode::result, applied_body(true)).executed()
                           : reply::normal();
    };
}

bool knows_clock(proxy_rig& rig)
{
    const auto status = rig.running().status_json();
    return status.find("\"clock_ahead_ms\":null") == status.npos;
}

// A first transaction, and what it takes until the source's clock is known.
void learn_clock(proxy_rig& rig, wire_client& client)
{
    rig.source.set_script(executes_transactions());
    CHECK(client.query("DELETE FROM k.t WHERE a = 99 IF EXISTS").op() == opcode::result);
    REQUIRE(eventually([&] { return knows_clock(rig); }));
    REQUIRE(rig.is_delivered());
    reset_refreshes();
}

void execute(proxy_rig& rig, wire_client& client, std::string_view text)
{
    CHECK(client.query(text).op() == opcode::result);
    REQUIRE(rig.is_delivered());
    reset_refreshes();
}

// The rows that are looked at when this has been delivered. 0: with a time of the proxy's.
std::vector<engine::refresh_key>
looked_at(proxy_rig& rig, wire_client& client, const std::string& text, std::int64_t time_us = 0)
{
    reset_refreshes();
    const auto before = rig.target.writes().size();
    const auto time = time_us == 0 ? std::nullopt : std::optional(time_us);
    CHECK(client.ask(opcode::query, query_body(4, text, {}, time)).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(before + 1));
    REQUIRE(rig.is_delivered());
    return refreshed();
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_transactions");

TEST_CASE("proxy: without transactions the source is not asked for its clock")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    CHECK(looked_at(rig, client, update(1), 5).empty());
    CHECK_FALSE(knows_clock(rig));
}

TEST_CASE("proxy: after a transaction write times follow the source's clock, ahead or behind")
{
    for (const std::int64_t ahead_ms : {-hour_ms, hour_ms}) {
        CAPTURE(ahead_ms);
        proxy_rig rig;
        rig.source.set_clock_ahead(ahead_ms);
        rig.start();
        auto client = rig.client(4);
        learn_clock(rig, client);
        const auto begin_us = (wall_ms() + ahead_ms) * 1000;
        execute(rig, client, transaction);
        const auto ballot_us = (wall_ms() + ahead_ms) * 1000;
        execute(rig, client, update(1));
        const auto time_us = rig.source.writes().back()->timestamp_us;
        REQUIRE(time_us);
        CHECK(*time_us > begin_us);
        if (ahead_ms > 0) CHECK(*time_us < ballot_us + 10'000'000);
    }
}

TEST_CASE("proxy: a plain write below the time of a transaction is looked at when it is delivered")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    learn_clock(rig, client);
    const auto before_us = wall_ms() * 1000;
    execute(rig, client, transaction);
    const auto keys = looked_at(rig, client, update(1), before_us);
    REQUIRE(keys.size() == 1);
    CHECK(keys[0].table == "t");
    CHECK(keys[0].partition == std::vector<std::string>{int_bytes(1)});
    CHECK(keys[0].serial);
    CHECK_FALSE(keys[0].if_gone);
    // In a batch, and with its time in the text.
    CHECK(
        looked_at(rig, client, "BEGIN BATCH " + update(1) + "; APPLY BATCH", before_us).size() == 1
    );
    CHECK(
        looked_at(rig, client, "UPDATE k.t USING TIMESTAMP 5 SET b = 'x' WHERE a = 1").size() == 1
    );
    // Another partition, and a time that no transaction has.
    CHECK(looked_at(rig, client, update(2), before_us).empty());
    CHECK(looked_at(rig, client, update(1), before_us + 1000 * hour_ms).empty());
}

TEST_CASE("proxy: a transaction that was not applied hides nothing")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    learn_clock(rig, client);
    rig.source.set_script([](const seen_request& r) {
        return r.text == transaction ? reply::message(opcode::result, applied_body(false))
                                     : reply::normal();
    });
    execute(rig, client, transaction);
    CHECK(looked_at(rig, client, update(1), 5).empty());
}

TEST_CASE("proxy: while nobody knows what became of a transaction every write may be hidden")
{
    proxy_rig rig;
    rig.options.patience.doubt_ms = 100;
    rig.start();
    auto client = rig.client(4);
    learn_clock(rig, client);
    rig.target.down();
    rig.source.set_script([](const seen_request& r) {
        return r.text == transaction
                   ? reply::error(protocol::error_code::write_timeout, "slow", "CAS")
                   : reply::normal();
    });
    set_refresh_script([](const engine::refresh_key&) {
        engine::refresh_result result;
        result.status = engine::refresh_status::retry;
        return result;
    });
    CHECK(client.query(transaction).is_error());
    const auto later_us = (wall_ms() + 1000 * hour_ms) * 1000;
    CHECK(client.ask(opcode::query, query_body(4, update(1), {}, later_us)).op() == opcode::result);
    set_refresh_script({});
    rig.target.up();
    REQUIRE(rig.is_delivered());
    const auto looked = refreshed();
    // The transaction's own, and the write's: that one's time is known.
    CHECK(std::ranges::count_if(looked, [&](const auto& key) {
              return key.writetime_us == later_us;
          }) == 1);
    // It is settled.
    CHECK(looked_at(rig, client, update(1), later_us + 1).empty());
}

TEST_CASE("proxy: a table can keep the times that the source gives it")
{
    proxy_rig rig;
    rig.options.source_times = {{"k", "t*"}};
    rig.source.add_table("k", "other");
    rig.target.add_table("k", "other");
    rig.start();
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        auto client = rig.client(version);
        const auto written = rig.target.writes().size();
        for (const auto& text :
             {"UPDATE k.t USING TTL 9 SET b = 'x' WHERE a = 7",
              "BEGIN BATCH UPDATE k.t SET b = 'y' WHERE a = 7; APPLY BATCH"}) {
            reset_refreshes();
            const auto body = query_body(version, text);
            CHECK(client.ask(opcode::query, body).op() == opcode::result);
            REQUIRE(rig.is_delivered());
            CHECK(rig.source.writes().back()->body == body);
            REQUIRE(refreshed().size() == 1);
            CHECK(refreshed()[0].partition == std::vector<std::string>{int_bytes(7)});
        }
        CHECK(rig.target.writes().size() == written);
        // Another table, and a time of the client's own.
        reset_refreshes();
        CHECK(client.query("INSERT INTO k.other (a, b) VALUES (1, 'z')").op() == opcode::result);
        CHECK(
            client.ask(opcode::query, query_body(version, update(7), {}, 5)).op() == opcode::result
        );
        REQUIRE(rig.target.wait_for_writes(written + 2));
        REQUIRE(rig.is_delivered());
        CHECK(refreshed().empty());
    }
}

TEST_CASE("proxy: after a restart the transactions of the run before hide writes still")
{
    proxy_rig rig;
    rig.start();
    {
        auto client = rig.client(4);
        learn_clock(rig, client);
        execute(rig, client, update(1));
    }
    rig.stop(0);
    rig.start();
    auto client = rig.client(4);
    const auto time_us = *rig.source.writes().back()->timestamp_us;
    learn_clock(rig, client);
    CHECK(looked_at(rig, client, update(1), time_us).size() == 1);
    CHECK(looked_at(rig, client, update(1)).empty());
}

TEST_SUITE_END();
