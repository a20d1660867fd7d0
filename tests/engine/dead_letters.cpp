#include <dualwrite/engine/dead_letters.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <set>
#include <sstream>

#include "../../src/engine/dead_letter.hpp"
#include "../support/proxy_rig.hpp"

// `dualwrite dead-letters list`, `export` and `retry`.

using namespace dualwrite;
using namespace dualwrite::test;
using nlohmann::json;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a, b) VALUES (?, ?)";

bound_values row(std::int32_t a)
{
    return bound_values().of(a).of("it's secret");
}

reply refuse_writes(const seen_request& r)
{
    return r.is_write() ? reply::error(error_code::invalid, "unconfigured table t")
                        : reply::normal();
}

// A rig whose target has refused `count` prepared writes; stopped.
void leave_letters(proxy_rig& rig, std::int32_t count)
{
    rig.options.patience.refusal_ms = 50;
    rig.target.set_script(refuse_writes);
    rig.start();
    auto client = rig.client(4);
    const auto id = client.prepare(insert);
    for (std::int32_t a = 0; a < count; ++a)
        REQUIRE(client.execute(id, row(a)).op() == opcode::result);
    REQUIRE(rig.wait_for_number("dead_letters", static_cast<std::uint64_t>(count)));
}

std::vector<std::string> lines_of(
    const proxy_rig& rig,
    engine::letters_wanted wanted,
    bool exported,
    engine::letter_counts* counts = nullptr
)
{
    std::vector<std::string> out;
    std::string why;
    const auto call = exported ? engine::export_letters : engine::list_letters;
    const auto found = call(
        rig.options.state_dir, wanted, [&](const std::string& line) { out.push_back(line); }, why
    );
    CAPTURE(why);
    REQUIRE(found);
    if (counts != nullptr) *counts = *found;
    return out;
}

engine::letter_counts counts_of(const proxy_rig& rig)
{
    engine::letter_counts out;
    lines_of(rig, {}, false, &out);
    return out;
}

