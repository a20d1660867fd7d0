#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::error_code;
using protocol::opcode;

namespace {

constexpr std::array<std::uint8_t, 2> versions{4, 5};
const std::string insert = "INSERT INTO k.t (a, b) VALUES (?, ?)";

bool is_prepare(const seen_request& r)
{
    return r.op() == opcode::prepare;
}

bool is_execute(const seen_request& r)
{
    return r.op() == opcode::execute;
}

bound_values row(std::int32_t a)
{
    return bound_values().of(a).of("text");
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_prepared");

TEST_CASE("proxy: an execution reaches the target under the target's own id")
{
    proxy_rig rig;
    rig.options.target_connections = 1;
    rig.start();
    for (const auto version : versions) {
        CAPTURE(version);
        rig.target.forget_requests();
        rig.source.forget_requests();
        auto client = rig.client(version);
        const auto id = client.prepare(insert);
        CHECK(id.starts_with("source#"));
        for (std::int32_t a = 0; a < 20; ++a)
            CHECK(client.execute(id, row(a)).op() == opcode::result);
        REQUIRE(rig.target.wait_for_writes(20));
        const auto source = rig.source.writes();
        const auto target = rig.target.writes();
        REQUIRE(source.size() == 20);
        for (std::size_t i = 0; i < 20; ++i) {
            CHECK(source[i]->id == id);
            const auto same = std::ranges::find_if(target, [&](const auto& other) {
                return other->values == source[i]->values;
            });
            REQUIRE(same != target.end());
            CHECK((*same)->id.starts_with("target#"));
            CHECK((*same)->timestamp_us == source[i]->timestamp_us);
            CHECK((*same)->text == insert);
        }
        // Once, by the first version; the second finds it.
        CHECK(rig.target.count(is_prepare) == (version == 4 ? 1 : 0));
    }
}

TEST_CASE("proxy: a statement is prepared on each connection to the target that needs it")
{
    proxy_rig rig;
    rig.options.target_connections = 2;
    rig.start();
    auto client = rig.client(4);
    const auto id = client.prepare(insert);
    const auto body = execute_body(4, id, row(1));
    // More than one connection takes at a time.
    rig.target.set_script([](const seen_request& r) {
        return is_execute(r) ? reply::normal().after(20) : reply::normal();
    });
    for (std::int16_t stream = 0; stream < 600; ++stream)
        client.send(opcode::execute, body, stream);
    for (int i = 0; i < 600; ++i) CHECK(client.receive().op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(600));
    CHECK(rig.target.writes().size() == 600);
    CHECK(rig.target.count(is_prepare) == 2);
}

TEST_CASE("proxy: the client's keyspace is part of what the target prepares")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query("USE k").op() == opcode::result);
    const auto id = client.prepare("INSERT INTO t (a) VALUES (?)");
    CHECK(client.execute(id, bound_values().of(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(rig.target.requests(is_prepare)[0]->text == "INSERT INTO \"k\".t (a) VALUES (?)");
}

TEST_CASE("proxy: a target that has forgotten a statement is repaired, and the client sees nothing")
{
    for (const auto version : versions) {
        CAPTURE(version);
        proxy_rig rig;
        rig.start();
        auto client = rig.client(version);
        const auto id = client.prepare(insert);
        CHECK(client.execute(id, row(1)).op() == opcode::result);
        REQUIRE(rig.target.wait_for_writes(1));
        rig.target.forget_prepared();
        for (std::int32_t a = 2; a < 6; ++a)
            CHECK(client.execute(id, row(a)).op() == opcode::result);
        REQUIRE(rig.target.wait_for_writes(5));
        REQUIRE(rig.is_delivered());
        CHECK(rig.target.writes().size() == 5);
        CHECK(rig.number("target_errors") == 0);
        CHECK(rig.number("dead_letters") == 0);
    }
}

TEST_CASE("proxy: a target that forgets at once is asked again, but not without end in a moment")
{
    proxy_rig rig;
    rig.target.set_script([](const seen_request& r) {
        if (!is_execute(r)) return reply::normal();
        return reply::error(error_code::unprepared, "unprepared", r.id);
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.execute(client.prepare(insert), row(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for(2, is_execute));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK(rig.target.count(is_execute) < 20);
    rig.target.set_script({});
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(rig.is_delivered());
}

TEST_CASE("proxy: a target that names another id than the one it was sent is not asked for ever")
{
    proxy_rig rig;
    rig.target.set_script([](const seen_request& r) {
        if (!is_execute(r)) return reply::normal();
        return reply::error(error_code::unprepared, "unprepared", "nobody's");
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.execute(client.prepare(insert), row(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for(1, is_execute));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK(rig.target.count(is_execute) < 20);
    rig.target.set_script({});
    CHECK(rig.target.wait_for_writes(1));
}

TEST_CASE("proxy: UNPREPARED of the source reaches the client, and the target gets nothing")
{
    for (const auto version : versions) {
        CAPTURE(version);
        proxy_rig rig;
        rig.start();
        auto client = rig.client(version);
        const auto id = client.prepare(insert);
        rig.source.forget_prepared();
        const auto got = client.execute(id, row(1));
        CHECK(got.code() == error_code::unprepared);
        CHECK(got.text() == "unprepared");
        REQUIRE(rig.is_delivered());
        CHECK(rig.target.count() == 0);
        // As a driver does then.
        CHECK(client.prepare(insert) == id);
        CHECK(client.execute(id, row(1)).op() == opcode::result);
        CHECK(rig.target.wait_for_writes(1));
    }
}

TEST_CASE("proxy: an id that the proxy does not know is answered by itself")
{
    for (const auto version : versions) {
        CAPTURE(version);
        proxy_rig rig;
        rig.start();
        auto client = rig.client(version);
        const auto got = client.execute("from a time before", row(1));
        CHECK(got.code() == error_code::unprepared);
        const auto error = protocol::parse_error(as_bytes(got.body), version);
        REQUIRE(error);
        CHECK(as_text(error->unprepared_id) == "from a time before");
        const auto batch =
            batch_body(version, {{insert, false, row(1)}, {"nobody's", true, row(2)}});
        CHECK(client.ask(opcode::batch, batch).code() == error_code::unprepared);
        CHECK(rig.source.count() == 0);
        CHECK(rig.number("writes") == 0);
        CHECK(client.query("SELECT v FROM k.t").op() == opcode::result);
    }
}

TEST_CASE("proxy: what one client prepared another may execute, on any loop")
{
    proxy_rig rig;
    rig.options.threads = 3;
    rig.start();
    auto first = rig.client(4);
    const auto id = first.prepare(insert);
    std::int32_t a = 0;
    for (int i = 0; i < 12; ++i) {
        auto other = rig.client(4);
        CHECK(other.execute(id, row(++a)).op() == opcode::result);
    }
    REQUIRE(rig.target.wait_for_writes(12));
    CHECK(rig.is_delivered());
}

TEST_CASE("proxy: batches of prepared and text children reach the target with its ids")
{
    for (const auto version : versions) {
        CAPTURE(version);
        proxy_rig rig;
        rig.start();
        auto client = rig.client(version);
        const auto first = client.prepare(insert);
        const auto second = client.prepare("DELETE FROM k.t WHERE a = ?");
        const auto body = batch_body(
            version,
            {{first, true, row(1)},
             {"UPDATE k.t SET b = ? WHERE a = 1", false, bound_values().of("u")},
             {second, true, bound_values().of(3)},
             {"DELETE FROM k.t WHERE a = 4"},
             {first, true, bound_values().of(5).unset()}},
            {},
            protocol::batch_type::unlogged
        );
        CHECK(client.ask(opcode::batch, body).op() == opcode::result);
        REQUIRE(rig.target.wait_for_writes(1));
        const auto source = rig.source.writes()[0];
        const auto target = rig.target.writes()[0];
        REQUIRE(source->timestamp_us);
        CHECK(target->timestamp_us == source->timestamp_us);
        CHECK(target->body[0] == 1);  // unlogged
        REQUIRE(target->children.size() == 5);
        for (std::size_t i = 0; i < 5; ++i) {
            CHECK(target->children[i].text == source->children[i].text);
            CHECK(target->children[i].values == source->children[i].values);
            CHECK(target->children[i].prepared == source->children[i].prepared);
        }
    }
}

TEST_CASE("proxy: a batch whose statements the target has forgotten is repaired one by one")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    const auto first = client.prepare(insert);
    const auto second = client.prepare("DELETE FROM k.t WHERE a = ?");
    const auto body = batch_body(4, {{first, true, row(1)}, {second, true, bound_values().of(3)}});
    CHECK(client.ask(opcode::batch, body).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(1));
    rig.target.forget_prepared();
    CHECK(client.ask(opcode::batch, body).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(2));
    CHECK(rig.is_delivered());
    CHECK(rig.target.writes()[1]->children[1].text == "DELETE FROM k.t WHERE a = ?");
}

TEST_CASE("proxy: a batch's own write time is kept, and times in all its texts stay alone")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    auto body = batch_body(4, {{"DELETE FROM k.t WHERE a = 1"}}, 77);
    CHECK(client.ask(opcode::batch, body).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(rig.source.writes()[0]->body == body);
    CHECK(rig.target.writes()[0]->timestamp_us == 77);

    body = batch_body(4, {{"DELETE FROM k.t USING TIMESTAMP 5 WHERE a = 1"}});
    CHECK(client.ask(opcode::batch, body).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(2));
    CHECK(rig.source.writes()[1]->body == body);
    CHECK_FALSE(rig.target.writes()[1]->timestamp_us);
}

TEST_CASE("proxy: a statement that only the target refuses to prepare is tried again, then kept")
{
    proxy_rig rig;
    rig.options.patience.refusal_ms = 400;
    rig.target.set_script([](const seen_request& r) {
        if (!is_prepare(r)) return reply::normal();
        return reply::error(error_code::invalid, "no such table");
    });
    rig.start();
    auto client = rig.client(4);
    const auto id = client.prepare(insert);
    CHECK(client.execute(id, row(1)).op() == opcode::result);
    REQUIRE(rig.target.wait_for(2, is_prepare));
    CHECK(rig.number("dead_letters") == 0);
    REQUIRE(rig.wait_for_number("dead_letters", 1));
    CHECK(rig.is_delivered());
    const auto letter = rig.dead_letters();
    CHECK(letter.find(insert) != std::string::npos);
    CHECK(letter.find("no such table") != std::string::npos);
    CHECK_FALSE(rig.has_logged("no such table"));
    CHECK(rig.target.count(is_execute) == 0);
}

TEST_SUITE_END();
