#include <dualwrite/policy/outcome.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <vector>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using policy::outcome;
using protocol::error_code;
using protocol::opcode;

namespace {

struct scenario {
    error_code code;
    std::string write_type;
    outcome expected;
};

// Every row of the table, and a code that nobody knows yet.
std::vector<scenario> scenarios(bool several)
{
    std::vector<scenario> out;
    for (const auto& rule : policy::outcome_rules) {
        auto type = std::string(rule.write_type);
        if (type.empty() && (rule.code == 0x1100 || rule.code == 0x1500)) type = "SIMPLE";
        out.push_back({error_code(rule.code), type, several ? rule.several : rule.single});
    }
    out.push_back({error_code(0x7777), "", outcome::unknown});
    return out;
}

// The first time the client's write gets the error, from then on all is well.
fake_cluster::script once(const scenario& its)
{
    const auto asked = std::make_shared<std::atomic<int>>(0);
    return [its, asked](const seen_request& r) {
        if (!r.is_write() || asked->fetch_add(1) != 0) return reply::normal();
        return reply::error(its.code, "scripted", its.write_type);
    };
}

void check_scenario(std::uint8_t version, const scenario& its, std::string_view cql)
{
    proxy_rig rig;
    rig.source.set_script(once(its));
    rig.start();
    auto client = rig.client(version);
    const auto got = client.query(cql);
    CHECK(got.code() == its.code);
    CHECK(got.text() == "scripted");
    REQUIRE(rig.is_delivered());
    const auto asked = rig.source.requests(is_write);
    const auto delivered = rig.target.requests(is_write);
    CHECK(delivered.size() == (its.expected == outcome::void_ ? 0 : 1));
    REQUIRE(asked.size() == (its.expected == outcome::unknown ? 2 : 1));
    REQUIRE(asked[0]->timestamp_us);
    for (const auto& again : asked) CHECK(again->timestamp_us == asked[0]->timestamp_us);
    for (const auto& write : delivered) {
        CHECK(write->timestamp_us == asked[0]->timestamp_us);
        CHECK(write->text == cql);
    }
    if (asked.size() == 2) CHECK(asked[1]->own);
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_outcomes");

TEST_CASE("proxy: what the source says of a write decides what becomes of it")
{
    for (const auto& its : scenarios(false)) {
        CAPTURE(protocol::error_code_name(its.code));
        CAPTURE(its.write_type);
        check_scenario(4, its, "INSERT INTO k.t (a) VALUES (1)");
    }
}

TEST_CASE("proxy: of a write of several partitions a part may be done where one says it is not")
{
    for (const auto& its : scenarios(true)) {
        CAPTURE(protocol::error_code_name(its.code));
        CAPTURE(its.write_type);
        check_scenario(5, its, "DELETE FROM k.t WHERE a IN (1, 2)");
    }
}

TEST_CASE("proxy: an answer that is neither RESULT nor ERROR says nothing, and the source is asked")
{
    proxy_rig rig;
    const auto asked = std::make_shared<std::atomic<int>>(0);
    rig.source.set_script([asked](const seen_request& r) {
        return r.is_data() && asked->fetch_add(1) == 0 ? reply::message(opcode::ready, {})
                                                       : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query("INSERT INTO k.t (a) VALUES (1)").op() == opcode::ready);
    REQUIRE(rig.target.wait_for_writes(1));
    REQUIRE(rig.is_delivered());
    const auto source = rig.source.requests(is_write);
    REQUIRE(source.size() == 2);
    CHECK(source[1]->own);
    CHECK(source[1]->timestamp_us == source[0]->timestamp_us);
}

TEST_CASE("proxy: a write whose answer never came is sent to the source again, then to the target")
{
    for (const bool executed : {false, true}) {
        CAPTURE(executed);
        for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
            CAPTURE(version);
            proxy_rig rig;
            const auto asked = std::make_shared<std::atomic<int>>(0);
            rig.source.set_script([asked, executed](const seen_request& r) {
                if (!r.is_data() || asked->fetch_add(1) != 0) return reply::normal();
                return reply::cut().executed(executed);
            });
            rig.start();
            auto client = rig.client(version);
            const auto id = client.prepare("INSERT INTO k.t (a) VALUES (?)");
            client.send(opcode::execute, execute_body(version, id, bound_values().of(7)));
            // As without a proxy: the client loses its connection and does not know either.
            CHECK(client.is_closed());
            REQUIRE(rig.target.wait_for_writes(1));
            REQUIRE(rig.is_delivered());
            const auto source = rig.source.requests(is_write);
            REQUIRE(source.size() == 2);
            CHECK(source[1]->own);
            CHECK(source[1]->timestamp_us == source[0]->timestamp_us);
            CHECK(source[1]->values == source[0]->values);
            CHECK(rig.target.writes()[0]->timestamp_us == source[0]->timestamp_us);
            CHECK(rig.target.writes()[0]->values == source[0]->values);
            CHECK(rig.number("writes_unknown") == 1);
            CHECK(rig.number("redriven") == 1);
        }
    }
}

TEST_CASE("proxy: what is refreshed is not read while the source may still work on it")
{
    proxy_rig rig;
    rig.options.patience.doubt_ms = 1500;
    rig.source.set_script([](const seen_request&) {
        return reply::error(error_code::write_timeout, "timeout", "CAS");
    });
    rig.start();
    auto client = rig.client(4);
    const auto begin = std::chrono::steady_clock::now();
    CHECK(client.query("DELETE FROM k.t WHERE a = 6 IF EXISTS").is_error());
    REQUIRE(wait_for_refreshes(1));
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(1500));
}

TEST_CASE("proxy: the target waits until the source has been asked, however often that takes")
{
    proxy_rig rig;
    const auto asked = std::make_shared<std::atomic<int>>(0);
    rig.source.set_script([asked](const seen_request& r) {
        if (!r.is_write()) return reply::normal();
        switch (asked->fetch_add(1)) {
        case 0:
            return reply::error(error_code::write_timeout, "slow", "SIMPLE");
        case 1:
            return reply::error(error_code::unavailable);
        case 2:
            return reply::cut();
        case 3:
            return reply::error(error_code::unauthorized);
        default:
            return reply::normal();
        }
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query("INSERT INTO k.t (a) VALUES (1)").code() == error_code::write_timeout);
    REQUIRE(rig.source.wait_for(4, is_write));
    CHECK(rig.target.count(is_write) == 0);
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(rig.source.count(is_write) == 5);
}

TEST_CASE("proxy: asked again, the source may find a verdict on the text itself")
{
    proxy_rig rig;
    const auto asked = std::make_shared<std::atomic<int>>(0);
    rig.source.set_script([asked](const seen_request& r) {
        if (!r.is_write()) return reply::normal();
        return asked->fetch_add(1) == 0 ? reply::error(error_code::server_error)
                                        : reply::error(error_code::invalid, "no such table");
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query("INSERT INTO k.t (a) VALUES (1)").is_error());
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("writes_void") == 1);
    CHECK(rig.target.count() == 0);
}

TEST_CASE("proxy: asked again, the source may refuse to prepare: then it cannot have the write")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    const auto id = client.prepare("INSERT INTO k.t (a) VALUES (?)");
    rig.source.set_script([](const seen_request& r) {
        if (r.own) return reply::error(error_code::invalid, "no such table");
        return reply::error(error_code::server_error);
    });
    CHECK(client.execute(id, bound_values().of(7)).is_error());
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("writes_void") == 1);
    CHECK(rig.target.count() == 0);
}

