#include <dualwrite/protocol/envelope.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

TEST_SUITE("protocol/envelope")
{
    TEST_CASE("parse_envelope_header: reads every field of a request")
    {
        const auto header =
            parse_envelope_header(bytes({0x05, 0x03, 0x12, 0x34, 0x07, 0, 1, 2, 3}));
        REQUIRE(header.has_value());
        CHECK(header->version == 5);
        CHECK_FALSE(header->response);
        CHECK(header->flags == (flag_compressed | flag_tracing));
        CHECK(header->stream == 0x1234);
        CHECK(header->op == opcode::query);
        CHECK(header->body_size == 0x010203);
        CHECK(header->size() == 0x010203 + 9);
    }

    TEST_CASE("parse_envelope_header: reads the direction and the stream id of an event")
    {
        const auto header = parse_envelope_header(bytes({0x84, 0, 0xff, 0xff, 0x0c, 0, 0, 0, 0}));
        REQUIRE(header.has_value());
        CHECK(header->version == 4);
        CHECK(header->response);
        CHECK(header->stream == -1);
        CHECK(header->op == opcode::event);
    }

    TEST_CASE("parse_envelope_header: refuses every version outside 3 to 5")
    {
        for (int version = 0; version < 128; ++version) {
            CAPTURE(version);
            const auto in = bytes({version, 0, 0, 0, 0x07, 0, 0, 0, 0});
            const auto header = parse_envelope_header(in);
            CHECK(header.has_value() == (version >= 3 && version <= 5));
            if (!header) CHECK(header.error() == errc::bad_version);
        }
    }

    TEST_CASE("parse_envelope_header: refuses every unknown opcode")
    {
        for (int op = 0; op < 256; ++op) {
            CAPTURE(op);
            const auto header = parse_envelope_header(bytes({4, 0, 0, 0, op, 0, 0, 0, 0}));
            CHECK(header.has_value() == is_known(static_cast<std::uint8_t>(op)));
            if (!header) CHECK(header.error() == errc::bad_opcode);
        }
    }

    TEST_CASE("parse_envelope_header: leaves a large body to the caller, and refuses a negative one"
    )
    {
        const auto header =
            parse_envelope_header(bytes({4, 0, 0, 0, 0x07, 0x7f, 0xff, 0xff, 0xff}));
        REQUIRE(header.has_value());
        CHECK(header->body_size == 0x7fffffff);
        CHECK(header->size() == 0x7fffffffull + 9);
        for (const int first : {0x80, 0xff}) {
            const auto negative = parse_envelope_header(bytes({4, 0, 0, 0, 0x07, first, 0, 0, 0}));
            REQUIRE_FALSE(negative.has_value());
            CHECK(negative.error() == errc::malformed);
        }
    }

    TEST_CASE("peek_version and peek_stream: read what an answer to a refused envelope needs")
    {
        const auto in = bytes({0x42, 0, 0x00, 0x07, 0x05, 0, 0, 0, 0});
        CHECK(peek_version(in) == 0x42);
        CHECK(peek_stream(in) == 7);
    }

    TEST_CASE("store_envelope_header: is the inverse of parsing")
    {
        for (const auto version : all_versions)
            for (const bool response : {false, true})
                for (const int stream : {-32768, -1, 0, 1, 32767}) {
                    const envelope_header header{
                        version,
                        response,
                        0x1f,
                        static_cast<std::int16_t>(stream),
                        opcode::batch,
                        0x79abcdef};
                    byte_vector out(9);
                    store_envelope_header(out.data(), header);
                    const auto parsed = parse_envelope_header(out);
                    REQUIRE(parsed.has_value());
                    CHECK(*parsed == header);
                }
    }

    TEST_CASE("append_envelope: writes header and body and takes the size from the body")
    {
        byte_buffer out;
        append_byte(out, 0xee);
        append_envelope(out, {.version = 4, .stream = 258, .op = opcode::options}, as_bytes("abc"));
        CHECK(
            hex(out.view()) == "ee"
                               "04"
                               "00"
                               "0102"
                               "05"
                               "00000003"
                               "616263"
        );
        append_envelope(out, {.version = 5, .response = true, .op = opcode::ready}, {});
        CHECK(hex(out.view().subspan(13)) == "850000000200000000");
    }

    TEST_CASE("begin_envelope and finish_envelope: frame a body that is written in place")
    {
        byte_buffer out;
        append_byte(out, 1);
        const auto begin = begin_envelope(out);
        append_int(out, 7);
        finish_envelope(out, begin, {.version = 3, .op = opcode::query});
        CHECK(
            hex(out.view()) == "01"
                               "030000000700000004"
                               "00000007"
        );
    }
}
