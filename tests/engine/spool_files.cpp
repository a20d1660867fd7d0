#include <dualwrite/engine/spool_salvage.hpp>
#include <dualwrite/engine/spool_survey.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "../support/proxy_rig.hpp"

// `dualwrite spool inspect`, `replay` and `salvage` on what a proxy left.

using namespace dualwrite;
using namespace dualwrite::test;
using nlohmann::json;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a, b) VALUES (?, ?)";
constexpr auto secret = "do-not-show";

bound_values row(std::int32_t a)
{
    return bound_values().of(a).of(secret);
}

// `prepared` writes 0.., `text` more behind them, with the target down.
void leave_writes(proxy_rig& rig, std::int32_t prepared, std::int32_t text)
{
    rig.target.down();
    rig.start(false);
    auto client = rig.client(4);
    const auto id = client.prepare(insert);
    for (std::int32_t a = 0; a < prepared; ++a)
        REQUIRE(client.execute(id, row(a)).op() == opcode::result);
    for (std::int32_t a = prepared; a < prepared + text; ++a)
        REQUIRE(client.query(insert, row(a)).op() == opcode::result);
}

engine::spool_survey survey(const std::string& state_dir)
{
    std::string why;
    auto found = engine::survey_spool(state_dir, {}, why);
    CAPTURE(why);
    REQUIRE(found);
    return *std::move(found);
}

std::uint64_t unfinished(const engine::spool_survey& of)
{
    std::uint64_t sum = 0;
    for (const auto& log : of.logs) sum += log.applied + log.open;
    return sum;
}

std::map<std::string, std::string> bytes_of(const std::string& folder)
{
    std::map<std::string, std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) continue;
        std::ifstream file(entry.path(), std::ios::binary);
        std::ostringstream content;
        content << file.rdbuf();
        out[entry.path().string()] = content.str();
    }
    return out;
}

// Delivers what is in the rig's state directory, as `dualwrite spool replay` does.
void replay(proxy_rig& rig)
{
    rig.options.deliver_only = true;
    rig.launch();
    rig.running().stop(20'000);
    REQUIRE(rig.running().wait(20'000));
}

std::set<std::pair<std::string, std::int64_t>> times_of(const fake_cluster& side)
{
    std::set<std::pair<std::string, std::int64_t>> out;
    for (const auto& its : side.writes()) out.emplace(its->values, its->timestamp_us.value_or(-1));
    return out;
}

// The file of the spool that has the most records.
std::filesystem::path biggest_segment(const engine::spool_survey& of)
{
    const engine::walked_segment* best = nullptr;
    for (const auto& log : of.logs)
        for (const auto& segment : log.files.segments)
            if (best == nullptr || segment.records > best->records) best = &segment;
    REQUIRE(best != nullptr);
    return std::filesystem::path(of.directory) / best->name;
}

void flip(const std::filesystem::path& file, std::streamoff at)
{
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(at);
    const auto byte = static_cast<char>(stream.get() ^ 0x40);
    stream.seekp(at);
    stream.put(byte);
}

}  // namespace

TEST_SUITE_BEGIN("engine/spool_files");

TEST_CASE("inspect: counts what waits, by table, beside the proxy and after it")
{
    proxy_rig rig;
    leave_writes(rig, 30, 12);
    const auto live = survey(rig.options.state_dir);
    CHECK(live.in_use);
    CHECK(live.holder == ::getpid());
    CHECK(unfinished(live) == 42);
    CHECK(live.damages() == 0);
    rig.stop();

    const auto before = bytes_of(rig.options.state_dir);
    const auto dead = survey(rig.options.state_dir);
    CHECK_FALSE(dead.in_use);
    REQUIRE(dead.logs.size() == 1);
    const auto& log = dead.logs[0];
    CHECK(log.applied == 42);
    CHECK(log.open == 0);
    CHECK(log.first_lsn == 1);
    CHECK(log.last_lsn == 42);
    CHECK(log.records.at("writes") == 42);
    CHECK(log.clock_us > 0);
    REQUIRE(log.tables.size() == 1);
    CHECK(log.tables.at("k.t").writes == 42);
    CHECK(log.tables.at("k.t").oldest_ms == log.oldest_ms);
    CHECK(log.oldest_ms > 0);
    CHECK(bytes_of(rig.options.state_dir) == before);
}

TEST_CASE("inspect: shows values only to who asks for them")
{
    proxy_rig rig;
    leave_writes(rig, 2, 1);
    auto client = rig.client(4);
    REQUIRE(
        client.query("INSERT INTO k.t (a, b) VALUES (9, 'do-not-show')").op() == opcode::result
    );
    rig.stop();
    const auto found = survey(rig.options.state_dir);
    for (const auto& text : {survey_text(found, 0), survey_json(found, 0)})
        CHECK(text.find("do-not-show") == text.npos);
    CHECK(survey_text(found, 0).find("k.t") != std::string::npos);
    CHECK(json::parse(survey_json(found, 0)).at("unfinished") == 4);

    std::vector<json> lines;
    std::string why;
    REQUIRE(engine::survey_spool(
        rig.options.state_dir,
        [&](const std::string& line) { lines.push_back(json::parse(line)); },
        why
    ));
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].at("table") == "k.t");
    CHECK(lines[0].at("state") == "applied");
    CHECK(lines[0].at("number") == 1);
    CHECK(lines[0].at("statements").at(0).at("text") == insert);
    CHECK(lines[0].at("statements").at(0).at("values").at(0) == "0x00000000");
    CHECK(lines[0].at("writetime_us") == rig.source.writes()[0]->timestamp_us);
    CHECK(lines[3].dump().find("do-not-show") != std::string::npos);
}

