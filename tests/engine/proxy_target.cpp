#include <dualwrite/policy/outcome.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <set>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a) VALUES (1)";

// The first `n` writes get this, the rest is normal.
fake_cluster::script first(int n, const reply& how)
{
    const auto asked = std::make_shared<std::atomic<int>>(0);
    return [=](const seen_request& r) {
        return r.is_write() && asked->fetch_add(1) < n ? how : reply::normal();
    };
}

// What the client was told, whatever the target does.
void write_one(wire_client& client)
{
    CHECK(client.query(insert).op() == opcode::result);
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_target");

TEST_CASE("proxy: an error of the target that may pass is tried again until it has passed")
{
    for (const auto& rule : policy::target_rules) {
        if (rule.repeatable != policy::target_action::retry) continue;
        const auto code = error_code(rule.code);
        CAPTURE(protocol::error_code_name(code));
        proxy_rig rig;
        rig.target.set_script(first(2, reply::error(code, "scripted", "SIMPLE")));
        rig.start();
        auto client = rig.client(4);
        write_one(client);
        REQUIRE(rig.target.wait_for_writes(1));
        REQUIRE(rig.is_delivered());
        const auto asked = rig.target.requests(is_write);
        REQUIRE(asked.size() == 3);
        for (const auto& its : asked)
            CHECK(its->timestamp_us == rig.source.writes()[0]->timestamp_us);
        CHECK(rig.number("target_errors") == 2);
        CHECK(rig.number("target_retries") == 2);
        CHECK(rig.number("dead_letters") == 0);
        CHECK(rig.has_logged(protocol::error_code_name(code)));
    }
}

TEST_CASE("proxy: a code that nobody knows yet is tried again")
{
    proxy_rig rig;
    rig.target.set_script(first(2, reply::error(error_code(0x7777))));
    rig.start();
    auto client = rig.client(4);
    write_one(client);
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(rig.target.count(is_write) == 3);
}

namespace {

bool is_logged_batch(const seen_request& r)
{
    if (r.op() == opcode::batch) return r.body[0] == 0;
    return r.begins_with("BEGIN BATCH");
}

// One of each kind; what is prepared has a value.
void write_batches(wire_client& client)
{
    static constexpr auto text = "BEGIN BATCH INSERT INTO k.t (a, b) VALUES (?, ?) APPLY BATCH";
    const auto values = bound_values().of(std::int32_t{2}).of("two");
    for (int times = 0; times < 2; ++times) {
        CHECK(
            client.ask(opcode::batch, batch_body(4, {{insert}, {insert}})).op() == opcode::result
        );
        CHECK(
            client.query("BEGIN BATCH INSERT INTO k.t (a) VALUES (1) APPLY BATCH").op() ==
            opcode::result
        );
        CHECK(client.execute(client.prepare(text), values).op() == opcode::result);
        CHECK(
            client.query("BEGIN UNLOGGED BATCH " + insert + " APPLY BATCH").op() == opcode::result
        );
    }
}

}  // namespace

TEST_CASE("proxy: a target that takes no logged batches gets them as unlogged ones")
{
    const std::pair<error_code, const char*> refusals[] = {
        {error_code::server_error,
         "Logged batches are not supported by the service yet. Please use unlogged batches "
         "instead."},
        {error_code::invalid, "Only UNLOGGED Batches are supported at this time."}};
    for (const auto& [code, words] : refusals) {
        CAPTURE(words);
        proxy_rig rig;
        rig.target.set_script([code = code, words = words](const seen_request& r) {
            return is_logged_batch(r) ? reply::error(code, words) : reply::normal();
        });
        rig.start();
        auto client = rig.client(4);
        write_batches(client);
        REQUIRE(rig.target.wait_for_writes(8));
        REQUIRE(rig.is_delivered());

        const auto sent = rig.source.writes();
        CHECK(std::count_if(sent.begin(), sent.end(), [](const auto& its) {
                  return is_logged_batch(*its);
              }) == 6);
        std::multiset<std::int64_t> there;
        std::multiset<std::int64_t> here;
        for (const auto& its : sent) there.insert(its->timestamp_us.value());
        for (const auto& its : rig.target.writes()) here.insert(its->timestamp_us.value());
        CHECK(here == there);
        CHECK(std::count_if(sent.begin(), sent.end(), [](const auto& its) {
                  return !its->values.empty();
              }) == 2);
        CHECK(rig.number("unlogged") == 6);
        CHECK(rig.number("target_errors") == 0);
        CHECK(rig.number("dead_letters") == 0);
        CHECK(rig.times_logged("the target takes no logged batches") == 1);
        CHECK(rig.running().status_json().find("\"logged_batches\":false") != std::string::npos);
    }
}

TEST_CASE("proxy: a batch that is refused as an unlogged one, too, becomes a dead letter")
{
    proxy_rig rig;
    rig.options.patience.refusal_ms = 100;
    rig.target.set_script([](const seen_request& r) {
        return r.op() == opcode::batch ? reply::error(error_code::invalid, "no logged batch")
                                       : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.ask(opcode::batch, batch_body(4, {{insert}})).op() == opcode::result);
    REQUIRE(rig.wait_for_number("dead_letters", 1));
    CHECK(rig.number("unlogged") == 0);
    REQUIRE(rig.is_delivered());
}

TEST_CASE("proxy: what the target refuses for good becomes a dead letter, but not at once")
{
    for (const auto& rule : policy::target_rules) {
        if (rule.repeatable != policy::target_action::permanent) continue;
        const auto code = error_code(rule.code);
        CAPTURE(protocol::error_code_name(code));
        proxy_rig rig;
        rig.options.patience.refusal_ms = 200;
        rig.target.set_script(first(1000, reply::error(code, "the server's words")));
        rig.start();
        auto client = rig.client(4);
        const auto began = now_ms();
        write_one(client);
        REQUIRE(rig.wait_for_number("dead_letters", 1));
        CHECK(now_ms() - began >= 200);
        CHECK(rig.target.count(is_write) >= 2);
        REQUIRE(rig.is_delivered());
        const auto letter = rig.dead_letters();
        CHECK(letter.find(insert) != std::string::npos);
        CHECK(letter.find("the server's words") != std::string::npos);
        CHECK(
            letter.find(std::to_string(*rig.source.writes()[0]->timestamp_us)) != std::string::npos
        );
        // The server's words may hold values.
        CHECK_FALSE(rig.has_logged("the server's words"));
        CHECK(rig.has_logged("k.t"));
    }
}

TEST_CASE("proxy: a refusal that ends within the time of grace leaves no dead letter")
{
    proxy_rig rig;
    rig.options.patience.refusal_ms = 5'000;
    rig.target.set_script(first(3, reply::error(error_code::invalid, "no such table")));
    rig.start();
    auto client = rig.client(4);
    write_one(client);
    REQUIRE(rig.target.wait_for_writes(1));
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("dead_letters") == 0);
    CHECK(rig.dead_letters().empty());
}

TEST_CASE("proxy: a target with fewer replicas than a client's level needs gets LOCAL_QUORUM")
{
    proxy_rig rig;
    rig.target.set_script([](const seen_request& r) {
        const bool many = r.consistency == protocol::consistency::two;
        return many ? reply::error(error_code::unavailable) : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    const auto body = query_body(4, insert, {.consistency = protocol::consistency::two});
    CHECK(client.ask(opcode::query, body).op() == opcode::result);
    REQUIRE(rig.is_delivered(5000));
    CHECK(rig.source.requests(is_write)[0]->consistency == protocol::consistency::two);
    const auto seen = rig.target.requests(is_write);
    REQUIRE(seen.size() == 2);
    CHECK(seen[0]->consistency == protocol::consistency::two);
    CHECK(seen[1]->consistency == protocol::consistency::local_quorum);
    CHECK(seen[1]->timestamp_us == seen[0]->timestamp_us);
}

TEST_CASE("proxy: a target that asks for time gets it")
{
    proxy_rig rig;
    const auto wait = reply::error(
        error_code::overloaded, "Request rate is large: ActivityID=x, RetryAfterMs=300, Additional"
    );
    rig.target.set_script(first(1, wait));
    rig.start();
    auto client = rig.client(4);
    const auto began = now_ms();
    write_one(client);
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(now_ms() - began >= 300);
    CHECK(rig.target.count(is_write) == 2);
}

TEST_CASE("proxy: a write whose answer the target swallowed is delivered again with the same time")
{
    for (const bool executed : {false, true}) {
        CAPTURE(executed);
        proxy_rig rig;
        rig.target.set_script(first(1, reply::cut().executed(executed)));
        rig.start();
        auto client = rig.client(4);
        write_one(client);
        REQUIRE(rig.target.wait_for_writes(executed ? 2 : 1));
        REQUIRE(rig.is_delivered());
        const auto asked = rig.target.requests(is_write);
        REQUIRE(asked.size() == 2);
        CHECK(asked[0]->timestamp_us == asked[1]->timestamp_us);
        CHECK(asked[0]->connection != asked[1]->connection);
        CHECK(rig.number("replicated") == 1);
    }
}

TEST_CASE("proxy: a target that never answers is given up, and asked on another connection")
{
    proxy_rig rig;
    rig.options.patience.answer_ms = 300;
    rig.options.target_connections = 1;
    rig.target.set_script(first(1, reply::nothing()));
    rig.start();
    auto client = rig.client(4);
    write_one(client);
    REQUIRE(rig.target.wait_for_writes(1));
    const auto asked = rig.target.requests(is_write);
    REQUIRE(asked.size() == 2);
    CHECK(asked[0]->connection != asked[1]->connection);
    CHECK(rig.has_logged("no answer within 300 ms"));
}

TEST_CASE("proxy: an idle connection to the target is kept alive, and a dead one found")
{
    proxy_rig rig;
    rig.options.patience.idle_ms = 100;
    rig.options.target_connections = 1;
    // The first OPTIONS of a connection is part of its handshake.
    const auto asked = std::make_shared<std::map<std::uint64_t, int>>();
    const auto beats = std::make_shared<std::atomic<int>>(0);
    const auto connections = std::make_shared<std::atomic<int>>(0);
    const auto answers = std::make_shared<std::atomic<bool>>(true);
    rig.target.set_handshake_script([=](const seen_request& r) {
        if (r.op() != opcode::options) return reply::normal();
        const auto before = (*asked)[r.connection]++;
        if (before == 0) return reply::normal();
        if (before == 1) connections->fetch_add(1);
        beats->fetch_add(1);
        return answers->load() ? reply::normal() : reply::nothing();
    });
    rig.options.patience.answer_ms = 3000;
    rig.start();
    REQUIRE(eventually([&] { return beats->load() >= 5; }));
    CHECK(connections->load() == 1);
    answers->store(false);
    REQUIRE(eventually([&] { return rig.has_logged("no answer within 3000 ms"); }));
    answers->store(true);
    REQUIRE(eventually([&] { return connections->load() >= 2; }));
    auto client = rig.client(4);
    write_one(client);
    CHECK(rig.target.wait_for_writes(1));
}

TEST_CASE("proxy: a target that takes connections and says nothing is tried again")
{
    proxy_rig rig;
    rig.options.patience.connect_ms = 200;
    rig.target.set_handshake_script([](const seen_request&) { return reply::nothing(); });
    rig.start(false);
    auto client = rig.client(4);
    write_one(client);
    REQUIRE(eventually([&] { return rig.target.connections() > rig.options.target_connections; }));
    rig.target.set_handshake_script({});
    CHECK(rig.target.wait_for_writes(1));
}

TEST_CASE("proxy: a target that refuses the handshake is tried again, and the reason is said")
{
    proxy_rig rig;
    rig.target.set_handshake_script([](const seen_request& r) {
        if (r.op() != opcode::startup) return reply::normal();
        return reply::error(error_code::server_error, "not today");
    });
    rig.start(false);
    auto client = rig.client(4);
    write_one(client);
    REQUIRE(eventually([&] { return rig.has_logged("not today"); }));
    rig.target.set_handshake_script({});
    CHECK(rig.target.wait_for_writes(1));
}

TEST_CASE("proxy: a target of an older version is spoken to in that version")
{
    proxy_rig rig({}, {.version_max = 4});
    rig.start();
    auto client = rig.client(5);
    write_one(client);
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(rig.target.writes()[0]->header.version == 4);
}

TEST_CASE("proxy: a target that is too old for unset values gets nothing, and the log says why")
{
    proxy_rig rig({}, {.version_max = 3});
    rig.start(false);
    auto client = rig.client(4);
    write_one(client);
    REQUIRE(eventually([&] { return rig.has_logged("protocol version"); }));
    CHECK(rig.target.count() == 0);
    CHECK(rig.number("backlog") == 1);
}

TEST_CASE("proxy: a slow target loses nothing, and the client does not notice")
{
    proxy_rig rig;
    rig.target.set_script([](const seen_request&) { return reply::normal().after(150); });
    rig.start();
    auto client = rig.client(5);
    const auto began = now_ms();
    for (int i = 0; i < 50; ++i) write_one(client);
    const auto took = now_ms() - began;
    REQUIRE(rig.target.wait_for_writes(50));
    CHECK(took < 50 * 150);
    CHECK(rig.is_delivered());
}

TEST_CASE("proxy: a target that answers in pieces, out of order, or many at once is understood")
{
    proxy_rig rig({}, {.pack_answers = true});
    const auto asked = std::make_shared<std::atomic<int>>(0);
    rig.target.set_script([asked](const seen_request& r) {
        if (!r.is_write()) return reply::normal();
        const int n = asked->fetch_add(1);
        return reply::normal().after(n % 7 * 3).in_pieces(n % 2 == 0 ? 5 : 0);
    });
    rig.start();
    auto client = rig.client(5);
    for (int i = 0; i < 300; ++i) write_one(client);
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.writes().size() == 300);
    CHECK(rig.number("replicated") == 300);
    CHECK(rig.number("target_errors") == 0);
}

TEST_CASE("proxy: a target that sends what is not CQL, or answers what was not asked, is left")
{
    for (const bool stranger : {false, true}) {
        CAPTURE(stranger);
        proxy_rig rig;
        auto wrong = reply::normal();
        if (stranger)
            wrong.stream = 1234;
        else
            wrong = reply::message(static_cast<opcode>(0x77), "garbage");
        rig.target.set_script(first(1, wrong));
        rig.start();
        auto client = rig.client(4);
        write_one(client);
        REQUIRE(rig.is_delivered());
        CHECK(rig.target.count(is_write) == 2);
        CHECK(
            rig.target.writes().back()->connection != rig.target.requests(is_write)[0]->connection
        );
    }
}

TEST_CASE("proxy: a target that is away for the whole run and back later gets every write")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    auto client = rig.client(4);
    const auto id = client.prepare("INSERT INTO k.t (a) VALUES (?)");
    for (std::int32_t a = 0; a < 300; ++a)
        CHECK(client.execute(id, bound_values().of(a)).op() == opcode::result);
    REQUIRE(rig.wait_for_number("backlog", 300));
    CHECK(rig.number("target_connections") == 0);
    rig.target.up();
    REQUIRE(rig.target.wait_for_writes(300));
    REQUIRE(rig.is_delivered());
    std::map<std::string, std::int64_t> times;
    for (const auto& its : rig.source.writes()) times[its->values] = *its->timestamp_us;
    for (const auto& its : rig.target.writes()) CHECK(times.at(its->values) == its->timestamp_us);
}

TEST_CASE("proxy: the status counts a write from the moment that its client is answered")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    auto client = rig.client(4);
    for (int i = 1; i <= 20; ++i) {
        write_one(client);
        CHECK(rig.number("backlog") == i);
    }
}

