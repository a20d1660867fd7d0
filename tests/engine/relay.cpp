#include "../../src/engine/relay.hpp"

#include <dualwrite/protocol/framing.hpp>

#include <doctest/doctest.h>

#include <map>

#include "channel_support.hpp"

namespace dualwrite::engine::test {

namespace {

using protocol::envelope_header;
using protocol::opcode;

std::string envelope(std::int16_t stream, std::string_view body)
{
    byte_buffer out;
    protocol::append_envelope(
        out, {.response = true, .stream = stream, .op = opcode::result}, as_bytes(body)
    );
    return std::string(as_text(out.view()));
}

std::string segment(std::string_view payload, bool self_contained = true, bool lz4 = false)
{
    byte_buffer out;
    protocol::append_segment(out, as_bytes(payload), self_contained, lz4);
    return std::string(as_text(out.view()));
}

// An envelope over as many segments as it needs.
std::string segments(std::string_view whole, bool lz4 = false)
{
    byte_buffer out;
    protocol::append_as_segments(out, as_bytes(whole), lz4);
    return std::string(as_text(out.view()));
}

// A relay with a handler that does what `decide` says, and the bytes that come out.
struct bench : relay_handler {
    explicit bench(std::size_t body_size_max = 1 << 20) : out(l), tested(out, *this, body_size_max)
    {
        out.begin();
        const int space = 1 << 22;
        ::setsockopt(out.far.get(), SOL_SOCKET, SO_RCVBUF, &space, sizeof space);
    }

    bytes_view take(const envelope_header& h, bytes_view whole) override
    {
        streams.push_back(h.stream);
        const auto found = replace.find(h.stream);
        return found == replace.end() ? whole : as_bytes(found->second);
    }
    bool stream(const envelope_header& h) override
    {
        if (may_stream) streamed.push_back(h.stream);
        return may_stream;
    }
    void refuse(std::error_code error, bytes_view) override { refused.push_back(error); }

    // As a channel does it: what is not taken comes again, with more behind it.
    void feed(std::string_view bytes)
    {
        left += bytes;
        const auto memory = left;  // stays until the turn is flushed
        std::size_t wanted = 0;
        const auto taken = tested.feed(as_bytes(memory), wanted);
        REQUIRE(taken <= memory.size());
        if (taken < memory.size() && wanted != 0) CHECK(wanted > memory.size() - taken);
        left.erase(0, taken);
        flush();
    }
    void flush()
    {
        turns(l, 1);
        got += out.read_far();
    }
    std::string take_got()
    {
        while (out.has_unsent()) flush();
        return std::exchange(got, {});
    }

