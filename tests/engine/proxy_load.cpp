#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a, b) VALUES (?, ?)";

std::set<std::int64_t> times_of(const fake_cluster& side)
{
    std::set<std::int64_t> out;
    for (const auto& its : side.writes()) out.insert(its->timestamp_us.value_or(-1));
    return out;
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_load");

TEST_CASE("load: every stream id of a connection can be in flight at a time")
{
    constexpr int streams = 32'768;
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        proxy_rig rig;
        rig.start();
        auto client = rig.client(version);
        const auto id = client.prepare(insert);
        rig.source.set_script([](const seen_request& r) {
            return r.own ? reply::normal() : reply::held();
        });
        std::string wire;
        for (int i = 0; i < streams; ++i) {
            const auto stream = static_cast<std::int16_t>(i);
            if (i % 8 == 0)
                wire += client.wire_of(
                    opcode::execute, execute_body(version, id, bound_values().of(i).of("x")), stream
                );
            else
                wire +=
                    client.wire_of(opcode::query, query_body(version, "SELECT v FROM k.t"), stream);
        }
        client.send_bytes(wire);
        REQUIRE(rig.source.wait_for(streams + 1, {}));
        CHECK(client.is_quiet(20));
        rig.source.answer_held();
        std::vector<int> seen(streams);
        for (int i = 0; i < streams; ++i) {
            const auto got = client.receive();
            ++seen.at(static_cast<std::size_t>(got.stream()));
            if (got.op() != opcode::result) FAIL("no result");
        }
        CHECK(std::ranges::all_of(seen, [](int n) { return n == 1; }));
        REQUIRE(rig.is_delivered());
        CHECK(rig.target.writes().size() == streams / 8);
        CHECK(times_of(rig.target) == times_of(rig.source));
    }
}

TEST_CASE("load: a stream id that is used twice at a time loses neither write")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    rig.source.set_script([](const seen_request& r) {
        return r.own ? reply::normal() : reply::held();
    });
    for (int i = 0; i < 3; ++i)
        client.send(opcode::query, query_body(4, insert, bound_values().of(i).of("x")), 9);
    REQUIRE(rig.source.wait_for(3, is_write));
    rig.source.answer_held();
    for (int i = 0; i < 3; ++i) CHECK(client.receive().stream() == 9);
    REQUIRE(rig.is_delivered());
    CHECK(times_of(rig.target).size() == 3);
    CHECK(times_of(rig.target) == times_of(rig.source));
}

TEST_CASE("load: on a stream id that is used twice at a time no answer is taken for another write's"
)
{
    // The first answers, of reads, errors and writes, would all be taken for the last write's.
    for (const bool first_is_read : {false, true}) {
        CAPTURE(first_is_read);
        proxy_rig rig;
        rig.start();
        auto client = rig.client(4);
        const auto asked = std::make_shared<std::atomic<int>>(0);
        rig.source.set_script([asked](const seen_request& r) {
            if (r.own) return reply::normal();
            const bool second = asked->fetch_add(1) == 1;
            return second ? reply::error(protocol::error_code::invalid).after(50)
                          : reply::normal().after(20);
        });
        const auto first = first_is_read ? query_body(4, "SELECT b FROM k.t")
                                         : query_body(4, insert, bound_values().of(0).of("x"));
        client.send(opcode::query, first, 9);
        client.send(opcode::query, query_body(4, insert, bound_values().of(1).of("x")), 9);
        for (int i = 0; i < 2; ++i) CHECK(client.receive().stream() == 9);
        REQUIRE(rig.is_delivered());
        CHECK(times_of(rig.target) == times_of(rig.source));
        // None is due any more: a stream id like any other.
        const auto redriven = rig.number("redriven");
        client.send(opcode::query, query_body(4, insert, bound_values().of(2).of("x")), 9);
        CHECK(client.receive().op() == opcode::result);
        REQUIRE(rig.is_delivered());
        CHECK(rig.number("redriven") == redriven);
        CHECK(times_of(rig.target) == times_of(rig.source));
    }
}

TEST_CASE("load: on a stream id that is used twice at a time no prepared id is taken for another's")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    rig.source.set_script([](const seen_request& r) {
        return !r.own && r.op() == opcode::prepare ? reply::held() : reply::normal();
    });
    client.send(opcode::prepare, prepare_body(4, insert), 9);
    client.send(opcode::prepare, prepare_body(4, "UPDATE k.t SET b = ? WHERE a = ?"), 9);
    const auto prepares = [](const seen_request& r) { return !r.own && r.op() == opcode::prepare; };
    REQUIRE(rig.source.wait_for(2, prepares));
    rig.source.answer_held();
    const auto first = client.receive();
    client.receive();
    rig.source.set_script({});
    const auto prepared = protocol::parse_prepared(as_bytes(first.body), 4);
    REQUIRE(prepared.has_value());
    const std::string id(as_text(prepared->id));
    const auto values = bound_values().of(1).of("x");
    CHECK(client.execute(id, values).is_error());  // it has to be prepared by itself
    CHECK(client.prepare(insert) == id);
    CHECK_FALSE(client.execute(id, values).is_error());
    REQUIRE(rig.is_delivered());
    REQUIRE(rig.target.writes().size() == 1);
    CHECK(rig.target.writes()[0]->text == insert);
}