// One retry, to its end.
std::unique_ptr<engine::proxy> retry(const proxy_rig& rig, std::string* log = nullptr)
{
    std::string why;
    auto started = engine::retry_letters(
        rig.options,
        [log](engine::log_level, std::string_view text) {
            if (log != nullptr) (*log += text) += '\n';
        },
        why
    );
    CAPTURE(why);
    REQUIRE(started);
    (*started)->stop(20'000);
    REQUIRE((*started)->wait(20'000));
    return *std::move(started);
}

std::uint64_t number_of(const engine::proxy& of, const char* name)
{
    return json::parse(of.status_json()).at(name).get<std::uint64_t>();
}

}  // namespace

TEST_SUITE_BEGIN("engine/dead_letters");

TEST_CASE("dead letters: are listed with table and reason, counted, and without values")
{
    proxy_rig rig;
    leave_letters(rig, 3);
    engine::letter_counts counts;
    const auto lines = lines_of(rig, {}, false, &counts);
    REQUIRE(lines.size() == 4);
    CHECK(counts.open == 3);
    CHECK(counts.tables.at("k.t") == 3);
    REQUIRE(counts.reasons.size() == 1);
    CHECK(counts.reasons.begin()->first.starts_with("refused by the target: "));
    CHECK(counts.reasons.begin()->second == 3);
    CHECK(lines[0].find("k.t") != std::string::npos);
    for (const auto& line : lines) {
        CHECK(line.find("secret") == line.npos);
        CHECK(line.find("unconfigured") == line.npos);  // the server's words may hold values
    }
    const auto rows = lines_of(rig, {.applied = false, .json = true}, false);
    REQUIRE(rows.size() == 4);
    CHECK(json::parse(rows[0]).at("state") == "open");
    CHECK(json::parse(rows[3]).at("open") == 3);
}

TEST_CASE("dead letters: are exported with their values, and as CQL where that says the same")
{
    proxy_rig rig;
    leave_letters(rig, 1);
    const auto lines = lines_of(rig, {}, true);
    REQUIRE(lines.size() == 1);
    const auto letter = json::parse(lines[0]);
    const auto& its = letter.at("statements").at(0);
    CHECK(its.at("values").at(0) == "0x00000000");
    CHECK(its.at("types") == json::parse(R"(["int","text"])"));
    CHECK(its.at("cql") == "INSERT INTO k.t (a, b) VALUES (0, 'it''s secret')");
    CHECK(letter.at("writetime_us") == rig.source.writes()[0]->timestamp_us);
    CHECK(letter.at("consistency") == "QUORUM");
    CHECK(letter.at("id").get<std::string>().size() == 16);
}

TEST_CASE("dead letters: what has no literal is not written as CQL")
{
    using engine::cql_of;
    const auto values = [](const bound_values& v) { return std::string(as_text(v.view())); };
    const std::string text = "UPDATE k.t SET b = ? WHERE a = ?";
    const auto two = values(bound_values().of("x?").of(7));
    CHECK(cql_of({text, two, false, {"text", "int"}}) == "UPDATE k.t SET b = 'x?' WHERE a = 7");
    CHECK_FALSE(cql_of({text, two, false, {"text", ""}}));
    CHECK_FALSE(cql_of({text, two, false, {}}));
    CHECK_FALSE(cql_of({text, two, false, {"text", "'org.example.Type'"}}));
    CHECK_FALSE(cql_of({text, values(bound_values().of(7)), false, {"int"}}));
    CHECK_FALSE(cql_of({"UPDATE k.t SET b = ?", two, false, {"text", "int"}}));
    const std::string unset("\xff\xff\xff\xfe", 4);
    CHECK_FALSE(cql_of({"DELETE FROM k.t WHERE a = ?", unset, false, {"int"}}));
    const std::string null("\xff\xff\xff\xff", 4);
    CHECK(cql_of({"UPDATE k.t SET b = ?", null, false, {"text"}}) == "UPDATE k.t SET b = null");
    CHECK(
        cql_of({"INSERT INTO k.t (b) VALUES ('?')", "", false, {}}) ==
        "INSERT INTO k.t (b) VALUES ('?')"
    );
}

TEST_CASE("dead letters: a line reads back as it was written")
{
    engine::dead_letter letter;
    letter.table = "k.t";
    letter.reason = "r";
    letter.writetime_us = -5;
    letter.batch = std::uint8_t{1};
    letter.consistency = std::uint16_t{4};
    const auto bytes = std::string(as_text(row(1).view()));
    letter.statements = {{insert, bytes, false, {"int", "text"}}, {"DELETE", "", false, {}}};
    const auto line = engine::to_json_line(letter, 7);
    const auto got = engine::parse_letter(line);
    REQUIRE(got);
    CHECK(got->time_s == 7);
    CHECK(got->letter.writetime_us == -5);
    CHECK(got->letter.batch == std::uint8_t{1});
    CHECK(got->letter.consistency == std::uint16_t{4});
    REQUIRE(got->letter.statements.size() == 2);
    CHECK(got->letter.statements[0].values == bytes);
    CHECK(engine::to_json_line(got->letter, 7) == line);
    for (std::size_t size = 0; size < line.size(); ++size)
        CHECK_FALSE(engine::parse_letter(line.substr(0, size)));
    for (const auto* bad : {"[]", "1", "{}", R"({"table":1,"reason":"","time_s":1})"})
        CHECK_FALSE(engine::parse_letter(bad));
}

TEST_CASE("retry: delivers letters with their write times and marks them; what is refused stays")
{
    proxy_rig rig;
    leave_letters(rig, 20);
    {
        auto client = rig.client(4);
        // Never replicated, so not by a retry either.
        CHECK(client.query("CREATE TRIGGER x ON k.t USING 'y'").op() == opcode::result);
        const auto batch = batch_body(4, {{insert, false, row(50)}, {insert, false, row(51)}});
        client.send(opcode::batch, batch, 1);
        REQUIRE(rig.wait_for_number("dead_letters", 22));
    }
    rig.stop();
    for (const auto* text : {"DROP TABLE k.t", "TRUNCATE k.t", "ALTER TABLE k.t DROP b"}) {
        engine::dead_letter letter;
        letter.table = "k.t";
        letter.reason = "by hand";
        letter.statements = {{text, "", false, {}}};
        std::ofstream(rig.options.state_dir + "/dead_letters.jsonl", std::ios::app)
            << to_json_line(letter, 1) << '\n';
    }
    const auto before = rig.dead_letters();

    // Still refused: everything stays as it was.
    auto ended = retry(rig);
    CHECK(number_of(*ended, "dead_letters") == 21);
    ended.reset();
    CHECK(counts_of(rig).open == 25);
    CHECK(rig.dead_letters() == before);

    rig.target.set_script({});
    rig.target.forget_requests();
    std::string log;
    ended = retry(rig, &log);
    CHECK(number_of(*ended, "replicated") == 21);
    ended.reset();
    CHECK(log.find("4 dead letters cannot be tried again") != log.npos);
    const auto counts = counts_of(rig);
    CHECK(counts.applied == 21);
    CHECK(counts.open == 4);
    CHECK(rig.target.count([](const auto& r) { return r.begins_with("TRUNCATE"); }) == 0);
    CHECK(rig.target.count([](const auto& r) { return r.is_schema(); }) == 0);
    CHECK(rig.dead_letters() == before);
    std::set<std::int64_t> source;
    std::set<std::int64_t> target;
    for (const auto& its : rig.source.writes()) source.insert(its->timestamp_us.value_or(0));
    for (const auto& its : rig.target.writes()) target.insert(its->timestamp_us.value_or(0));
    CHECK(source == target);
    CHECK(rig.source.count(is_write) == 21);

    // Nothing is left to do.
    rig.target.forget_requests();
    ended = retry(rig);
    CHECK(number_of(*ended, "replicated") == 0);
    CHECK(rig.target.count(is_write) == 0);
    CHECK(lines_of(rig, {.applied = true, .json = false}, true).size() == 25);
}

TEST_CASE("retry: runs beside the proxy, one at a time")
{
    proxy_rig rig;
    leave_letters(rig, 5);
    rig.target.set_script([](const seen_request& r) {
        return r.is_write() ? reply::nothing() : reply::normal();
    });
    std::string why;
    auto first = engine::retry_letters(rig.options, {}, why);
    REQUIRE(first);
    const auto second = engine::retry_letters(rig.options, {}, why);
    REQUIRE_FALSE(second);
    CHECK(why.find("another retry is running") == 0);
    (*first)->stop(0);
    REQUIRE((*first)->wait(20'000));
    first = fail(errc::cancelled);
    CHECK(counts_of(rig).open == 5);

    rig.target.set_script({});
    auto ended = retry(rig);
    CHECK(counts_of(rig).open == 0);
    CHECK(rig.running().failure().empty());
}

TEST_CASE("retry: a letter that was applied but not marked is applied again, which changes nothing")
{
    proxy_rig rig;
    leave_letters(rig, 4);
    rig.stop();
    rig.target.set_script({});
    rig.target.forget_requests();
    retry(rig);
    // As a crash may leave it: the last mark is torn.
    const auto marks = rig.options.state_dir + "/dead_letters_applied.jsonl";
    std::filesystem::resize_file(marks, std::filesystem::file_size(marks) - 3);
    CHECK(counts_of(rig).open == 1);
    retry(rig);
    CHECK(counts_of(rig).open == 0);
    REQUIRE(rig.target.count(is_write) == 5);
    std::set<std::int64_t> times;
    for (const auto& its : rig.target.writes()) times.insert(its->timestamp_us.value_or(0));
    CHECK(times.size() == 4);
}

TEST_CASE("retry: lines that are no letters are counted, and the others delivered")
{
    proxy_rig rig;
    leave_letters(rig, 2);
    rig.stop();
    std::ofstream(rig.options.state_dir + "/dead_letters.jsonl", std::ios::app) << "torn{";
    CHECK(counts_of(rig).unreadable == 1);
    rig.target.set_script({});
    retry(rig);
    CHECK(counts_of(rig).applied == 2);
    CHECK(counts_of(rig).unreadable == 1);
}

TEST_CASE("dead letters: of no state directory are refused, without any there are none")
{
    proxy_rig rig;
    std::string why;
    CHECK_FALSE(engine::list_letters(rig.options.state_dir, {}, {}, why));
    CHECK(why.find("not the state directory") != why.npos);
    CHECK_FALSE(engine::retry_letters(rig.options, {}, why));
    CHECK_FALSE(std::filesystem::exists(rig.options.state_dir));
    rig.start();
    CHECK(counts_of(rig).open == 0);
}

TEST_SUITE_END();