TEST_CASE("proxy: a target that keeps losing its connections gets every write in the end")
{
    proxy_rig rig;
    const auto asked = std::make_shared<std::atomic<int>>(0);
    rig.target.set_script([asked](const seen_request& r) {
        const int n = asked->fetch_add(1);
        return r.is_write() && n < 200 && n % 40 == 0 ? reply::cut().executed(n % 80 == 0)
                                                      : reply::normal();
    });
    rig.start();
    auto client = rig.client(5);
    for (int i = 0; i < 300; ++i) {
        write_one(client);
        if (i == 150) rig.target.drop_connections();
    }
    REQUIRE(rig.is_delivered());
    std::map<std::int64_t, int> seen;
    for (const auto& its : rig.target.writes()) ++seen[*its->timestamp_us];
    CHECK(seen.size() == 300);
    for (const auto& its : rig.source.writes()) CHECK(seen.count(*its->timestamp_us) == 1);
}

TEST_CASE("proxy: a dead letter of one write does not keep the others")
{
    proxy_rig rig;
    rig.options.patience.refusal_ms = 300;
    rig.target.set_script([](const seen_request& r) {
        if (r.text.find("k.bad") == r.text.npos) return reply::normal();
        return reply::error(error_code::invalid, "no such table");
    });
    rig.source.add_table("k", "bad");
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query("INSERT INTO k.bad (a) VALUES (1)").op() == opcode::result);
    for (int i = 0; i < 20; ++i) write_one(client);
    REQUIRE(rig.target.wait_for_writes(20));
    CHECK(rig.number("dead_letters") == 0);
    REQUIRE(rig.is_delivered());
    CHECK(rig.number("dead_letters") == 1);
}

TEST_SUITE_END();
