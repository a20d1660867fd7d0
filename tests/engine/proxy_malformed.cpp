#include <dualwrite/protocol/compression.hpp>

#include <doctest/doctest.h>

#include <array>
#include <random>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::compression;
using protocol::error_code;
using protocol::opcode;

namespace {

const std::string insert = "INSERT INTO k.t (a) VALUES (?)";

std::string envelope(
    std::uint8_t first,
    std::uint8_t op,
    std::string_view body,
    std::int16_t stream = 0,
    std::uint8_t flags = 0
)
{
    byte_buffer out;
    protocol::append_byte(out, first);
    protocol::append_byte(out, flags);
    protocol::append_short(out, static_cast<std::uint16_t>(stream));
    protocol::append_byte(out, op);
    protocol::append_int(out, static_cast<std::int32_t>(body.size()));
    out.append(as_bytes(body));
    return std::string(as_text(out.view()));
}

std::string segment(std::string_view payload, bool self_contained = true, bool lz4 = false)
{
    byte_buffer out;
    protocol::append_segment(out, as_bytes(payload), self_contained, lz4);
    return std::string(as_text(out.view()));
}

std::string int_text(std::int32_t value)
{
    return int_bytes(value);
}

// A QUERY with one value whose length is this.
std::string with_value_length(std::uint8_t version, std::int32_t length)
{
    auto body = query_body(version, insert, bound_values().null());
    const auto at = body.rfind(int_text(-1));
    return body.replace(at, 4, int_text(length));
}

struct wrong {
    std::string name;
    std::string bytes;
};

// The proxy answers with an ERROR or closes, or both; the source and the target hear nothing of it,
// and the next client is served.
void check_refused(proxy_rig& rig, wire_client& client, const wrong& its)
{
    CAPTURE(its.name);
    client.send_bytes(its.bytes);
    try {
        const auto got = client.receive();
        CHECK(got.is_error());
    } catch (const wire_error& none) {
        CHECK(std::string_view(none.what()) == "the connection ended");
    }
    CHECK(rig.source.count() == 0);
    CHECK(rig.source.malformed() == 0);
    CHECK(rig.target.count() == 0);
    CHECK(rig.number("writes") == 0);
}

void check_alive(proxy_rig& rig)
{
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}})
        CHECK(rig.client(version).query("SELECT v FROM k.t").op() == opcode::result);
    CHECK(rig.wait_for_number("clients", 0));
}

}  // namespace

TEST_SUITE_BEGIN("engine/proxy_malformed");

