#include <dualwrite/protocol/error_response.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

byte_vector error_of(error_code code, bytes_view details)
{
    byte_buffer out;
    append_error_body(out, code, "why");
    out.append(details);
    return copy(out.view());
}

// QUORUM, 1 received, 2 required.
byte_vector replicas()
{
    return bytes({0, 4, 0, 0, 0, 1, 0, 0, 0, 2});
}

error_view parsed(bytes_view message, std::uint8_t version)
{
    const auto error = parse_error(message, version);
    REQUIRE(error.has_value());
    CHECK(error->message == "why");
    check_every_truncation(message, [&](bytes_view in) { return parse_error(in, version); });
    return *error;
}

}  // namespace

TEST_SUITE("protocol/error_response")
{
    TEST_CASE("parse_error: reads the codes that carry a text only, and codes that nobody knows")
    {
        for (const int code :
             {0x0000,
              0x000a,
              0x0100,
              0x1001,
              0x1002,
              0x1003,
              0x1600,
              0x2000,
              0x2100,
              0x2200,
              0x2300,
              0x7777,
              -1}) {
            CAPTURE(code);
            const auto message = error_of(static_cast<error_code>(code), {});
            CHECK(parsed(message, 5).code == static_cast<error_code>(code));
        }
    }

    TEST_CASE("parse_error: reads UNAVAILABLE, where the required replicas stand first")
    {
        const auto message = error_of(error_code::unavailable, replicas());
        const auto error = parsed(message, 4);
        CHECK(error.consistency == consistency::quorum);
        CHECK(error.required == 1);
        CHECK(error.received == 2);
    }

    TEST_CASE("parse_error: reads WRITE_TIMEOUT, and the contentions of a CAS in version 5")
    {
        const auto simple = error_of(
            error_code::write_timeout, replicas() + bytes({0, 6, 'S', 'I', 'M', 'P', 'L', 'E'})
        );
        const auto error = parsed(simple, 4);
        CHECK(error.received == 1);
        CHECK(error.required == 2);
        CHECK(error.write_type == "SIMPLE");

        const auto cas =
            error_of(error_code::write_timeout, replicas() + bytes({0, 3, 'C', 'A', 'S'}));
        CHECK(parsed(cas, 5).contentions == 0);
        const auto contended = cas + bytes({0, 7});
        CHECK(parse_error(contended, 5)->contentions == 7);
        CHECK(parse_error(contended, 4)->contentions == 0);
    }

    TEST_CASE("parse_error: reads READ_TIMEOUT and READ_FAILURE of every version")
    {
        const auto timeout = error_of(error_code::read_timeout, replicas() + bytes({1}));
        CHECK(parsed(timeout, 4).data_present);
        const auto v4 = error_of(error_code::read_failure, replicas() + bytes({0, 0, 0, 3, 1}));
        CHECK(parsed(v4, 4).failures == 3);
        CHECK(parsed(v4, 4).data_present);
        const auto map =
            bytes({0, 0, 0, 2, 4, 1, 2, 3, 4, 0, 0, 16}) + byte_vector(16) + bytes({0, 1});
        const auto v5 = error_of(error_code::read_failure, replicas() + map + bytes({1}));
        CHECK(parsed(v5, 5).failures == 2);
        CHECK(parsed(v5, 5).data_present);
    }

    TEST_CASE("parse_error: reads WRITE_FAILURE of every version")
    {
        const auto type = bytes({0, 5, 'B', 'A', 'T', 'C', 'H'});
        const auto v4 =
            error_of(error_code::write_failure, replicas() + bytes({0, 0, 0, 1}) + type);
        CHECK(parsed(v4, 4).failures == 1);
        CHECK(parsed(v4, 4).write_type == "BATCH");
        const auto map = bytes({0, 0, 0, 1, 4, 1, 2, 3, 4, 0, 2});
        const auto v5 = error_of(error_code::write_failure, replicas() + map + type);
        CHECK(parsed(v5, 5).failures == 1);
        CHECK(parsed(v5, 5).write_type == "BATCH");
    }

    TEST_CASE("parse_error: refuses counts of failures that are negative or not there")
    {
        const auto negative = bytes({0xff, 0xff, 0xff, 0xff, 0, 1, 'x', 1});
        const auto many = bytes({0x7f, 0xff, 0xff, 0xff, 4, 1, 2, 3, 4, 0, 0});
        for (const auto code : {error_code::read_failure, error_code::write_failure}) {
            CHECK(parse_error(error_of(code, replicas() + negative), 4).error() == errc::malformed);
            CHECK(parse_error(error_of(code, replicas() + many), 5).error() == errc::malformed);
        }
    }

    TEST_CASE("parse_error: reads CAS_WRITE_UNKNOWN, ALREADY_EXISTS, FUNCTION_FAILURE")
    {
        const auto cas = error_of(error_code::cas_write_unknown, replicas());
        CHECK(parsed(cas, 5).required == 2);
        const auto names = bytes({0, 2, 'k', 's', 0, 1, 't'});
        for (const auto code : {error_code::already_exists, error_code::function_failure}) {
            const auto message = error_of(code, names);
            CHECK(parsed(message, 4).keyspace == "ks");
            CHECK(parsed(message, 4).name == "t");
        }
        const auto keyspace = error_of(error_code::already_exists, bytes({0, 2, 'k', 's', 0, 0}));
        CHECK(parsed(keyspace, 4).name.empty());
    }

    TEST_CASE("append_unprepared_body: writes the id, which parse_error reads")
    {
        byte_buffer out;
        append_unprepared_body(out, as_bytes("id"), "why");
        CHECK(
            hex(out.view()) == "00002500"
                               "0003776879"
                               "00026964"
        );
        CHECK(as_text(parsed(out.view(), 4).unprepared_id) == "id");
    }

    TEST_CASE("append_error_body: cuts a text that a [string] cannot hold")
    {
        byte_buffer out;
        append_error_body(out, error_code::invalid, std::string(70000, 'x'));
        CHECK(parse_error(out.view(), 4)->message.size() == 65535);
    }
}
