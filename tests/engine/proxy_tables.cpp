#include <doctest/doctest.h>

#include <algorithm>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::opcode;

namespace {

policy::table_selection selection(
    std::initializer_list<std::string_view> include,
    std::initializer_list<std::string_view> exclude = {}
)
{
    policy::table_selection out;
    for (const auto text : include) out.include.push_back(*policy::parse_table_pattern(text));
    for (const auto text : exclude) out.exclude.push_back(*policy::parse_table_pattern(text));
    return out;
}

const std::string mixed = "BEGIN BATCH INSERT INTO k.t (a) VALUES (?); "
                          "INSERT INTO k.u (a, b) VALUES (?, ?); "
                          "INSERT INTO k.t (a, b) VALUES (?, ?); APPLY BATCH";
const std::string mixed_without_u = "BEGIN BATCH INSERT INTO k.t (a) VALUES (?);  "
                                    "INSERT INTO k.t (a, b) VALUES (?, ?); APPLY BATCH";

bound_values mixed_values()
{
    return bound_values().of(1).of(2).of("left out").of(3).of("kept");
}

void make_tables(proxy_rig& rig)
{
    rig.source.add_table("k", "u");
    rig.target.add_table("k", "u");
}

// The texts of the writes that the target has got, after all of them.
std::vector<std::string> at_target(const proxy_rig& rig)
{
    REQUIRE(rig.is_delivered());
    std::vector<std::string> out;
    for (const auto& write : rig.target.writes()) out.push_back(write->text);
    return out;
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_tables");

TEST_CASE("proxy: statements about tables that are not selected go to the source only")
{
    proxy_rig rig;
    make_tables(rig);
    rig.options.tables = selection({"k.*"}, {"k.u"});
    rig.start();
    for (const auto version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        auto client = rig.client(version);
        rig.source.forget_requests();
        rig.target.forget_requests();
        const auto counted = rig.number("left_out");
        CHECK(client.query("INSERT INTO k.u (a) VALUES (1)").op() == opcode::result);
        const auto to_u = client.prepare("INSERT INTO k.u (a, b) VALUES (?, now())");
        CHECK(client.execute(to_u, bound_values().of(2)).op() == opcode::result);
        CHECK(client.query("TRUNCATE k.u").op() == opcode::result);
        CHECK(client.query("ALTER TABLE k.u ADD c int").op() == opcode::result);
        CHECK(client.query("USE k").op() == opcode::result);
        CHECK(client.query("DELETE FROM u WHERE a = 1").op() == opcode::result);
        CHECK(client.query("INSERT INTO t (a) VALUES (3)").op() == opcode::result);
        const auto to_t = client.prepare("INSERT INTO k.t (a) VALUES (?)");
        CHECK(client.execute(to_t, bound_values().of(4)).op() == opcode::result);
        CHECK(
            at_target(rig) ==
            std::vector<std::string>{
                "INSERT INTO \"k\".t (a) VALUES (3)", "INSERT INTO k.t (a) VALUES (?)"}
        );
        CHECK(rig.source.writes().size() == 5);
        CHECK(rig.target.count([](const seen_request& r) { return r.is_schema(); }) == 0);
        CHECK(rig.number("left_out") - counted == 5);
        CHECK(rig.number("dead_letters") == 0);
    }
}

TEST_CASE("proxy: of a batch only the children about selected tables are replicated")
{
    proxy_rig rig;
    make_tables(rig);
    rig.options.tables = selection({}, {"*.u"});
    rig.start();
    for (const auto version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        auto client = rig.client(version);
        rig.source.forget_requests();
        rig.target.forget_requests();
        const auto to_u = client.prepare("INSERT INTO k.u (a) VALUES (?)");
        const auto to_t = client.prepare("INSERT INTO k.t (a) VALUES (?)");
        const auto body = batch_body(
            version,
            {{to_u, true, bound_values().of(1)},
             {"INSERT INTO k.t (a) VALUES (2)"},
             {to_t, true, bound_values().of(3)},
             {"DELETE FROM k.u WHERE a = 4"}}
        );
        CHECK(client.ask(opcode::batch, body).op() == opcode::result);
        REQUIRE(rig.is_delivered());
        REQUIRE(rig.source.writes().size() == 1);
        CHECK(rig.source.writes()[0]->children.size() == 4);
        REQUIRE(rig.target.writes().size() == 1);
        const auto children = rig.target.writes()[0]->children;
        REQUIRE(children.size() == 2);
        CHECK(children[0].text == "INSERT INTO k.t (a) VALUES (2)");
        CHECK(children[1].text == "INSERT INTO k.t (a) VALUES (?)");
        CHECK(children[1].values == bound_values().of(3).bytes());
        const auto none = batch_body(version, {{"DELETE FROM k.u WHERE a = 4"}});
        CHECK(client.ask(opcode::batch, none).op() == opcode::result);
        REQUIRE(rig.is_delivered());
        CHECK(rig.target.writes().size() == 1);
    }
}

TEST_CASE("proxy: of a batch in one text the others are cut out with what was bound to them")
{
    proxy_rig rig;
    make_tables(rig);
    rig.options.tables = selection({"k.t"});
    rig.start();
    const auto kept = bound_values().of(1).of(3).of("kept");
    for (const auto version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        auto client = rig.client(version);
        const auto id = client.prepare(mixed);
        for (const bool prepared : {false, true}) {
            CAPTURE(prepared);
            rig.source.forget_requests();
            rig.target.forget_requests();
            const auto got =
                prepared ? client.execute(id, mixed_values()) : client.query(mixed, mixed_values());
            CHECK(got.op() == opcode::result);
            REQUIRE(at_target(rig) == std::vector<std::string>{mixed_without_u});
            CHECK(rig.target.writes()[0]->values == kept.bytes());
            REQUIRE(rig.source.writes().size() == 1);
            CHECK(rig.source.writes()[0]->text == mixed);
            CHECK(rig.source.writes()[0]->values == mixed_values().bytes());
            CHECK(rig.source.writes()[0]->timestamp_us == rig.target.writes()[0]->timestamp_us);
        }
    }
}

TEST_CASE("proxy: a batch with functions is evaluated once for both, and cut for the target")
{
    proxy_rig rig;
    make_tables(rig);
    rig.options.tables = selection({"k.t"});
    rig.start();
    auto client = rig.client(4);
    const std::string text = "BEGIN BATCH INSERT INTO k.u (a, b) VALUES (?, uuid()); "
                             "INSERT INTO k.t (a, b) VALUES (?, uuid()) APPLY BATCH";
    const auto id = client.prepare(text);
    rig.source.forget_requests();
    CHECK(client.execute(id, bound_values().of(1).of(2)).op() == opcode::result);
    REQUIRE(rig.is_delivered());
    REQUIRE(rig.source.writes().size() == 1);
    REQUIRE(rig.target.writes().size() == 1);
    const auto all = rig.source.writes()[0]->values;
    const auto part = rig.target.writes()[0]->values;
    // Two numbers and two identifiers; the second pair.
    REQUIRE(all.size() == 2 * (8 + 20));
    CHECK(part == all.substr(8 + 20));
    CHECK(
        rig.target.writes()[0]->text ==
        "BEGIN BATCH  INSERT INTO k.t (a, b) VALUES (?, ?) APPLY BATCH"
    );
}

TEST_CASE("proxy: what was accepted under another selection is delivered as it was accepted")
{
    proxy_rig rig;
    make_tables(rig);
    rig.options.wait = false;
    rig.start();
    auto client = rig.client(4);
    const auto id = client.prepare(mixed);
    rig.target.down();
    REQUIRE(rig.wait_for_number("target_connections", 0));
    CHECK(client.execute(id, mixed_values()).op() == opcode::result);
    rig.stop();
    rig.target.up();
    rig.options.tables = selection({"k.t"});
    rig.start();
    REQUIRE(at_target(rig) == std::vector<std::string>{mixed});
    CHECK(rig.target.writes()[0]->values == mixed_values().bytes());
}

TEST_CASE("proxy: --filter-tables works for prepared statements and children of batches as well")
{
    proxy_rig rig;
    make_tables(rig);
    rig.options.filter_tables = "INSERT INTO k\\.u .*";
    rig.start();
    auto client = rig.client(4);
    const auto to_u = client.prepare("INSERT INTO k.u (a) VALUES (?)");
    CHECK(client.execute(to_u, bound_values().of(1)).op() == opcode::result);
    const auto body =
        batch_body(4, {{to_u, true, bound_values().of(2)}, {"INSERT INTO k.t (a) VALUES (3)"}});
    CHECK(client.ask(opcode::batch, body).op() == opcode::result);
    CHECK(at_target(rig) == std::vector<std::string>{"INSERT INTO k.t (a) VALUES (3)"});
    REQUIRE(rig.target.writes().size() == 1);
    CHECK(rig.target.writes()[0]->children.size() == 1);
    CHECK(rig.number("left_out") == 2);
}

TEST_CASE("proxy: text that it does not know goes to the source only, counted, logged by its form")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    for (const auto* secret : {"hush", "hush2"})
        CHECK(
            client.query("FORTIFY k.t WITH 'key' = '" + std::string(secret) + "', 12345").op() ==
            opcode::result
        );
    CHECK(client.query("FORTIFY k.t").op() == opcode::result);
    REQUIRE(rig.is_delivered());
    CHECK(rig.target.count() == 0);
    CHECK(rig.source.count([](const seen_request& r) { return r.begins_with("FORTIFY"); }) == 3);
    CHECK(rig.number("dead_letters") == 3);
    CHECK(
        rig.running().metrics_text().find("reason=\"unknown statement\"} 3") != std::string::npos
    );
    CHECK(rig.times_logged("FORTIFY k . t WITH ? = ? , ?") == 1);
    CHECK(rig.times_logged("not understood") == 2);
    CHECK_FALSE(rig.has_logged("hush"));
    CHECK_FALSE(rig.has_logged("12345"));
}

TEST_CASE("proxy: the forms of text that it does not know take no more than so much memory")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(4);
    std::string word;
    for (int i = 0; i < 600; ++i) {
        word = "FORTIFY";
        for (int n = i; n > 0; n /= 10) word += static_cast<char>('a' + n % 10);
        CHECK(client.query(word).op() == opcode::result);
    }
    CHECK(rig.number("dead_letters") == 600);
    CHECK(rig.times_logged("not understood") == 500);
}

TEST_SUITE_END();