TEST_CASE("malformed: what is no CQL from the first byte on")
{
    proxy_rig rig;
    rig.options.request_size_max = 1 << 20;
    rig.start();
    auto huge = envelope(4, 7, "");
    huge[5] = 0x7f;
    auto limit = envelope(4, 7, "");
    limit[6] = 0x10;
    limit[8] = 1;
    for (const auto& its : std::vector<wrong>{
             {"version 0", envelope(0, 5, "")},
             {"version 2", envelope(2, 5, "")},
             {"version 6", envelope(6, 5, "")},
             {"version 0x45", envelope(0x45, 5, "")},
             {"a response", envelope(0x84, 8, "")},
             {"a request with the bit of responses", envelope(0x84, 5, "")},
             {"opcode 4", envelope(4, 0x04, "")},
             {"opcode 0x7f", envelope(4, 0x7f, "")},
             {"opcode READY", envelope(4, 0x02, "")},
             {"opcode EVENT", envelope(4, 0x0c, "")},
             {"stream -1", envelope(4, 5, "", -1)},
             {"stream -32768", envelope(5, 5, "", -32768)},
             {"2 GB", huge},
             {"a byte over the limit", limit},
             {"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
             {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 random", 18)},
             {"compressed, though nothing was agreed", envelope(4, 7, "xxxx", 0, 1)},
             {"STARTUP without options", envelope(4, 1, "")},
             {"STARTUP with a lie about their number", envelope(5, 1, "\xff\xff")},
         }) {
        wire_client client(rig.running().port());
        check_refused(rig, client, its);
    }
    check_alive(rig);
}

TEST_CASE("malformed: versions that nobody speaks are answered in the words that drivers know")
{
    proxy_rig rig;
    rig.start();
    wire_client client(rig.running().port());
    client.send_bytes(envelope(6, 5, "", 77));
    const auto got = client.receive();
    CHECK(got.code() == error_code::protocol_error);
    CHECK(got.text().find("Invalid or unsupported protocol version (6)") == 0);
    CHECK(got.stream() == 77);
    CHECK(got.header.version == 5);
    CHECK(client.is_closed());
}

TEST_CASE("malformed: a client that keeps nothing of what it agreed on")
{
    proxy_rig rig;
    rig.start();
    byte_buffer startup;
    protocol::append_startup_body(startup, {{"CQL_VERSION", "3.0.0"}});
    const auto again = envelope(4, 1, as_text(startup.view()));
    for (const auto& its : std::vector<wrong>{
             {"another version", envelope(5, 5, "")},
             {"a second STARTUP", again},
             {"stream -1", envelope(4, 7, query_body(4, insert, bound_values().of(1)), -1)},
             {"an answer", envelope(0x84, 8, "\0\0\0\1")},
         }) {
        auto client = rig.client(4);
        check_refused(rig, client, its);
        CHECK(client.is_closed());
    }
    auto client = rig.client(5);
    check_refused(rig, client, {"a second STARTUP in a segment", segment(envelope(5, 1, ""))});
    check_alive(rig);
}

TEST_CASE("malformed: bodies that are cut or lie are answered, and the connection goes on")
{
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        CAPTURE(version);
        proxy_rig rig;
        rig.start();
        auto client = rig.client(version);
        const auto good = query_body(version, insert, bound_values().of(7));
        std::vector<std::pair<opcode, std::string>> all{
            {opcode::query, int_text(-1) + good.substr(4)},
            {opcode::query, int_text(0x7fffffff) + good.substr(4)},
            {opcode::query, with_value_length(version, -3)},
            {opcode::query, with_value_length(version, std::numeric_limits<std::int32_t>::min())},
            {opcode::query, with_value_length(version, 1'000'000)},
            {opcode::prepare, int_text(50) + "INSERT"},
            {opcode::prepare, int_text(-5)},
            {opcode::execute, std::string("\0\5abc", 5)},
            {opcode::execute, std::string("\0\0", 2)},
            {opcode::execute, ""},
            {opcode::batch, ""},
            {opcode::batch, std::string("\0\xff\xff", 3)},
            {opcode::batch, std::string("\7\0\0", 3)},
            {opcode::batch, std::string("\0\0\1\5", 4)},
        };
        for (std::size_t size = 0; size + 1 < good.size(); ++size)
            all.emplace_back(opcode::query, good.substr(0, size));
        const auto batch = batch_body(version, {{insert, false, bound_values().of(7)}});
        for (std::size_t size = 0; size + 1 < batch.size(); ++size)
            all.emplace_back(opcode::batch, batch.substr(0, size));
        for (std::size_t i = 0; i < all.size(); ++i) {
            CAPTURE(i);
            const auto got = client.ask(all[i].first, all[i].second);
            CHECK(got.code() == error_code::protocol_error);
        }
        CHECK(rig.source.count() == 0);
        CHECK(rig.number("writes") == 0);
        CHECK(client.query(insert, bound_values().of(7)).op() == opcode::result);
        CHECK(rig.target.wait_for_writes(1));
    }
}

TEST_CASE("malformed: version 3 has no unset values")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client(3);
    const auto got = client.query(insert, bound_values().unset());
    CHECK(got.code() == error_code::protocol_error);
    CHECK(rig.source.count() == 0);
    CHECK(client.query(insert, bound_values().null()).op() == opcode::result);
    REQUIRE(rig.target.wait_for_writes(1));
}

