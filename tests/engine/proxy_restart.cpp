#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a, b) VALUES (?, ?)";

bound_values row(std::int32_t a)
{
    return bound_values().of(a).of("text");
}

// A backlog that takes several files of the spool, of a target that is down.
void leave_several_files(proxy_rig& rig, std::int32_t writes)
{
    rig.options.spool_size_max = std::uint64_t{3} << 20;
    rig.target.down();
    rig.start(false);
    auto client = rig.client(5);
    const auto id = client.prepare(insert);
    const std::string text(1000, 'x');
    for (std::int32_t a = 0; a < writes; ++a)
        CHECK(client.execute(id, bound_values().of(a).of(text)).op() == opcode::result);
}

std::vector<std::filesystem::path> spool_files(const proxy_rig& rig)
{
    std::vector<std::filesystem::path> out;
    for (const auto& its : std::filesystem::directory_iterator(rig.options.state_dir + "/spool"))
        if (its.path().extension() == ".log") out.push_back(its.path());
    std::sort(out.begin(), out.end());
    return out;
}

// Changes a bit in the middle of the file; a second call puts it back.
void flip(const std::filesystem::path& path)
{
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    const auto place = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
    file.seekg(place);
    const auto was = file.get();
    file.seekp(place);
    file.put(static_cast<char>(was ^ 1));
}

using write_times = std::set<std::pair<std::string, std::int64_t>>;  // values, write time

write_times times_of(const fake_cluster& side)
{
    write_times out;
    for (const auto& its : side.writes()) out.emplace(its->values, its->timestamp_us.value_or(-1));
    return out;
}

// Both sides have executed the same writes with the same times, `n` of them.
void check_same_writes(const proxy_rig& rig, std::size_t n)
{
    const auto source = times_of(rig.source);
    CHECK(source.size() == n);
    CHECK(times_of(rig.target) == source);
}

void write_rows(wire_client& client, std::int32_t first, std::int32_t count)
{
    const auto id = client.prepare(insert);
    for (std::int32_t a = first; a < first + count; ++a)
        CHECK(client.execute(id, row(a)).op() == opcode::result);
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_restart");

TEST_CASE("proxy: what was not delivered when it ended is delivered by the next run")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    {
        auto client = rig.client(5);
        write_rows(client, 0, 200);
        for (std::int32_t a = 200; a < 220; ++a)
            CHECK(client.query(insert, row(a)).op() == opcode::result);
    }
    rig.stop(0);
    rig.target.up();
    rig.start();
    REQUIRE(rig.is_delivered());
    check_same_writes(rig, 220);
    // The source had answered them all: it was not asked again.
    CHECK(rig.source.count(is_write) == 220);
    CHECK(rig.has_logged("220 writes of an earlier run are delivered now"));
}

TEST_CASE("proxy: a backlog of several files is read while clients are served, and delivered whole")
{
    proxy_rig rig;
    leave_several_files(rig, 700);
    rig.stop(0);
    REQUIRE(spool_files(rig).size() >= 2);
    rig.options.spool_size_max = std::uint64_t{64} << 20;
    rig.target.up();
    rig.start();
    CHECK(rig.client(5).query(insert, row(700)).op() == opcode::result);
    REQUIRE(rig.is_delivered());
    check_same_writes(rig, 701);
    CHECK(rig.has_logged("that earlier runs have left in the spool; clients are served meanwhile"));
    CHECK(rig.has_logged("700 writes of an earlier run are delivered now"));
    CHECK(rig.number("dead_letters") == 0);
}

