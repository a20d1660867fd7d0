#include <dualwrite/protocol/value.hpp>

#include <limits>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

std::string shown(std::string_view type, std::initializer_list<int> value)
{
    const auto parsed = parse_type_text(type, [](std::string_view) {
        return std::optional<cql_type>{cql_type{
            .id = type_id::udt,
            .name = "u",
            .parameters = {{.id = type_id::int_}, {.id = type_id::text}},
            .field_names = {"a", "select"}}};
    });
    REQUIRE(parsed.has_value());
    return display(*parsed, bytes(value));
}

std::string shown_number(std::string_view type, std::int64_t value)
{
    return display(*parse_type_text(type), encode_bigint(value));
}

std::string shown_text(std::string_view type, std::string_view value)
{
    return display(*parse_type_text(type), as_bytes(value));
}

std::string shown_double(double value)
{
    return display({.id = type_id::double_}, encode_double(value));
}

}  // namespace

TEST_SUITE("protocol/value")
{
    TEST_CASE("decode functions: are the inverse of the encode functions at the edges")
    {
        for (const std::int32_t value :
             {0,
              1,
              -1,
              std::numeric_limits<std::int32_t>::min(),
              std::numeric_limits<std::int32_t>::max()})
            CHECK(*decode_int(encode_int(value)) == value);
        for (const std::int64_t value : {std::int64_t{0}, std::numeric_limits<std::int64_t>::min()})
            CHECK(*decode_bigint(encode_bigint(value)) == value);
        CHECK(*decode_smallint(encode_smallint(-2)) == -2);
        CHECK(*decode_tinyint(encode_tinyint(-128)) == -128);
        CHECK(*decode_boolean(encode_boolean(true)));
        CHECK_FALSE(*decode_boolean(encode_boolean(false)));
        CHECK(*decode_boolean(bytes({7})));
        CHECK(*decode_double(encode_double(-0.5)) == -0.5);
        CHECK(*decode_float(encode_float(1.25f)) == 1.25f);
        CHECK(*decode_timestamp(encode_timestamp(-1)) == -1);
        CHECK(hex(encode_int(0x01020304)) == "01020304");
        CHECK(hex(encode_double(1.0)) == "3ff0000000000000");
    }

    TEST_CASE("decode functions: refuse every size but their own")
    {
        for (std::size_t size = 0; size < 20; ++size) {
            CAPTURE(size);
            const auto in = noise(size);
            CHECK(decode_tinyint(in).has_value() == (size == 1));
            CHECK(decode_boolean(in).has_value() == (size == 1));
            CHECK(decode_smallint(in).has_value() == (size == 2));
            CHECK(decode_int(in).has_value() == (size == 4));
            CHECK(decode_float(in).has_value() == (size == 4));
            CHECK(decode_bigint(in).has_value() == (size == 8));
            CHECK(decode_double(in).has_value() == (size == 8));
            CHECK(decode_uuid(in).has_value() == (size == 16));
            CHECK(decode_inet(in).has_value() == (size == 4 || size == 16));
        }
    }

    TEST_CASE("decode_duration: reads signed numbers of variable size, and nothing else")
    {
        const auto one = decode_duration(bytes({2, 4, 6}));
        REQUIRE(one.has_value());
        CHECK(one->months == 1);
        CHECK(one->days == 2);
        CHECK(one->nanoseconds == 3);
        // 256000 in three bytes, as in the specification, is zigzag for 128000.
        CHECK(decode_duration(bytes({1, 0, 0xc3, 0xe8, 0x00}))->nanoseconds == 128000);
        CHECK(decode_duration(bytes({1, 0, 0}))->months == -1);
        const auto least = bytes({0, 0}) + byte_vector(9, std::byte{0xff});
        CHECK(decode_duration(least)->nanoseconds == std::numeric_limits<std::int64_t>::min());
        CHECK_FALSE(decode_duration(bytes({2, 4})).has_value());
        CHECK_FALSE(decode_duration(bytes({2, 4, 6, 0})).has_value());
        // 2^32 months do not fit into 32 bits.
        CHECK_FALSE(decode_duration(bytes({0xf8, 2, 0, 0, 0, 0, 0, 0})).has_value());
    }

    TEST_CASE("for_each_element and for_each_entry: give the cells and refuse every truncation")
    {
        const auto list = bytes({0, 0, 0, 3, 0, 0, 0, 1, 7, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0});
        std::string seen;
        const auto note = [&](const std::optional<bytes_view>& cell) {
            seen += cell ? hex(*cell) + ";" : "null;";
        };
        CHECK(for_each_element(list, note).has_value());
        CHECK(seen == "07;null;;");
        check_every_truncation(list, [](bytes_view in) {
            const auto done = for_each_element(in, [](const auto&) {});
            return done;
        });
        CHECK_FALSE(for_each_element(list + bytes({0}), note).has_value());
        CHECK_FALSE(for_each_element(bytes({0xff, 0xff, 0xff, 0xff}), note).has_value());
        CHECK_FALSE(for_each_element(bytes({0x7f, 0xff, 0xff, 0xff}), note).has_value());

        const auto map = bytes({0, 0, 0, 1, 0, 0, 0, 1, 'k', 0, 0, 0, 1, 'v'});
        std::string entries;
        CHECK(for_each_entry(map, [&](const auto& key, const auto& value) {
                  entries += hex(*key) + ":" + hex(*value);
              }).has_value());
        CHECK(entries == "6b:76");
        check_every_truncation(map, [](bytes_view in) {
            return for_each_entry(in, [](const auto&, const auto&) {});
        });
    }

    TEST_CASE("for_each_field: gives as many fields as the value has")
    {
        std::string seen;
        const auto note = [&](std::size_t index, const std::optional<bytes_view>& field) {
            seen += std::to_string(index) + (field ? "=" + hex(*field) : "=null") + ";";
        };
        CHECK(for_each_field(bytes({0, 0, 0, 1, 9, 0xff, 0xff, 0xff, 0xff}), note).has_value());
        CHECK(seen == "0=09;1=null;");
        CHECK(for_each_field({}, note).has_value());
        CHECK_FALSE(for_each_field(bytes({0, 0, 0, 2, 9}), note).has_value());
    }

    TEST_CASE("display: writes integers of all widths")
    {
        CHECK(shown("tinyint", {0x80}) == "-128");
        CHECK(shown("smallint", {0x7f, 0xff}) == "32767");
        CHECK(shown("int", {0xff, 0xff, 0xff, 0xff}) == "-1");
        CHECK(
            shown_number("bigint", std::numeric_limits<std::int64_t>::min()) ==
            "-9223372036854775808"
        );
        CHECK(shown_number("counter", 5) == "5");
        CHECK(shown("boolean", {0}) == "false");
        CHECK(shown("boolean", {1}) == "true");
    }

    TEST_CASE("display: writes varints as the specification has them, and large ones")
    {
        CHECK(shown("varint", {0x00}) == "0");
        CHECK(shown("varint", {0x01}) == "1");
        CHECK(shown("varint", {0x7f}) == "127");
        CHECK(shown("varint", {0x00, 0x80}) == "128");
        CHECK(shown("varint", {0xff}) == "-1");
        CHECK(shown("varint", {0x80}) == "-128");
        CHECK(shown("varint", {0xff, 0x7f}) == "-129");
        CHECK(shown("varint", {0xff, 0xff, 0xff, 0xff}) == "-1");
        // 2^64, -2^64, 10^18, 10^9.
        CHECK(shown("varint", {1, 0, 0, 0, 0, 0, 0, 0, 0}) == "18446744073709551616");
        CHECK(shown("varint", {0xff, 0, 0, 0, 0, 0, 0, 0, 0}) == "-18446744073709551616");
        CHECK(shown("varint", {0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x64, 0, 0}) == "1000000000000000000");
        CHECK(shown("varint", {0x3b, 0x9a, 0xca, 0x00}) == "1000000000");
        CHECK(display({.id = type_id::varint}, byte_vector(5000)).starts_with("blobasvarint(0x00"));
    }

    TEST_CASE("display: writes decimals with their scale")
    {
        CHECK(shown("decimal", {0, 0, 0, 0, 0x7b}) == "123");
        CHECK(shown("decimal", {0, 0, 0, 2, 0x7b}) == "1.23");
        CHECK(shown("decimal", {0, 0, 0, 2, 0x00, 0x96}) == "1.50");
        CHECK(shown("decimal", {0, 0, 0, 3, 0x7b}) == "0.123");
        CHECK(shown("decimal", {0, 0, 0, 5, 0x85}) == "-0.00123");
        CHECK(shown("decimal", {0, 0, 0, 2, 0x00}) == "0.00");
        CHECK(shown("decimal", {0, 0, 0, 20, 0x01}) == "1E-20");
        CHECK(shown("decimal", {0xff, 0xff, 0xff, 0xfe, 0x7b}) == "123E2");
        CHECK(shown("decimal", {0x80, 0, 0, 0, 0x01}) == "1E2147483648");
        CHECK(shown("decimal", {0, 0, 0, 1}) == "blobasdecimal(0x00000001)");
    }

    TEST_CASE("display: writes the shortest text that reads back to the same number")
    {
        CHECK(shown_double(0.0) == "0.0");
        CHECK(shown_double(-0.0) == "-0.0");
        CHECK(shown_double(1.0) == "1.0");
        CHECK(shown_double(0.1) == "0.1");
        CHECK(shown_double(1e100) == "1e+100");
        CHECK(shown_double(5e-324) == "5e-324");
        CHECK(shown_double(std::numeric_limits<double>::infinity()) == "Infinity");
        CHECK(shown_double(-std::numeric_limits<double>::infinity()) == "-Infinity");
        CHECK(shown_double(std::numeric_limits<double>::quiet_NaN()) == "NaN");
        CHECK(display({.id = type_id::float_}, encode_float(0.1f)) == "0.1");
    }

    TEST_CASE("display: quotes and escapes text, and shows bytes that are no text as bytes")
    {
        CHECK(shown_text("text", "") == "''");
        CHECK(shown_text("text", "it's") == "'it''s'");
        CHECK(
            shown_text("text", "\xe2\x82\xac \xf0\x9f\x98\x80\n") ==
            "'\xe2\x82\xac \xf0\x9f\x98\x80\n'"
        );
        CHECK(shown_text("ascii", "plain") == "'plain'");
        CHECK(shown_text("ascii", "\xc3\xa9") == "blobasascii(0xc3a9)");
        // Overlong, surrogate, too large, cut off, stray.
        for (const std::string_view bad :
             {"\xc0\x80",
              "\xe0\x9f\xbf",
              "\xed\xa0\x80",
              "\xf4\x90\x80\x80",
              "\xe2\x82",
              "\x80",
              "\xff",
              "a\xc3"}) {
            CHECK(shown_text("text", bad) == "blobastext(0x" + hex(as_bytes(bad)) + ")");
        }
        CHECK(shown("blob", {}) == "0x");
        CHECK(shown("blob", {0, 0xff}) == "0x00ff");
    }

    TEST_CASE("display: writes dates, times and timestamps in a form that CQL reads")
    {
        CHECK(shown("date", {0x80, 0, 0, 0}) == "'1970-01-01'");
        CHECK(shown("date", {0x7f, 0xff, 0xff, 0xff}) == "'1969-12-31'");
        CHECK(shown("date", {0, 0, 0, 0}) == "0");
        CHECK(shown("date", {0xff, 0xff, 0xff, 0xff}) == "4294967295");
        CHECK(shown_number("time", 0) == "'00:00:00.000000000'");
        CHECK(shown_number("time", 86399999999999) == "'23:59:59.999999999'");
        CHECK(shown_number("time", 86400000000000) == "blobastime(0x00004e94914f0000)");
        CHECK(shown_number("time", -1) == "blobastime(0xffffffffffffffff)");
        CHECK(shown_number("timestamp", 0) == "'1970-01-01 00:00:00.000+0000'");
        CHECK(shown_number("timestamp", -1) == "'1969-12-31 23:59:59.999+0000'");
        CHECK(shown_number("timestamp", 951782400000) == "'2000-02-29 00:00:00.000+0000'");
        CHECK(shown_number("timestamp", 1709210096789) == "'2024-02-29 12:34:56.789+0000'");
        CHECK(shown_number("timestamp", 253402300799999) == "'9999-12-31 23:59:59.999+0000'");
        // The server reads no year before 1.
        CHECK(shown_number("timestamp", -62135596800000) == "'0001-01-01 00:00:00.000+0000'");
        CHECK(shown_number("timestamp", -62135596800001) == "-62135596800001");
        CHECK(shown_number("timestamp", 253402300800000) == "253402300800000");
        CHECK(
            shown_number("timestamp", std::numeric_limits<std::int64_t>::min()) ==
            "-9223372036854775808"
        );
    }

    TEST_CASE("civil_of_days: counts every day of ten thousand years without a gap")
    {
        detail::civil_date last{0, 2, 29};
        std::int64_t wrong = 0;
        for (std::int64_t day = -719468; day < 2932897; ++day) {
            const auto date = detail::civil_of_days(day);
            const auto same_month = date.year == last.year && date.month == last.month;
            const auto leap = last.year % 4 == 0 && (last.year % 100 != 0 || last.year % 400 == 0);
            const std::array<unsigned, 12> sizes{
                31, leap ? 29u : 28u, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
            const auto month_ended = last.day == sizes[last.month - 1];
            const auto next_month = last.month == 12
                                        ? date.month == 1 && date.year == last.year + 1
                                        : date.month == last.month + 1 && date.year == last.year;
            const auto right =
                month_ended ? date.day == 1 && next_month : same_month && date.day == last.day + 1;
            wrong += right ? 0 : 1;
            last = date;
        }
        CHECK(wrong == 0);
        CHECK(last.year == 9999);
        CHECK(last.month == 12);
        CHECK(last.day == 31);
    }

    TEST_CASE("display: writes durations by their units")
    {
        CHECK(shown("duration", {0, 0, 0}) == "0s");
        CHECK(shown("duration", {2, 4, 6}) == "1mo2d3ns");
        CHECK(shown("duration", {1, 0, 0}) == "-1mo");
        CHECK(shown("duration", {28, 0, 0}) == "1y2mo");
        // 3,661,001,001,001 ns
        CHECK(
            shown("duration", {0, 0, 0xfc, 0x06, 0xa8, 0xc9, 0x54, 0x10, 0x52}) == "1h1m1s1ms1us1ns"
        );
        CHECK(shown("duration", {0, 0}) == "blobasduration(0x0000)");
    }

    TEST_CASE("display: writes UUIDs and addresses")
    {
        CHECK(
            shown(
                "uuid",
                {0,
                 0x11,
                 0x22,
                 0x33,
                 0x44,
                 0x55,
                 0x66,
                 0x77,
                 0x88,
                 0x99,
                 0xaa,
                 0xbb,
                 0xcc,
                 0xdd,
                 0xee,
                 0xff}
            ) == "00112233-4455-6677-8899-aabbccddeeff"
        );
        CHECK(shown("timeuuid", {1}) == "blobastimeuuid(0x01)");
        CHECK(shown("inet", {127, 0, 0, 1}) == "'127.0.0.1'");
        const auto inet6 = [](std::initializer_list<int> groups) {
            byte_vector in;
            for (const auto group : groups) in = in + bytes({group >> 8, group & 0xff});
            return to_text(*decode_inet(in));
        };
        CHECK(inet6({0, 0, 0, 0, 0, 0, 0, 0}) == "::");
        CHECK(inet6({0, 0, 0, 0, 0, 0, 0, 1}) == "::1");
        CHECK(inet6({1, 0, 0, 0, 0, 0, 0, 0}) == "1::");
        CHECK(inet6({0x2001, 0xdb8, 0, 0, 1, 0, 0, 1}) == "2001:db8::1:0:0:1");
        CHECK(inet6({0x2001, 0xdb8, 0, 1, 1, 1, 1, 1}) == "2001:db8:0:1:1:1:1:1");
        CHECK(inet6({1, 0, 0, 2, 0, 0, 0, 3}) == "1:0:0:2::3");
        CHECK(inet6({1, 2, 3, 4, 5, 6, 7, 0xffff}) == "1:2:3:4:5:6:7:ffff");
        CHECK(inet6({0, 0, 1, 2, 3, 4, 0, 0}) == "::1:2:3:4:0:0");
    }

    TEST_CASE("display: writes collections, tuples, UDTs and vectors")
    {
        CHECK(
            shown("list<int>", {0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}) ==
            "[1, null]"
        );
        CHECK(shown("list<int>", {0, 0, 0, 0}) == "[]");
        CHECK(shown("set<text>", {0, 0, 0, 1, 0, 0, 0, 1, '\''}) == "{''''}");
        CHECK(
            shown("map<int, text>", {0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 'x'}) ==
            "{1: 'x'}"
        );
        CHECK(shown("tuple<int, text>", {0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 'x'}) == "(1, 'x')");
        CHECK(
            shown("u", {0, 0, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}) ==
            "{a: 1, \"select\": null}"
        );
        CHECK(shown("u", {0, 0, 0, 4, 0, 0, 0, 1}) == "{a: 1}");
        CHECK(shown("vector<int, 2>", {0, 0, 0, 1, 0, 0, 0, 2}) == "[1, 2]");
        CHECK(shown("vector<text, 2>", {1, 'a', 0}) == "['a', '']");
        CHECK(shown("vector<smallint, 1>", {2, 0, 9}) == "[9]");
        CHECK(
            shown("vector<vector<int, 2>, 2>", {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4}) ==
            "[[1, 2], [3, 4]]"
        );
        CHECK(shown("list<frozen<list<int>>>", {0, 0, 0, 1, 0, 0, 0, 12, 0, 0,
                                                0, 1, 0, 0, 0, 4, 0, 0,  0, 7}) == "[[7]]");
    }

    TEST_CASE("display: tells null from empty, and shows damaged values as their bytes")
    {
        CHECK(display({.id = type_id::int_}, std::nullopt) == "null");
        CHECK(shown("int", {}) == "blobasint(0x)");
        CHECK(shown("timestamp", {1}) == "blobastimestamp(0x01)");
        CHECK(
            shown("list<int>", {0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1}) == "0x000000020000000400000001"
        );
        CHECK(shown("list<int>", {}) == "0x");
        CHECK(shown("u", {}) == "0x");
        CHECK(shown("vector<int, 2>", {0, 0, 0, 1}) == "0x00000001");
        // A field more than the type has.
        CHECK(
            shown("tuple<int>", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) ==
            "0xffffffffffffffff"
        );
        CHECK(
            shown("list<frozen<list<int>>>", {0, 0, 0, 1, 0, 0, 0, 1, 7}) == "0x000000010000000107"
        );
        CHECK(shown("'com.example.Own'", {1, 2}) == "0x0102");
    }
}
