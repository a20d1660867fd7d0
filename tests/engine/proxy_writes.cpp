#include <doctest/doctest.h>

#include <array>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

constexpr std::array<std::uint8_t, 2> versions{4, 5};

struct pair_of_writes {
    fake_cluster::request_ptr source;
    fake_cluster::request_ptr target;
};

// The one write that both sides have got; forgets it.
pair_of_writes the_write(proxy_rig& rig)
{
    REQUIRE(rig.target.wait_for_writes(1));
    REQUIRE(rig.is_delivered());
    const auto source = rig.source.writes();
    const auto target = rig.target.writes();
    REQUIRE(source.size() == 1);
    REQUIRE(target.size() == 1);
    rig.source.forget_requests();
    rig.target.forget_requests();
    return {source[0], target[0]};
}

// The last envelope that the source received, as bytes.
bool ends_with_sent(proxy_rig& rig, const wire_client& client)
{
    return rig.source.received(rig.source.client_connections().back()) == client.sent();
}

protocol::write_parameters every_option(const bound_values& values)
{
    protocol::write_parameters out;
    out.consistency = protocol::consistency::each_quorum;
    out.value_count = values.count();
    out.values = values.view();
    out.skip_metadata = true;
    out.page_size = 100;
    out.serial_consistency = protocol::consistency::local_serial;
    return out;
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_writes");

TEST_CASE("proxy: a write without a time gets the same one on both sides")
{
    proxy_rig rig;
    rig.start();
    for (const auto version : versions) {
        CAPTURE(version);
        auto client = rig.client(version);
        std::int64_t last = 0;
        for (int i = 0; i < 5; ++i) {
            CHECK(client.query("INSERT INTO k.t (a) VALUES (1)").op() == opcode::result);
            const auto [source, target] = the_write(rig);
            REQUIRE(source->timestamp_us);
            CHECK(source->timestamp_us == target->timestamp_us);
            CHECK(source->text == "INSERT INTO k.t (a) VALUES (1)");
            CHECK(target->text == source->text);
            CHECK(target->consistency == source->consistency);
            CHECK(*source->timestamp_us > last);
            last = *source->timestamp_us;
        }
    }
}

TEST_CASE("proxy: all that a write says besides its time reaches the source as it was")
{
    proxy_rig rig;
    rig.start();
    for (const auto version : versions) {
        CAPTURE(version);
        auto client = rig.client(version);
        const auto values = bound_values().of(1).null().unset().of("").of(std::string(70'000, 'v'));
        auto parameters = every_option(values);
        if (version >= 5) parameters.keyspace = "k";
        const std::string cql = "INSERT INTO t (a, b, c, d, e) VALUES (?, ?, ?, ?, ?)";
        if (version < 5) CHECK(client.query("USE k").op() == opcode::result);
        CHECK(
            client.ask(opcode::query, query_body(version, cql, parameters)).op() == opcode::result
        );
        const auto [source, target] = the_write(rig);
        parameters.timestamp_us = source->timestamp_us;
        // Version 5 can say from which second expiry counts; then both sides are told.
        if (version >= 5) parameters.now_in_seconds = target->now_in_seconds;
        CHECK(source->body == query_body(version, cql, parameters));
        CHECK(target->values == values.bytes());
        CHECK(target->text == "INSERT INTO \"k\".t (a, b, c, d, e) VALUES (?, ?, ?, ?, ?)");
        CHECK(target->consistency == protocol::consistency::each_quorum);
    }
}

TEST_CASE("proxy: a client's own write time is kept, and its bytes are not touched")
{
    proxy_rig rig;
    rig.start();
    for (const auto version : versions) {
        CAPTURE(version);
        auto client = rig.client(version);
        for (const std::int64_t time :
             {std::int64_t{1},
              std::int64_t{0},
              std::int64_t{-5},
              std::int64_t{1'700'000'000'000'000},
              std::numeric_limits<std::int64_t>::max()}) {
            CAPTURE(time);
            const auto body = query_body(version, "DELETE FROM k.t WHERE a = 1", {}, time);
            CHECK(client.ask(opcode::query, body).op() == opcode::result);
            const auto [source, target] = the_write(rig);
            CHECK(target->timestamp_us == time);
            CHECK(source->body == body);
        }
        CHECK(ends_with_sent(rig, client));
    }
}

TEST_CASE("proxy: a write time in the text is the only one")
{
    proxy_rig rig;
    rig.start();
    for (const auto version : versions) {
        CAPTURE(version);
        auto client = rig.client(version);
        CHECK(
            client.query("INSERT INTO k.t (a) VALUES (1) USING TIMESTAMP 5").op() == opcode::result
        );
        const auto [source, target] = the_write(rig);
        CHECK(target->text == "INSERT INTO k.t (a) VALUES (1) USING TIMESTAMP 5");
        CHECK_FALSE(target->timestamp_us);
        CHECK(ends_with_sent(rig, client));
    }
}

TEST_CASE("proxy: a bound write time may be unset, so that there is a default behind it")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    const auto cql = "INSERT INTO k.t (a) VALUES (?) USING TIMESTAMP ?";
    CHECK(client.query(cql, bound_values().of(1).unset()).op() == opcode::result);
    const auto [source, target] = the_write(rig);
    REQUIRE(source->timestamp_us);
    CHECK(target->timestamp_us == source->timestamp_us);
    CHECK(target->values == source->values);
}

TEST_CASE("proxy: with version 5 both sides count a TTL from the same second")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(5);
    for (const auto cql :
         {"INSERT INTO k.t (a) VALUES (1) USING TTL 100",
          "UPDATE k.t USING TTL 100 AND TIMESTAMP 7 SET b = 'x' WHERE a = 1"}) {
        CAPTURE(cql);
        CHECK(client.query(cql).op() == opcode::result);
        const auto [source, target] = the_write(rig);
        REQUIRE(source->now_in_seconds);
        CHECK(target->now_in_seconds == source->now_in_seconds);
        CHECK(target->text == cql);
    }
    // A client that says the second itself is not overruled.
    protocol::write_parameters parameters;
    parameters.now_in_seconds = 1'000'000;
    CHECK(
        client
            .ask(
                opcode::query,
                query_body(5, "INSERT INTO k.t (a) VALUES (1) USING TTL 100", parameters)
            )
            .op() == opcode::result
    );
    const auto [source, target] = the_write(rig);
    CHECK(source->now_in_seconds == 1'000'000);
    CHECK(target->now_in_seconds == 1'000'000);
}

TEST_CASE("proxy: source and target may speak different versions")
{
    for (const auto version : versions) {
        CAPTURE(version);
        proxy_rig rig({}, {.version_max = version == 4 ? std::uint8_t{5} : std::uint8_t{4}});
        rig.start();
        auto client = rig.client(version);
        const auto values = bound_values().of(1).null().unset().of("");
        const auto cql = "INSERT INTO k.t (a, b, c, d) VALUES (?, ?, ?, ?)";
        CHECK(client.query(cql, values).op() == opcode::result);
        const auto [source, target] = the_write(rig);
        CHECK(source->header.version == version);
        CHECK(target->header.version == 9 - version);
        CHECK(source->timestamp_us == target->timestamp_us);
        CHECK(target->values == values.bytes());
    }
}

TEST_CASE("proxy: compressed writes are read, and reach both sides")
{
    using protocol::compression;
    for (const auto kind : {compression::lz4, compression::snappy}) {
        for (const auto version : versions) {
            if (version >= 5 && kind == compression::snappy) continue;
            CAPTURE(version);
            proxy_rig rig;
            rig.start();
            auto client = rig.client(client_settings{.version = version, .compression = kind});
            const auto values = bound_values().of(1).of(std::string(10'000, 'c'));
            CHECK(
                client.query("INSERT INTO k.t (a, b) VALUES (?, ?)", values).op() == opcode::result
            );
            const auto [source, target] = the_write(rig);
            CHECK(source->values == values.bytes());
            CHECK(target->values == values.bytes());
            CHECK(source->timestamp_us == target->timestamp_us);
        }
    }
}

TEST_CASE("proxy: writes of several partitions, batches and named values reach the target")
{
    proxy_rig rig;
    rig.start();
    for (const auto version : versions) {
        CAPTURE(version);
        auto client = rig.client(version);
        CHECK(client.query("DELETE FROM k.t WHERE a IN (1, 2)").op() == opcode::result);
        CHECK(the_write(rig).target->text == "DELETE FROM k.t WHERE a IN (1, 2)");
        const auto batch = "BEGIN BATCH DELETE FROM k.t WHERE a = 1; "
                           "INSERT INTO k.t (a) VALUES (2) APPLY BATCH";
        CHECK(client.query(batch).op() == opcode::result);
        auto seen = the_write(rig);
        CHECK(seen.target->text == batch);
        CHECK(seen.target->timestamp_us == seen.source->timestamp_us);
        const auto values = bound_values().named("b", "x").named("a", 1);
        auto parameters = every_option(values);
        parameters.named_values = true;
        const auto cql = "INSERT INTO k.t (a, b) VALUES (:a, :b)";
        CHECK(
            client.ask(opcode::query, query_body(version, cql, parameters)).op() == opcode::result
        );
        seen = the_write(rig);
        CHECK(seen.target->named_values);
        CHECK(seen.target->values == values.bytes());
    }
}

TEST_CASE("proxy: many writes of one segment reach both sides, each with its own time")
{
    proxy_rig rig({.pack_answers = true});
    rig.start();
    auto client = rig.client(5);
    byte_buffer payload;
    for (std::int16_t stream = 0; stream < 100; ++stream) {
        const bool read = stream % 3 == 0;
        const auto body = query_body(
            5, read ? "SELECT v FROM k.t" : "DELETE FROM k.t WHERE a = " + std::to_string(stream)
        );
        protocol::append_envelope(
            payload, {.version = 5, .stream = stream, .op = opcode::query}, as_bytes(body)
        );
    }
    byte_buffer wire;
    protocol::append_as_segments(wire, payload.view(), false);
    client.send_bytes(as_text(wire.view()));
    for (int i = 0; i < 100; ++i) CHECK(client.receive().op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(66));
    const auto source = rig.source.writes();
    const auto target = rig.target.writes();
    REQUIRE(source.size() == 66);
    for (std::size_t i = 1; i < source.size(); ++i)
        CHECK(*source[i]->timestamp_us > *source[i - 1]->timestamp_us);
    for (const auto& its : target) {
        const auto same = std::ranges::find_if(source, [&](const auto& other) {
            return other->text == its->text && other->timestamp_us == its->timestamp_us;
        });
        CHECK(same != source.end());
    }
}

TEST_CASE("proxy: what must not be replayed is refreshed, with the partition that it wrote")
{
    proxy_rig rig;
    rig.source.add_column({"k", "lists", "a", "partition_key", "int"});
    rig.source.add_column({"k", "lists", "l", "regular", "list<int>"});
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query("UPDATE k.lists SET l = l + [1] WHERE a = 5").op() == opcode::result);
    REQUIRE(wait_for_refreshes(1));
    CHECK(client.query("INSERT INTO k.t (a) VALUES (6) IF NOT EXISTS").op() == opcode::result);
    REQUIRE(wait_for_refreshes(2));
    REQUIRE(rig.is_delivered());
    const auto keys = refreshed();
    CHECK(keys[0].table == "lists");
    CHECK(keys[0].partition == std::vector<std::string>{int_bytes(5)});
    CHECK_FALSE(keys[0].serial);
    CHECK(keys[0].writetime_us > 0);
    CHECK(keys[1].serial);
    CHECK(keys[1].partition == std::vector<std::string>{int_bytes(6)});
    CHECK(rig.target.count() == 0);
    CHECK(rig.number("refreshed") == 2);
}

TEST_CASE("proxy: what is deleted in a table with lists is replayed, then refreshed")
{
    proxy_rig rig;
    rig.source.add_column({"k", "lists", "a", "partition_key", "int"});
    rig.source.add_column({"k", "lists", "l", "regular", "list<int>"});
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query("DELETE FROM k.lists WHERE a = 4").op() == opcode::result);
    CHECK(client.query("DELETE l FROM k.lists WHERE a = 5").op() == opcode::result);
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.writes().size() == 2);
    const auto keys = refreshed();
    REQUIRE(keys.size() == 2);
    for (const auto& key : keys) CHECK_FALSE(key.if_gone);
}

TEST_CASE("proxy: functions are evaluated once, in texts, executions and batches")
{
    const std::string hiding =
        "INSERT INTO k.t (a, b, c) VALUES (?, ?, ?) /* dualwrite binds: timeuuid@1 */";
    for (const auto version : versions) {
        CAPTURE(version);
        proxy_rig rig;
        rig.start();
        auto client = rig.client(version);
        CHECK(client.query("UPDATE k.t SET b = uuid() WHERE a = 1").op() == opcode::result);
        const auto id = client.prepare("INSERT INTO k.t (a, b, c) VALUES (?, now(), ?)");
        const auto values = bound_values().of(7).of("c");
        CHECK(client.execute(id, values).op() == opcode::result);
        const auto batch = batch_body(
            version,
            {{id, true, bound_values().of(8).unset()},
             {"INSERT INTO k.t (a, b) VALUES (9, uuid())", false, bound_values()}}
        );
        CHECK(client.ask(opcode::batch, batch).op() == opcode::result);
        REQUIRE(rig.target.wait_for_writes(3));

        const auto source = rig.source.writes();
        auto target = rig.target.writes();
        REQUIRE(source.size() == 3);
        REQUIRE(target.size() == 3);
        // In the source's order: what has to be prepared first comes later.
        std::ranges::sort(target, {}, [](const auto& its) { return its->timestamp_us; });
        CHECK(source[0]->text.find("uuid()") == std::string::npos);
        CHECK(source[1]->text == hiding);
        CHECK(target[1]->text + " /* dualwrite binds: timeuuid@1 */" == hiding);
        // Its own two, and one of 16 bytes with their sizes.
        CHECK(source[1]->values.size() == values.bytes().size() + 4 + 16);
        REQUIRE(source[2]->children.size() == 2);
        CHECK(source[2]->children[1].text.find("uuid()") == std::string::npos);
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(target[i]->values == source[i]->values);
            CHECK(target[i]->timestamp_us == source[i]->timestamp_us);
            REQUIRE(target[i]->children.size() == source[i]->children.size());
            for (std::size_t c = 0; c < source[i]->children.size(); ++c)
                CHECK(target[i]->children[c].values == source[i]->children[c].values);
        }
        CHECK(target[0]->text == source[0]->text);
        CHECK(target[2]->children[1].text == source[2]->children[1].text);
        CHECK(rig.number("refreshed") == 0);
    }
}