    loop l;
    test_channel out;
    relay tested;
    bool may_stream{false};
    std::map<std::int16_t, std::string> replace;  // empty: nothing goes on
    std::vector<std::int16_t> streams;
    std::vector<std::int16_t> streamed;
    std::vector<std::error_code> refused;
    std::string left;
    std::string got;
};

const std::string large_body(200'000, 'L');

void check_all_splits(const std::string& wire, bool v5, bool lz4, std::size_t envelopes)
{
    for (std::size_t split = 0; split <= wire.size(); ++split) {
        // All of the ends, some of the middle.
        if (wire.size() > 2000 && split > 200 && split < wire.size() - 200 && split % 5003 != 0)
            continue;
        CAPTURE(split);
        bench b;
        if (v5) b.tested.use_segments(lz4);
        b.feed(std::string_view(wire).substr(0, split));
        b.feed(std::string_view(wire).substr(split));
        REQUIRE(b.take_got() == wire);
        REQUIRE(b.streams.size() == envelopes);
        REQUIRE(b.refused.empty());
    }
}

}  // namespace

TEST_SUITE_BEGIN("engine/relay");

TEST_CASE("relay: untouched envelopes leave as they came, whatever the split")
{
    check_all_splits(envelope(1, "one") + envelope(2, "") + envelope(3, "three"), false, false, 3);
    check_all_splits(envelope(1, "one") + envelope(2, large_body), false, false, 2);
}

TEST_CASE("relay: untouched segments leave as they came, whatever the split")
{
    const auto small =
        segment(envelope(1, "one") + envelope(2, "")) + segment(envelope(3, "three"));
    check_all_splits(small, true, false, 3);
    check_all_splits(segments(envelope(2, large_body)) + small, true, false, 4);
    const auto packed = segment(envelope(1, std::string(5000, 'x')), true, true) +
                        segments(envelope(2, large_body), true) +
                        segment(envelope(3, ""), true, true);
    check_all_splits(packed, true, true, 3);
}

TEST_CASE("relay: other bytes go on in the place of an envelope, or nothing")
{
    bench b;
    b.replace = {{2, envelope(2, "another")}, {3, ""}};
    b.feed(envelope(1, "one") + envelope(2, "two") + envelope(3, "three") + envelope(4, "four"));
    CHECK(b.take_got() == envelope(1, "one") + envelope(2, "another") + envelope(4, "four"));
}

TEST_CASE("relay: a segment with a changed envelope is made anew, the others of it stay")
{
    for (const bool lz4 : {false, true}) {
        CAPTURE(lz4);
        bench b;
        b.tested.use_segments(lz4);
        b.replace = {{2, envelope(2, "another")}, {3, ""}, {5, ""}};
        b.feed(segment(
            envelope(1, "one") + envelope(2, "two") + envelope(3, "three") + envelope(4, "four"),
            true,
            lz4
        ));
        CHECK(
            b.take_got() ==
            segment(envelope(1, "one") + envelope(2, "another") + envelope(4, "four"), true, lz4)
        );
        b.feed(segment(envelope(5, "gone"), true, lz4));
        CHECK(b.take_got().empty());
    }
}

TEST_CASE("relay: an envelope that grows over a segment leaves in several")
{
    const auto big = envelope(1, std::string(131'062, 'x'));
    const auto bigger = envelope(1, std::string(131'080, 'x'));
    REQUIRE(big.size() == protocol::segment_payload_max);
    bench b;
    b.tested.use_segments(false);
    b.replace = {{1, bigger}};
    b.feed(segment(big));
    CHECK(b.take_got() == segments(bigger));
    // Two that fitted together and do not any more.
    const auto half = envelope(3, std::string(65'000, 'h'));
    const auto more = envelope(2, std::string(66'200, 'm'));
    b.replace = {{2, more}};
    b.feed(segment(envelope(2, std::string(65'000, 'm')) + half));
    CHECK(b.take_got() == segment(more) + segment(half));
}

TEST_CASE("relay: a changed envelope of several segments leaves in as many as it needs")
{
    bench b;
    b.tested.use_segments(true);
    const auto other = envelope(2, std::string(300'000, 'o'));
    b.replace = {{2, other}, {3, envelope(3, "small")}, {4, ""}};
    b.feed(segments(envelope(2, large_body), true));
    CHECK(b.take_got() == segments(other, true));
    b.feed(segments(envelope(3, large_body), true));
    CHECK(b.take_got() == segments(envelope(3, "small"), true));
    b.feed(segments(envelope(4, large_body), true));
    CHECK(b.take_got().empty());
    b.feed(segment(envelope(5, "next"), true, true));
    CHECK(b.take_got() == segment(envelope(5, "next"), true, true));
}

TEST_CASE("relay: what may be streamed goes on before it is complete, and is not taken")
{
    for (const bool v5 : {false, true}) {
        CAPTURE(v5);
        bench b;
        if (v5) b.tested.use_segments(false);
        b.may_stream = true;
        const auto whole = v5 ? segments(envelope(7, large_body)) : envelope(7, large_body);
        const auto next = v5 ? segment(envelope(8, "next")) : envelope(8, "next");
        b.feed(std::string_view(whole).substr(0, 150'000));
        const auto first = b.take_got();
        CHECK(first.size() >= 131'000);
        CHECK(b.streamed == std::vector<std::int16_t>{7});
        CHECK(b.streams.empty());
        b.feed(whole.substr(150'000) + next);
        CHECK(first + b.take_got() == whole + next);
        CHECK(b.streams == std::vector<std::int16_t>{8});
        CHECK(b.refused.empty());
    }
}

TEST_CASE("relay: an envelope of our own waits for the end of the one that is streamed")
{
    for (const bool v5 : {false, true}) {
        CAPTURE(v5);
        bench b;
        if (v5) b.tested.use_segments(false);
        b.may_stream = true;
        const auto whole = v5 ? segments(envelope(7, large_body)) : envelope(7, large_body);
        const auto own = v5 ? segment(envelope(1, "own")) : envelope(1, "own");
        const auto other = v5 ? segment(envelope(2, "other")) : envelope(2, "other");
        b.tested.send_own(as_bytes(envelope(1, "own")));
        b.flush();
        CHECK(b.take_got() == own);
        b.feed(std::string_view(whole).substr(0, 150'000));
        b.tested.send_own(as_bytes(envelope(1, "own")));
        b.flush();
        b.tested.send_own(as_bytes(envelope(2, "other")));
        b.flush();
        b.feed(std::string_view(whole).substr(150'000));
        CHECK(b.take_got() == whole + own + other);
        b.tested.send_own(as_bytes(envelope(1, "own")));
        b.flush();
        CHECK(b.take_got() == own);
    }
}

TEST_CASE("relay: knows whether it is inside an envelope that it streams")
{
    bench b;
    b.may_stream = true;
    CHECK_FALSE(b.tested.is_streaming());
    const auto whole = envelope(7, large_body);
    b.feed(std::string_view(whole).substr(0, 150'000));
    CHECK(b.tested.is_streaming());
    b.feed(std::string_view(whole).substr(150'000));
    CHECK_FALSE(b.tested.is_streaming());
}

TEST_CASE("relay: our own envelopes have the framing of the direction")
{
    bench b;
    b.tested.send_own(as_bytes(envelope(1, "plain")));
    b.tested.use_segments(true);
    const auto big = envelope(2, large_body);
    b.tested.send_own(as_bytes(big));
    b.flush();
    CHECK(b.take_got() == envelope(1, "plain") + segments(big, true));
}

TEST_CASE("relay: bytes that are no envelope are refused once, and nothing more is taken")
{
    struct row {
        std::string_view name;
        std::string bytes;
        errc error;
    };
    auto wrong_version = envelope(2, "x");
    wrong_version[0] = '\x86';
    auto wrong_opcode = envelope(2, "x");
    wrong_opcode[4] = '\x44';
    auto too_large = envelope(2, "x");
    too_large[5] = '\x7f';
    auto negative = envelope(2, "x");
    negative[5] = '\xff';
    for (const auto& [name, bytes, error] :
         {row{"version", wrong_version, errc::bad_version},
          row{"opcode", wrong_opcode, errc::bad_opcode},
          row{"size", too_large, errc::body_too_large},
          row{"negative size", negative, errc::malformed}}) {
        const auto& its_name = name;  // Clang 14 captures no binding
        CAPTURE(its_name);
        for (const bool v5 : {false, true}) {
            CAPTURE(v5);
            bench b;
            if (v5) b.tested.use_segments(false);
            const auto good = envelope(1, "good");
            b.feed(v5 ? segment(good + bytes) : good + bytes);
            b.feed(v5 ? segment(envelope(3, "after")) : envelope(3, "after"));
            CHECK(b.refused == std::vector<std::error_code>{make_error_code(error)});
            CHECK(b.take_got() == (v5 ? segment(good) : good));
            CHECK(b.streams == std::vector<std::int16_t>{1});
        }
    }
}

TEST_CASE("relay: segments that break the rules are refused")
{
    auto crc24 = segment(envelope(1, "x"));
    crc24[1] ^= 1;
    auto crc32 = segment(envelope(1, "x"));
    crc32.back() ^= 1;
    auto damaged = segment(envelope(1, "x"));
    damaged[10] ^= 1;
    const auto large = envelope(1, large_body);
    const auto part = segment(large.substr(0, 131'071), false);
    // Says that it is 100 times as large as it is.
    byte_buffer bomb(64);
    protocol::store_segment_header(bomb.extend(8), {20, 131'071, true}, true);
    const std::string zeros(20, '\0');
    bomb.append(as_bytes(zeros));
    store_le(bomb.extend(4), protocol::crc32(as_bytes(zeros)));
    struct row {
        std::string_view name;
        std::string bytes;
        errc error;
        bool lz4{false};
    };
    for (const auto& [name, bytes, error, lz4] :
         {row{"CRC24", crc24, errc::bad_crc},
          row{"CRC32", crc32, errc::bad_crc},
          row{"payload", damaged, errc::bad_crc},
          row{"half an envelope", segment(envelope(1, "xyz").substr(0, 11)), errc::malformed},
          row{"half a header", segment(envelope(1, "xyz").substr(0, 8)), errc::malformed},
          row{"one and a half",
              segment(envelope(1, "x") + envelope(2, "x").substr(0, 5)),
              errc::malformed},
          row{"a part, then a whole", part + segment(envelope(2, "x")), errc::malformed},
          row{"a part that is too long",
              part + segment(large.substr(131'071) + "x", false),
              errc::malformed},
          row{"compression", std::string(as_text(bomb.view())), errc::bad_compression, true}}) {
        const auto& its_name = name;  // Clang 14 captures no binding
        CAPTURE(its_name);
        for (const bool may_stream : {false, true}) {
            CAPTURE(may_stream);
            bench b;
            b.may_stream = may_stream;
            b.tested.use_segments(lz4);
            b.feed(bytes);
            CHECK(b.refused == std::vector<std::error_code>{make_error_code(error)});
            b.feed(segment(envelope(9, "after"), true, lz4));
            CHECK(b.refused.size() == 1);
            CHECK(std::count(b.streams.begin(), b.streams.end(), 9) == 0);
        }
    }
}

TEST_CASE("relay: a segment without payload is nothing, and no harm")
{
    bench b;
    b.tested.use_segments(false);
    b.feed(segment("") + segment(envelope(1, "x")));
    CHECK(b.refused.empty());
    CHECK(b.streams == std::vector<std::int16_t>{1});
}

TEST_CASE("relay: takes nothing after stop()")
{
    bench b;
    b.tested.stop();
    b.feed(envelope(1, "x"));
    CHECK(b.streams.empty());
    CHECK(b.take_got().empty());
    CHECK(b.left.empty());
}

TEST_SUITE_END();

}  // namespace dualwrite::engine::test