TEST_CASE("proxy: a write of a client that does not wait for the answer arrives all the same")
{
    for (const bool reset : {false, true}) {
        CAPTURE(reset);
        proxy_rig rig;
        rig.source.set_script([](const seen_request& r) {
            return r.is_write() ? reply::normal().after(100) : reply::normal();
        });
        rig.start();
        auto client = rig.client(4);
        client.send(opcode::query, query_body(4, "INSERT INTO k.t (a) VALUES (1)"));
        REQUIRE(rig.source.wait_for(1, is_write));
        if (reset)
            client.abort();
        else
            client.close();
        REQUIRE(rig.target.wait_for_writes(1));
        REQUIRE(rig.is_delivered());
        // Its answer was waited for, it was not asked again.
        CHECK(rig.source.count(is_write) == 1);
        CHECK(rig.number("writes_unknown") == 0);
        CHECK(rig.wait_for_number("clients", 0));
    }
}

TEST_CASE("proxy: after a while the answer to a client that is gone is not waited for any more")
{
    proxy_rig rig;
    rig.options.patience.orphan_ms = 100;
    rig.source.set_script([](const seen_request& r) {
        return r.is_write() && !r.own ? reply::nothing().executed() : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, "INSERT INTO k.t (a) VALUES (1)"));
    REQUIRE(rig.source.wait_for(1, is_write));
    client.close();
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(rig.source.count(is_write) == 2);
    CHECK(rig.wait_for_number("clients", 0));
}

TEST_CASE("proxy: a client that is gone in the middle of a large result does not hold its write up")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request& r) {
        if (r.is_write()) return reply::normal().after(300);
        return reply::message(opcode::result, rows_body({std::string(32 << 20, 'L')}));
    });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, "SELECT v FROM k.t"), 1);
    client.send(opcode::query, query_body(4, "INSERT INTO k.t (a) VALUES (1)"), 2);
    REQUIRE(rig.source.wait_for(1, is_write));
    // It reads nothing, so the proxy stops reading too.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    client.close();
    REQUIRE(rig.target.wait_for_writes(1, 8'000));
    CHECK(rig.source.count(is_write) == 1);
}

TEST_CASE("proxy: a source that is away is told to the client, which is then sent away")
{
    proxy_rig rig;
    rig.start();
    rig.source.down();
    wire_client client(rig.running().port());
    byte_buffer startup;
    protocol::append_startup_body(startup, {{"CQL_VERSION", "3.0.0"}});
    const auto got = client.ask(opcode::startup, as_text(startup.view()));
    CHECK(got.code() == error_code::server_error);
    CHECK(got.text().find("cannot be reached") != std::string::npos);
    CHECK(client.is_closed());
    CHECK_FALSE(rig.running().ready());
    rig.source.up();
    CHECK(rig.client(4).query("SELECT v FROM k.t").op() == opcode::result);
    CHECK(rig.running().ready());
}

TEST_CASE("proxy: is ready as soon as the source answers, without a client")
{
    proxy_rig rig;
    rig.source.down();
    rig.launch();
    CHECK_FALSE(rig.running().ready());
    rig.source.up();
    CHECK(eventually([&] { return rig.running().ready(); }));
}

TEST_CASE("proxy: a connection to the source that is not needed any more does not say it is away")
{
    proxy_rig rig;
    rig.source.set_script(once({error_code::server_error, "", outcome::unknown}));
    rig.start();
    {
        auto client = rig.client(4);
        CHECK(client.query("INSERT INTO k.t (a) VALUES (1)").is_error());
        REQUIRE(rig.is_delivered());
    }
    rig.source.drop_connections();
    CHECK(eventually([&] { return rig.source.open_connections() == 0; }));
    CHECK(eventually([&] { return rig.running().ready(); }, 3'000));
}

TEST_SUITE_END();