TEST_CASE("proxy: a lightweight transaction that was not applied is void")
{
    for (const auto version : versions) {
        proxy_rig rig;
        rig.source.set_script([](const seen_request&) {
            return reply::message(opcode::result, applied_body(false));
        });
        rig.start();
        auto client = rig.client(version);
        CHECK(client.query("DELETE FROM k.t WHERE a = 6 IF EXISTS").body == applied_body(false));
        CHECK(rig.wait_for_number("writes_void", 1));
        REQUIRE(rig.is_delivered());
        CHECK(refreshed().empty());
    }
}

TEST_CASE("proxy: what cannot be replicated passes, and is kept for the operator")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    const std::string trigger = "CREATE TRIGGER tr ON k.t USING 'x'";
    CHECK(client.query(trigger).op() == opcode::result);
    CHECK(rig.wait_for_number("dead_letters", 1));
    CHECK(rig.dead_letters().find("CREATE TRIGGER tr ON k.t") != std::string::npos);
    CHECK(rig.has_logged("triggers run code"));
    CHECK(rig.target.count() == 0);
    // The source refused it: there is nothing to keep.
    rig.source.set_script([](const seen_request&) {
        return reply::error(protocol::error_code::unauthorized);
    });
    CHECK(client.query(trigger).is_error());
    CHECK(rig.number("dead_letters") == 1);
}

TEST_SUITE_END();