TEST_CASE("malformed: compressed bodies that are damaged, or promise more than they hold")
{
    proxy_rig rig;
    rig.options.request_size_max = 1 << 20;
    rig.start();
    byte_buffer many;
    const std::string zeros(5 << 20, '\0');
    REQUIRE(protocol::compress_body(compression::lz4, as_bytes(zeros), many));
    const std::string bomb(as_text(many.view()));
    many.clear();
    REQUIRE(protocol::compress_body(compression::snappy, as_bytes(zeros), many));
    const std::string snappy_bomb(as_text(many.view()));
    for (const auto kind : {compression::lz4, compression::snappy}) {
        for (const auto& its : std::vector<wrong>{
                 {"2 GB in 20 bytes", std::string("\x7f\xff\xff\xff", 4) + std::string(16, 'x')},
                 {"garbage", "\x10garbage garbage garbage"},
                 {"nothing", ""},
                 {"3 bytes", "abc"},
                 {"over the limit", kind == compression::lz4 ? bomb : snappy_bomb},
             }) {
            auto client = rig.client(client_settings{.version = 4, .compression = kind});
            check_refused(rig, client, {its.name, envelope(4, 7, its.bytes, 0, 1)});
        }
    }
    check_alive(rig);
}

TEST_CASE("malformed: segments that are damaged or cut end the connection")
{
    for (const auto kind : {compression::none, compression::lz4}) {
        const bool lz4 = kind == compression::lz4;
        CAPTURE(lz4);
        proxy_rig rig;
        rig.start();
        const auto write = envelope(5, 7, query_body(5, insert, bound_values().of(7)));
        const auto good = segment(write, true, lz4);
        std::vector<wrong> all{
            {"half an envelope", segment(write.substr(0, 20), true, lz4)},
            {"a whole and a half", segment(envelope(5, 5, "") + write.substr(0, 8), true, lz4)},
            {"plain", write},
            {"a part, then a whole", segment(write.substr(0, 20), false, lz4) + good},
            {"a part that is too long", segment(write + "x", false, lz4)},
        };
        for (std::size_t at = 0; at < good.size(); ++at) {
            auto damaged = good;
            damaged[at] ^= 0x10;
            all.push_back({"byte " + std::to_string(at), damaged});
        }
        byte_buffer lie;
        protocol::store_segment_header(lie.extend(8), {20, 131'071, true}, true);
        const std::string zeros(20, '\0');
        lie.append(as_bytes(zeros));
        store_le(lie.extend(4), protocol::crc32(as_bytes(zeros)));
        if (lz4) all.push_back({"promises 128 KB", std::string(as_text(lie.view()))});
        for (auto& its : all) {
            auto client = rig.client(client_settings{.version = 5, .compression = kind});
            // What it may still wait for.
            its.bytes += std::string(200'000, '\0');
            CAPTURE(its.name);
            try {
                client.send_bytes(its.bytes);
                for (;;) {
                    const auto got = client.receive();
                    CHECK(got.is_error());
                }
            } catch (const wire_error&) {
                CHECK(client.is_closed());
            }
        }
        CHECK(rig.source.malformed() == 0);
        CHECK(rig.source.count() == 0);
        CHECK(rig.number("writes") == 0);
        check_alive(rig);
    }
}

TEST_CASE("malformed: random bytes hurt nobody")
{
    proxy_rig rig;
    rig.options.request_size_max = 1 << 16;
    rig.start();
    std::mt19937 random(4711);
    for (int round = 0; round < 150; ++round) {
        CAPTURE(round);
        std::string bytes(1 + random() % 300, '\0');
        for (auto& c : bytes) c = static_cast<char>(random());
        if (round % 3 != 0) bytes[0] = static_cast<char>(3 + round % 3);
        if (round % 5 == 0) {
            wire_client client(rig.running().port());
            client.send_bytes(bytes);
        } else {
            auto client = rig.client(static_cast<std::uint8_t>(3 + round % 3));
            client.send_bytes(bytes);
        }
    }
    CHECK(rig.source.count([](const seen_request& r) { return r.is_write(); }) == 0);
    CHECK(rig.target.count() == 0);
    check_alive(rig);
}

TEST_CASE("malformed: a source that sends what is no CQL loses its client, and nothing else")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request& r) {
        if (r.begins_with("SELECT")) return reply::message(static_cast<opcode>(0x66), "garbage");
        return reply::normal();
    });
    rig.start();
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
        auto client = rig.client(version);
        client.send(opcode::query, query_body(version, "SELECT v FROM k.t"));
        CHECK(client.is_closed());
    }
    CHECK(rig.client(5).query(insert, bound_values().of(7)).op() == opcode::result);
    CHECK(rig.target.wait_for_writes(1));
}

TEST_SUITE_END();