TEST_CASE("inspect, salvage, replay: what is no state directory is refused by name")
{
    proxy_rig rig;
    const auto nowhere = rig.options.state_dir + "/nowhere";
    std::string why;
    CHECK_FALSE(engine::survey_spool(nowhere, {}, why));
    CHECK(why.find(nowhere) == 0);
    CHECK(why.find("not the state directory") != why.npos);
    CHECK_FALSE(std::filesystem::exists(nowhere));
    CHECK_FALSE(engine::salvage_spool(nowhere, nowhere + "2", why));
    CHECK(why.find("not the state directory") != why.npos);
    CHECK_FALSE(std::filesystem::exists(nowhere + "2"));
    rig.options.deliver_only = true;
    CHECK_FALSE(engine::proxy::start(rig.options, {}, why));
    CHECK(why.find("not the state directory") != why.npos);
    CHECK_FALSE(std::filesystem::exists(rig.options.state_dir));
}

TEST_CASE("inspect: names files that are not ours and those of a newer format")
{
    proxy_rig rig;
    leave_writes(rig, 3, 0);
    rig.stop();
    const auto folder = rig.options.state_dir + "/spool/";
    std::ofstream(folder + "notes.txt") << "x";
    flip(biggest_segment(survey(rig.options.state_dir)), 8);  // version 1 becomes 65
    const auto found = survey(rig.options.state_dir);
    CHECK(found.foreign == std::vector<std::string>{"notes.txt"});
    CHECK(found.damages() == 1);
    const auto text = survey_text(found, 0);
    CHECK(text.find("65, newer than this program's (1)") != text.npos);
    CHECK(text.find("notes.txt") != text.npos);
}

TEST_CASE("replay: delivers what is left with its write times, and can be interrupted")
{
    proxy_rig rig;
    leave_writes(rig, 300, 20);
    rig.stop();
    rig.target.up();
    // The first attempt gets no answers.
    rig.target.set_script([](const seen_request& r) {
        return r.is_write() ? reply::error(error_code::overloaded) : reply::normal();
    });
    rig.options.deliver_only = true;
    rig.launch();
    rig.running().stop(300);
    REQUIRE(rig.running().wait(20'000));
    CHECK(rig.number("backlog") == 320);
    rig.stop();

    rig.target.set_script({});
    replay(rig);
    CHECK(rig.number("backlog") == 0);
    CHECK(rig.number("replicated") == 320);
    CHECK(times_of(rig.target) == times_of(rig.source));
    rig.stop();
    CHECK(unfinished(survey(rig.options.state_dir)) == 0);
    CHECK(rig.source.count(is_write) == 320);
}

TEST_CASE("replay: is refused while the proxy runs")
{
    proxy_rig rig;
    rig.start();
    auto second = rig.options;
    second.deliver_only = true;
    std::string why;
    const auto started = engine::proxy::start(second, {}, why);
    REQUIRE_FALSE(started);
    CHECK(started.error() == errc::spool_locked);
    CHECK(why.find("in use by process") != why.npos);
    CHECK_FALSE(engine::salvage_spool(rig.options.state_dir, rig.options.state_dir + "-2", why));
    CHECK(why.find("stop it first") != why.npos);
}

TEST_CASE("replay: writes whose outcome is open are sent to the source again")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request& r) {
        return r.is_write() ? reply::nothing() : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, insert, row(1)), 1);
    REQUIRE(rig.source.wait_for(1, is_write));
    rig.stop(0);
    rig.source.set_script({});
    replay(rig);
    CHECK(rig.number("backlog") == 0);
    CHECK(rig.source.count(is_write) == 2);
    CHECK(rig.target.count(is_write) == 1);
    CHECK(times_of(rig.target) == times_of(rig.source));
}

