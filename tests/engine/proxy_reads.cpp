#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <thread>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::compression;
using protocol::opcode;

namespace {

const std::array<client_settings, 5> clients{{
    {.version = 4},
    {.version = 5},
    {.version = 4, .compression = compression::lz4},
    {.version = 4, .compression = compression::snappy},
    {.version = 5, .compression = compression::lz4},
}};

std::string describe(const client_settings& its)
{
    return "v" + std::to_string(its.version) + ' ' +
           std::string(protocol::compression_name(its.compression));
}

// What stands before the message of an answer, and the flags that say so.
constexpr std::uint8_t prefix_flags =
    protocol::flag_tracing | protocol::flag_warning | protocol::flag_custom_payload;

std::string prefix()
{
    byte_buffer out;
    protocol::append_uuid(out, {});
    protocol::append_string_list(out, std::array<std::string_view, 1>{"be warned"});
    protocol::append_short(out, 1);
    protocol::append_string(out, "key");
    protocol::append_bytes(out, as_bytes("payload"));
    return std::string(as_text(out.view()));
}

std::string request_prefix()
{
    byte_buffer out;
    protocol::append_short(out, 1);
    protocol::append_string(out, "key");
    protocol::append_bytes(out, as_bytes("payload"));
    return std::string(as_text(out.view()));
}

// Both ends of the one client's connection saw the same bytes.
void check_same_bytes(proxy_rig& rig, const wire_client& client)
{
    const auto connections = rig.source.client_connections();
    REQUIRE(connections.size() == 1);
    CHECK(rig.source.received(connections[0]) == client.sent());
    CHECK(rig.source.sent(connections[0]) == client.received());
}

void short_pause()
{
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_reads");

TEST_CASE("proxy: reads and all else that is no write pass both ways byte for byte")
{
    for (const auto& settings : clients) {
        CAPTURE(describe(settings));
        proxy_rig rig;
        rig.source.set_script([](const seen_request& r) {
            if (r.begins_with("SELECT flags"))
                return reply::message(opcode::result, prefix() + rows_body({"x"}), prefix_flags);
            if (r.begins_with("SELECT long"))
                return reply::message(opcode::result, rows_body({std::string(20'000, 'l')}));
            if (r.begins_with("SELECT wrong"))
                return reply::error(protocol::error_code::invalid, "wrong");
            return reply::normal();
        });
        rig.start();
        auto client = rig.client(settings);
        const auto v = settings.version;
        const std::string_view events("\0\1\0\xdSCHEMA_CHANGE", 17);
        CHECK(client.ask(opcode::register_, events).op() == opcode::ready);
        CHECK(client.ask(opcode::options, {}).op() == opcode::supported);
        CHECK(client.query("SELECT v FROM k.t").body == rows_body({"row"}));
        CHECK(
            client.query("SELECT long FROM k.t WHERE x = '" + std::string(5000, 'q') + "'").op() ==
            opcode::result
        );
        CHECK(client.query("SELECT flags FROM k.t").header.flags == prefix_flags);
        CHECK(client.query("SELECT wrong FROM k.t").text() == "wrong");
        CHECK(client.query("USE k").op() == opcode::result);
        const auto traced = client.ask(
            opcode::query,
            request_prefix() + query_body(v, "SELECT flags FROM k.t"),
            protocol::flag_tracing | protocol::flag_custom_payload
        );
        CHECK(traced.body == prefix() + rows_body({"x"}));
        const auto id = client.prepare("SELECT v FROM k.t WHERE a = ?");
        CHECK(client.execute(id, bound_values().of(1)).body == rows_body({"row"}));
        check_same_bytes(rig, client);
        CHECK(rig.target.count() == 0);
    }
}

TEST_CASE("proxy: envelopes that share a segment pass both ways byte for byte")
{
    for (const auto kind : {compression::none, compression::lz4}) {
        CAPTURE(describe({5, kind}));
        proxy_rig rig({.pack_answers = true});
        rig.start();
        auto client = rig.client(client_settings{.version = 5, .compression = kind});
        byte_buffer payload;
        for (std::int16_t stream = 0; stream < 50; ++stream) {
            const auto body =
                query_body(5, "SELECT v FROM k.t WHERE a = " + std::to_string(stream));
            protocol::append_envelope(
                payload, {.version = 5, .stream = stream, .op = opcode::query}, as_bytes(body)
            );
        }
        byte_buffer wire;
        protocol::append_as_segments(wire, payload.view(), kind == compression::lz4);
        client.send_bytes(as_text(wire.view()));
        for (int i = 0; i < 50; ++i) CHECK(client.receive().body == rows_body({"row"}));
        check_same_bytes(rig, client);
    }
}

TEST_CASE("proxy: large requests and results pass both ways byte for byte")
{
    const std::string large(700'000, 'L');
    for (const auto& settings : clients) {
        CAPTURE(describe(settings));
        proxy_rig rig;
        rig.source.set_script([&](const seen_request&) {
            return reply::message(opcode::result, rows_body({large}));
        });
        rig.start();
        auto client = rig.client(settings);
        for (const std::size_t size : {60'000u, 131'000u, 131'071u, 131'072u, 500'000u}) {
            CAPTURE(size);
            const auto cql = "SELECT v FROM k.t WHERE x = '" + std::string(size, 'q') + "'";
            CHECK(client.query(cql).body == rows_body({large}));
        }
        check_same_bytes(rig, client);
        CHECK(rig.source.count() == 5);
    }
}

TEST_CASE("proxy: answers pass whatever the pieces in which they come")
{
    for (const auto& settings : clients) {
        CAPTURE(describe(settings));
        proxy_rig rig;
        rig.source.set_script([](const seen_request& r) {
            if (r.begins_with("SELECT small")) return reply::normal().in_pieces(1);
            auto big = reply::message(opcode::result, rows_body({std::string(300'000, 'b')}));
            return big.in_pieces(40'000);
        });
        rig.start();
        auto client = rig.client(settings);
        for (int i = 0; i < 3; ++i) {
            CHECK(client.query("SELECT big FROM k.t").op() == opcode::result);
            CHECK(client.query("SELECT small FROM k.t").body == rows_body({"row"}));
        }
        check_same_bytes(rig, client);
    }
}

TEST_CASE("proxy: requests pass whatever the split of the client's bytes")
{
    proxy_rig rig;
    rig.start();
    for (const auto& settings : clients) {
        CAPTURE(describe(settings));
        auto client = rig.client(settings);
        const auto v = settings.version;
        const auto read = client.wire_of(opcode::query, query_body(v, "SELECT v FROM k.t"));
        const auto write =
            client.wire_of(opcode::query, query_body(v, "INSERT INTO k.t (a) VALUES (1)"), 1);
        const auto both = read + write;
        for (std::size_t split = 0; split <= both.size(); ++split) {
            CAPTURE(split);
            client.send_bytes(std::string_view(both).substr(0, split));
            short_pause();
            client.send_bytes(std::string_view(both).substr(split));
            REQUIRE(client.receive().op() == opcode::result);
            REQUIRE(client.receive().op() == opcode::result);
        }
        for (const char c : both) {
            client.send_bytes(std::string_view(&c, 1));
            short_pause();
        }
        CHECK(client.receive().op() == opcode::result);
        CHECK(client.receive().op() == opcode::result);
    }
    CHECK(rig.source.malformed() == 0);
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.writes().size() == rig.source.writes().size());
}

TEST_CASE("proxy: the first bytes of a client may be split anywhere")
{
    proxy_rig rig;
    rig.start();
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        byte_buffer startup;
        protocol::append_startup_body(startup, {{"CQL_VERSION", "3.0.0"}});
        byte_buffer wire;
        protocol::append_envelope(
            wire, {.version = version, .op = opcode::startup}, startup.view()
        );
        const auto bytes = as_text(wire.view());
        for (std::size_t split = 0; split <= bytes.size(); ++split) {
            CAPTURE(split);
            wire_client client(rig.running().port());
            client.send_bytes(bytes.substr(0, split));
            short_pause();
            client.send_bytes(bytes.substr(split));
            REQUIRE(client.receive().op() == opcode::ready);
        }
    }
    CHECK(rig.source.malformed() == 0);
}

TEST_CASE("proxy: events pass, before and between answers")
{
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        proxy_rig rig;
        protocol::event_view dropped;
        dropped.kind = protocol::event_kind::schema;
        dropped.schema.change = "DROPPED";
        dropped.schema.target = "KEYSPACE";
        dropped.schema.keyspace = "k";
        byte_buffer event;
        protocol::append_event_body(event, dropped);
        const std::string body(as_text(event.view()));
        rig.source.set_script([&](const seen_request& r) {
            // The stream of an event is -1; the fake answers on the request's.
            auto out = reply::message(opcode::event, body);
            out.stream =
                r.begins_with("SELECT event") ? std::optional<std::int16_t>(-1) : std::nullopt;
            return out.stream ? out : reply::normal();
        });
        rig.start();
        auto client = rig.client(version);
        client.send(opcode::query, query_body(version, "SELECT event FROM k.t"), 3);
        const auto got = client.receive();
        CHECK(got.op() == opcode::event);
        CHECK(got.stream() == -1);
        CHECK(got.body == body);
        CHECK(client.query("SELECT v FROM k.t").op() == opcode::result);
        check_same_bytes(rig, client);
    }
}

TEST_CASE("proxy: the client logs in at the source, and its login opens the target")
{
    proxy_rig rig(
        {.username = "user", .password = "secret"}, {.username = "user", .password = "secret"}
    );
    rig.launch();
    CHECK_THROWS_AS(
        (void)rig.client(client_settings{.username = "user", .password = "wrong"}), wire_error
    );
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        auto client = rig.client(client_settings{
            .version = version, .username = "user", .password = "secret"});
        CHECK(client.query("INSERT INTO k.t (a) VALUES (1)").op() == opcode::result);
    }
    CHECK(rig.target.wait_for_writes(2));
    CHECK_FALSE(rig.has_logged("secret"));
}

TEST_SUITE_END();