TEST_CASE("load: 200 clients at once are served, on several loops")
{
    proxy_rig rig;
    rig.options.threads = 2;
    rig.start();
    std::vector<wire_client> clients;
    for (int i = 0; i < 200; ++i)
        clients.push_back(rig.client(i % 2 == 0 ? std::uint8_t{4} : std::uint8_t{5}));
    CHECK(rig.wait_for_number("clients", 200));
    for (int round = 0; round < 5; ++round) {
        for (auto& client : clients)
            client.send(
                opcode::query,
                query_body(client.version(), insert, bound_values().of(round).of("x"))
            );
        for (auto& client : clients) CHECK(client.receive().op() == opcode::result);
    }
    REQUIRE(rig.is_delivered());
    CHECK(times_of(rig.source).size() == 1'000);
    CHECK(times_of(rig.target) == times_of(rig.source));
    clients.clear();
    CHECK(rig.wait_for_number("clients", 0));
    CHECK(rig.number("clients_accepted") == 200);
}

TEST_CASE("load: a client that does not read its results holds up nobody else")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request& r) {
        if (r.is_write()) return reply::normal();
        return reply::message(opcode::result, rows_body({std::string(1 << 20, 'L')}));
    });
    rig.start();
    auto slow = rig.client(4);
    for (std::int16_t stream = 0; stream < 40; ++stream)
        slow.send(opcode::query, query_body(4, "SELECT v FROM k.t"), stream);
    auto other = rig.client(4);
    for (int i = 0; i < 50; ++i)
        CHECK(other.query(insert, bound_values().of(i).of("x")).op() == opcode::result);
    CHECK(rig.target.wait_for_writes(50));
    for (int i = 0; i < 40; ++i) CHECK(slow.receive().op() == opcode::result);
}

TEST_CASE("load: a full spool refuses writes before the source sees them, until there is room again"
)
{
    proxy_rig rig;
    rig.options.spool_size_max = 4 << 20;
    rig.target.down();
    rig.start(false);
    auto client = rig.client(5);
    const auto id = client.prepare(insert);
    const std::string text(50'000, 'x');
    std::int32_t accepted = 0;
    answer got;
    while (accepted < 500) {
        got = client.execute(id, bound_values().of(accepted).of(text));
        if (got.is_error()) break;
        ++accepted;
    }
    REQUIRE(got.is_error());
    CHECK(got.code() == error_code::overloaded);
    CHECK(got.text().find("not executed") != std::string::npos);
    CHECK(accepted > 5);
    CHECK(accepted < 100);
    CHECK(rig.source.count(is_write) == static_cast<std::size_t>(accepted));
    CHECK(rig.number("refused") == 1);
    // Every kind of write, and no read.
    CHECK(client.query("DELETE FROM k.t WHERE a = 1").code() == error_code::overloaded);
    CHECK(client.query("DROP TABLE k.t").code() == error_code::overloaded);
    CHECK(
        client.ask(opcode::batch, batch_body(5, {{"DELETE FROM k.t WHERE a = 1"}})).code() ==
        error_code::overloaded
    );
    CHECK(client.query("SELECT v FROM k.t").op() == opcode::result);
    CHECK(rig.source.count(is_write) == static_cast<std::size_t>(accepted));

    rig.target.up();
    REQUIRE(rig.target.wait_for_writes(static_cast<std::size_t>(accepted)));
    REQUIRE(eventually([&] {
        return client.execute(id, bound_values().of(-1).of(text)).op() == opcode::result;
    }));
    REQUIRE(rig.is_delivered());
    CHECK(times_of(rig.target) == times_of(rig.source));
    CHECK(rig.dead_letters().empty());
}

TEST_CASE("load: far more writes than the window holds are delivered")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    auto client = rig.client(5);
    const auto id = client.prepare(insert);
    const auto body = execute_body(5, id, bound_values().of(1).of("x"));
    constexpr int count = 40'000;
    int answered = 0;
    for (int sent = 0; answered < count;) {
        for (; sent < count && sent - answered < 1'000; ++sent)
            client.send(opcode::execute, body, static_cast<std::int16_t>(sent % 1'000));
        for (int i = 0; i < 500 && answered < count; ++i, ++answered)
            if (client.receive().op() != opcode::result) FAIL("no result");
    }
    rig.target.up();
    REQUIRE(rig.target.wait_for_writes(count, 60'000));
    CHECK(rig.is_delivered());
    CHECK(times_of(rig.target) == times_of(rig.source));
    CHECK(times_of(rig.target).size() == count);
}

TEST_SUITE_END();