TEST_CASE("salvage: everything but the damaged write is delivered from the copy")
{
    proxy_rig rig;
    leave_writes(rig, 100, 0);
    rig.stop();
    const auto from = rig.options.state_dir;
    std::ofstream(from + "/dead_letters.jsonl") << "{}\n";
    const auto file = biggest_segment(survey(from));
    flip(file, 8000);
    std::string why;
    REQUIRE_FALSE(engine::proxy::start(rig.options, {}, why));
    CHECK(why.find("salvage") != why.npos);

    const auto before = bytes_of(from);
    const auto into = from + "-new";
    const auto done = engine::salvage_spool(from, into, why);
    CAPTURE(why);
    REQUIRE(done);
    CHECK(bytes_of(from) == before);
    CHECK(done->copied() == 99);
    CHECK(done->lost() == 1);
    REQUIRE(done->damages() == 1);
    const auto& gap = done->logs[0].gaps[0];
    CHECK(gap.file == file.filename().string());
    CHECK(gap.begin <= 8000);
    CHECK(gap.end > 8000);
    CHECK(gap.first_lsn == gap.last_lsn);
    CHECK(json::parse(salvage_json(*done)).at("lost") == 1);
    CHECK(salvage_text(*done).find(gap.file) != std::string::npos);
    CHECK_FALSE(engine::salvage_spool(from, into, why));
    CHECK(why.find("has a spool already") != why.npos);

    rig.options.state_dir = into;
    CHECK(survey(into).damages() == 0);
    CHECK(survey(into).logs[0].clock_us == survey(from).logs[0].clock_us);
    CHECK(std::filesystem::file_size(into + "/dead_letters.jsonl") == 3);
    rig.target.up();
    replay(rig);
    CHECK(rig.number("backlog") == 0);
    auto expected = times_of(rig.source);
    const auto got = times_of(rig.target);
    CHECK(got.size() == 99);
    for (const auto& its : got) CHECK(expected.erase(its) == 1);
    CHECK(rig.source.count(is_write) == 100);
}

TEST_CASE("salvage: a write whose outcome may be lost is read at the source, not sent there again")
{
    proxy_rig rig;
    leave_writes(rig, 50, 0);
    rig.source.set_script([](const seen_request& r) {
        return r.is_write() ? reply::nothing() : reply::normal();
    });
    {
        auto client = rig.client(4);
        client.send(opcode::query, query_body(4, insert, row(77)), 1);
        REQUIRE(rig.source.wait_for(51, is_write));
    }
    rig.stop();
    rig.source.set_script({});
    const auto from = rig.options.state_dir;
    flip(biggest_segment(survey(from)), 6000);
    std::string why;
    const auto done = engine::salvage_spool(from, from + "-new", why);
    CAPTURE(why);
    REQUIRE(done);
    CHECK(done->logs[0].refreshed >= 1);
    rig.options.state_dir = from + "-new";
    rig.target.up();
    replay(rig);
    CHECK(rig.number("backlog") == 0);
    CHECK(rig.source.count(is_write) == 51);
    bool seen = false;
    for (const auto& key : refreshed())
        seen = seen || key.partition == std::vector<std::string>{std::string("\0\0\0M", 4)};
    CHECK(seen);
}

TEST_SUITE_END();