TEST_CASE("proxy: it stops when a file of its backlog is damaged, and leaves all of it as it was")
{
    proxy_rig rig;
    leave_several_files(rig, 700);
    rig.stop(0);
    const auto left = spool_files(rig);
    REQUIRE(left.size() >= 2);
    flip(left[0]);
    rig.target.up();
    rig.launch();
    REQUIRE(rig.running().wait(20'000));
    const auto why = rig.running().failure();
    CHECK(why.find(left[0].filename().string() + " is damaged at byte") != why.npos);
    CHECK(why.find("dualwrite spool salvage") != why.npos);
    rig.stop(0);
    CHECK(rig.target.count(is_write) == 0);
    const auto after = spool_files(rig);
    CHECK(std::includes(after.begin(), after.end(), left.begin(), left.end()));

    flip(left[0]);
    rig.start();
    REQUIRE(rig.is_delivered());
    check_same_writes(rig, 700);
}

TEST_CASE("proxy: a drain waits for what has not been read yet")
{
    proxy_rig rig;
    leave_several_files(rig, 700);
    rig.stop(0);
    rig.target.up();
    rig.launch();
    rig.stop(20'000);
    check_same_writes(rig, 700);
}

TEST_CASE("proxy: several runs, each with something left, lose nothing and keep every time")
{
    proxy_rig rig;
    rig.target.set_script([](const seen_request& r) {
        // A part of each run's writes stays: the last byte of `a` decides.
        const bool stays = r.is_write() && static_cast<unsigned char>(r.values.at(7)) % 3 == 0;
        return stays ? reply::error(error_code::overloaded) : reply::normal();
    });
    for (std::int32_t run = 0; run < 4; ++run) {
        if (run % 2 == 1) rig.target.down();
        rig.start(run % 2 == 0);
        auto client = rig.client(run % 2 == 0 ? std::uint8_t{4} : std::uint8_t{5});
        write_rows(client, run * 100, 100);
        rig.stop(0);
        if (run % 2 == 1) rig.target.up();
    }
    rig.target.set_script({});
    rig.start();
    REQUIRE(rig.is_delivered());
    check_same_writes(rig, 400);
    rig.stop(0);
    // And now nothing is left.
    rig.target.forget_requests();
    rig.start();
    CHECK(rig.is_delivered());
    CHECK(rig.target.count() == 0);
}

TEST_CASE("proxy: a write that stays behind while thousands pass it is not lost by a restart")
{
    // More than a delivery looks at together: the next run reads the first one and then the last.
    constexpr std::int32_t many = 16'500;
    proxy_rig rig;
    rig.target.set_script([](const seen_request& r) {
        const bool first = r.is_write() && r.values.substr(4, 4) == std::string(4, '\0');
        return first ? reply::error(error_code::overloaded) : reply::normal();
    });
    rig.start();
    auto client = rig.client(5);
    write_rows(client, 0, many);
    rig.stop(0);
    rig.target.set_script({});
    rig.start();
    REQUIRE(rig.is_delivered());
    check_same_writes(rig, many);
}

TEST_CASE("proxy: writes whose outcome was open when it ended are sent to the source again")
{
    for (const bool executed : {false, true}) {
        CAPTURE(executed);
        proxy_rig rig;
        rig.source.set_script([executed](const seen_request& r) {
            return r.is_write() ? reply::nothing().executed(executed) : reply::normal();
        });
        rig.start();
        auto client = rig.client(4);
        const auto id = client.prepare(insert);
        client.send(opcode::execute, execute_body(4, id, row(1)), 1);
        client.send(opcode::query, query_body(4, insert, row(2)), 2);
        const auto batch = batch_body(4, {{id, true, row(3)}, {insert, false, row(4)}});
        client.send(opcode::batch, batch, 3);
        REQUIRE(rig.source.wait_for(3, is_write));
        rig.stop(0);
        CHECK(rig.target.count(is_write) == 0);
        rig.source.set_script({});
        rig.start();
        REQUIRE(rig.is_delivered());
        REQUIRE(rig.target.wait_for_writes(3));
        check_same_writes(rig, 3);
        CHECK(rig.source.count(is_write) == 6);
    }
}

TEST_CASE("proxy: what the source refused stays refused after a restart")
{
    proxy_rig rig;
    rig.target.down();
    rig.source.set_script([](const seen_request&) { return reply::error(error_code::invalid); });
    rig.start(false);
    auto client = rig.client(4);
    CHECK(client.query(insert, row(1)).is_error());
    rig.stop(0);
    rig.source.set_script({});
    rig.target.up();
    rig.start();
    CHECK(rig.is_delivered());
    CHECK(rig.target.count() == 0);
    CHECK(rig.source.count(is_write) == 1);
}

TEST_CASE("proxy: write times go on growing over a restart, whatever the clock says")
{
    proxy_rig rig;
    rig.start();
    std::int64_t last = 0;
    for (int run = 0; run < 3; ++run) {
        auto client = rig.client(4);
        CHECK(client.query(insert, row(run)).op() == opcode::result);
        const auto time = rig.source.writes().back()->timestamp_us;
        REQUIRE(time);
        CHECK(*time > last);
        last = *time;
        rig.stop(0);
        rig.start();
    }
}

TEST_CASE("proxy: a TTL that is delivered late ends when it ends at the source")
{
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        proxy_rig rig({}, {.version_max = version});
        rig.target.down();
        rig.start(false);
        auto client = rig.client(5);
        CHECK(client.query("INSERT INTO k.t (a) VALUES (1) USING TTL 100").op() == opcode::result);
        const auto id = client.prepare("INSERT INTO k.t (a) VALUES (?) USING TTL ?");
        CHECK(client.execute(id, bound_values().of(2).of(100)).op() == opcode::result);
        CHECK(client.execute(id, bound_values().of(3).of(1)).op() == opcode::result);
        rig.stop(0);
        std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
        rig.target.up();
        rig.start();
        REQUIRE(rig.target.wait_for_writes(3));
        const auto source = rig.source.writes();
        for (const auto& its : rig.target.writes()) {
            const auto same = std::ranges::find_if(source, [&](const auto& other) {
                return other->timestamp_us == its->timestamp_us;
            });
            REQUIRE(same != source.end());
            if (version >= 5) {
                CHECK(its->now_in_seconds == (*same)->now_in_seconds);
                CHECK(its->text == (*same)->text);
                CHECK(its->values == (*same)->values);
                continue;
            }
            CHECK_FALSE(its->now_in_seconds);
            if (its->values.empty()) {
                // At least one second, and not many more, have passed.
                CHECK(its->text.find("TTL 100") == its->text.npos);
                CHECK(its->text.find("TTL 9") != its->text.npos);
            } else {
                const auto ttl =
                    load_be<std::int32_t>(as_bytes(its->values).data() + its->values.size() - 4);
                const bool one = its->values.starts_with(bound_values().of(3).bytes());
                CHECK(ttl <= (one ? 1 : 99));
                CHECK(ttl >= (one ? 1 : 90));
            }
        }
    }
}

TEST_CASE("proxy: a prepared statement is known to the spool, not to the next run's clients")
{
    proxy_rig rig;
    rig.target.down();
    rig.start(false);
    std::string id;
    {
        auto client = rig.client(4);
        id = client.prepare(insert);
        CHECK(client.execute(id, row(1)).op() == opcode::result);
    }
    rig.stop(0);
    rig.target.up();
    rig.start();
    REQUIRE(rig.target.wait_for_writes(1));
    CHECK(rig.target.writes()[0]->text == insert);
    // As after a restart of a node: the driver prepares again.
    auto client = rig.client(4);
    CHECK(client.execute(id, row(2)).code() == error_code::unprepared);
    CHECK(client.prepare(insert) == id);
    CHECK(client.execute(id, row(2)).op() == opcode::result);
    CHECK(rig.target.wait_for_writes(2));
}

TEST_CASE("proxy: what has to be refreshed is refreshed by the next run")
{
    proxy_rig rig;
    set_refresh_script([](const engine::refresh_key&) {
        return engine::refresh_result{engine::refresh_status::retry, "away"};
    });
    rig.start();
    auto client = rig.client(4);
    CHECK(client.query("INSERT INTO k.t (a) VALUES (6) IF NOT EXISTS").op() == opcode::result);
    REQUIRE(wait_for_refreshes(1));
    rig.stop(0);
    reset_refreshes();
    rig.start();
    REQUIRE(rig.is_delivered());
    const auto keys = refreshed();
    REQUIRE(keys.size() == 1);
    CHECK(keys[0].partition == std::vector<std::string>{int_bytes(6)});
    CHECK(keys[0].serial);
    CHECK(rig.target.count() == 0);
}

TEST_CASE("proxy: a transaction whose outcome was open is refreshed, not executed again")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request& r) {
        return r.is_write() ? reply::nothing() : reply::normal();
    });
    rig.start();
    auto client = rig.client(4);
    client.send(opcode::query, query_body(4, "UPDATE k.t SET b = 'x' WHERE a = 6 IF b = 'y'"));
    REQUIRE(rig.source.wait_for(1, is_write));
    rig.stop(0);
    rig.start();
    REQUIRE(wait_for_refreshes(1));
    REQUIRE(rig.is_delivered());
    CHECK(rig.source.count(is_write) == 1);
}

TEST_CASE("proxy: a state directory belongs to one proxy at a time")
{
    proxy_rig rig;
    rig.start();
    std::string why;
    const auto second = engine::proxy::start(rig.options, {}, why);
    REQUIRE_FALSE(second);
    CHECK(second.error() == errc::spool_locked);
    CHECK(why.find("state") != std::string::npos);
    CHECK(rig.client(4).query(insert, row(1)).op() == opcode::result);
}

TEST_SUITE_END();
