#include <doctest/doctest.h>

#include <chrono>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a) VALUES (1)";
const fake_cluster::settings strict{.username = "u", .password = "p"};

client_settings user(const std::string& name, const std::string& password)
{
    client_settings settings;
    settings.username = name;
    settings.password = password;
    return settings;
}

bool waits_for_credentials(proxy_rig& rig)
{
    return rig.running().status_json().find("\"waits_for_credentials\":true") != std::string::npos;
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_clients");

TEST_CASE("clients: who does not log in in time is sent away, who does may stay")
{
    proxy_rig rig;
    rig.options.login_limit_ms = 1200;
    rig.start();
    auto settled = rig.client();
    wire_client silent(rig.running().port());
    wire_client curious(rig.running().port());
    CHECK(curious.ask(opcode::options, "").op() == opcode::supported);
    CHECK(silent.is_closed());
    CHECK(curious.is_closed());
    CHECK(rig.number("clients_expired") == 2);
    CHECK(rig.has_logged("--login-limit"));
    CHECK_FALSE(settled.query("SELECT v FROM k.t").is_error());
}

TEST_CASE("clients: silence ends a connection where a limit is set, but not one that waits")
{
    proxy_rig rig;
    rig.options.idle_limit_ms = 1200;
    rig.source.set_script([](const seen_request& r) {
        return r.is_write() ? reply::normal() : reply::held();
    });
    rig.start();
    auto silent = rig.client();
    auto waiting = rig.client();
    waiting.send(opcode::query, query_body(4, "SELECT v FROM k.t"), 3);
    CHECK(silent.is_closed());
    CHECK(rig.has_logged("--tcp-idle-time-out"));
    rig.source.answer_held();
    CHECK(waiting.receive().stream() == 3);
}

TEST_CASE("clients: those over the limits are sent away, and the place of one that left is free")
{
    for (const bool by_address : {true, false}) {
        CAPTURE(by_address);
        proxy_rig rig;
        (by_address ? rig.options.clients_per_address_max : rig.options.clients_max) = 2;
        rig.start();
        auto first = rig.client();
        auto second = rig.client();
        CHECK(wire_client(rig.running().port()).is_closed());
        CHECK(rig.number("clients_refused") == 1);
        CHECK(rig.has_logged(by_address ? "--clients-per-address-max" : "--clients-max"));
        CHECK_FALSE(first.query("SELECT v FROM k.t").is_error());
        second.close();
        CHECK(rig.wait_for_number("clients", 1));
        auto third = rig.client();
        CHECK_FALSE(third.query("SELECT v FROM k.t").is_error());
    }
}

TEST_CASE("clients: before the login a request may have 128 KiB, after it as much as allowed")
{
    const std::string large(200 * 1024, 'x');
    proxy_rig rig(strict, {});
    rig.options.source.username = "u";
    rig.options.source.password = "p";
    rig.start();
    wire_client stranger(rig.running().port());
    stranger.send(opcode::options, large);
    const auto refused = stranger.receive();
    CHECK(refused.is_error());
    CHECK(refused.code() == protocol::error_code::invalid);
    CHECK(stranger.is_closed());

    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        auto settings = user("u", "p");
        settings.version = version;
        auto known = rig.client(settings);
        CHECK_FALSE(known.query("SELECT '" + large + "' FROM k.t").is_error());
    }
}

TEST_CASE("login: writes wait, visibly, until the first client has logged in")
{
    proxy_rig rig(strict, strict);
    rig.launch();
    CHECK(eventually([&] { return waits_for_credentials(rig); }));
    CHECK(rig.has_logged("writes wait until the first client logs in"));
    auto client = rig.client(user("u", "p"));
    CHECK_FALSE(client.query(insert).is_error());
    CHECK(rig.is_delivered());
    CHECK_FALSE(waits_for_credentials(rig));
    CHECK(rig.target.writes().size() == 1);
}

TEST_CASE("login: several rounds are passed on, and the user of the last one is learned")
{
    proxy_rig rig({.username = "u", .password = "p"}, {.username = "u", .password = "p"});
    rig.source.set_handshake_script([](const seen_request& r) {
        const bool mechanism = r.op() == opcode::auth_response && r.body.ends_with("PLAIN");
        if (!mechanism) return reply::normal();
        return reply::message(opcode::auth_challenge, std::string("\0\0\0\x0bPLAIN-START", 15));
    });
    rig.launch();
    wire_client client(rig.running().port());
    const std::string options(
        "\0\1\0\x0b"
        "CQL_VERSION\0\5"
        "3.0.0",
        22
    );
    CHECK(client.ask(opcode::startup, options).op() == opcode::authenticate);
    const auto challenge = client.ask(opcode::auth_response, std::string("\0\0\0\5PLAIN", 9));
    CHECK(challenge.op() == opcode::auth_challenge);
    CHECK(challenge.body.ends_with("PLAIN-START"));
    CHECK(eventually([&] { return waits_for_credentials(rig); }));
    const std::string plain("\0\0\0\4\0u\0p", 8);
    CHECK(client.ask(opcode::auth_response, plain).op() == opcode::auth_success);
    CHECK_FALSE(client.query(insert).is_error());
    CHECK(rig.is_delivered());
    CHECK(rig.target.writes().size() == 1);
}

TEST_CASE("login: a user that the target refuses gives way to the next that the source let in")
{
    proxy_rig rig({.username = "u", .password = "p"}, {.username = "v", .password = "q"});
    // Any user may log in at the source.
    rig.source.set_handshake_script([](const seen_request& r) {
        if (r.op() != opcode::auth_response) return reply::normal();
        return reply::message(opcode::auth_success, std::string("\xff\xff\xff\xff", 4));
    });
    rig.launch();
    auto first = rig.client(user("u", "p"));
    CHECK_FALSE(first.query(insert).is_error());
    CHECK(eventually([&] { return rig.has_logged("user 'u'"); }));
    CHECK(rig.target.writes().empty());
    auto second = rig.client(user("v", "q"));
    CHECK(rig.is_delivered());
    CHECK(rig.target.writes().size() == 1);
    CHECK(rig.has_logged("clients log in as several users"));
    // And it stays: a third one changes nothing.
    auto third = rig.client(user("w", "r"));
    CHECK_FALSE(third.query(insert).is_error());
    CHECK(rig.is_delivered());
    CHECK(rig.running().status_json().find("\"user\":\"v\"") != std::string::npos);
}

TEST_SUITE_END();
