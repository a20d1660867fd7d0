#include <dualwrite/protocol/request.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

// Everything set: flags 0xff for version 4 as far as it defines them, 0x1ff for version 5.
byte_vector full_query(std::uint8_t version)
{
    const auto flags = version >= 5 ? bytes({0, 0, 1, 0xff}) : bytes({0x7f});
    auto out = bytes({0, 0, 0, 3, 'a', 'b', 'c', 0, 6}) + flags;
    out = out + bytes({0, 2, 0, 1, 'x', 0, 0, 0, 1, 7, 0, 1, 'y', 0xff, 0xff, 0xff, 0xff});
    out = out + bytes({0, 0, 0x13, 0x88}) + bytes({0, 0, 0, 2, 0xaa, 0xbb}) + bytes({0, 9}) +
          bytes({0, 0, 0, 0, 0, 0, 0x30, 0x39});
    return version >= 5 ? out + bytes({0, 2, 'k', 's'}) + bytes({0x65, 0, 0, 1}) : out;
}

void check_full(const query_parameters& p, std::uint8_t version, std::size_t flags_offset)
{
    CHECK(p.consistency == consistency::local_quorum);
    CHECK(p.flags == (version >= 5 ? 0x1ff : 0x7f));
    CHECK(p.value_count == 2);
    CHECK(p.named_values);
    CHECK(
        hex(p.values) == "000178"
                         "00000001"
                         "07"
                         "000179"
                         "ffffffff"
    );
    CHECK(p.page_size == 5000);
    CHECK(hex(*p.paging_state) == "aabb");
    CHECK(p.serial_consistency == consistency::local_serial);
    CHECK(p.timestamp_us == 12345);
    CHECK(p.flags_offset == flags_offset);
    CHECK(p.timestamp_offset == flags_offset + (version >= 5 ? 4 : 1) + 17 + 4 + 6 + 2);
    CHECK(p.keyspace.has_value() == (version >= 5));
    CHECK(p.now_in_seconds.has_value() == (version >= 5));
    if (version >= 5) {
        CHECK(p.keyspace == "ks");
        CHECK(p.now_in_seconds == 0x65000001);
        CHECK(p.now_offset == p.timestamp_offset + 8 + 4);
    }
}

byte_vector payload_prefix()
{
    byte_buffer out;
    append_short(out, 2);
    append_string(out, "key");
    append_bytes(out, as_bytes("value"));
    append_string(out, "null");
    append_bytes(out, std::nullopt);
    return copy(out.view());
}

}  // namespace

TEST_SUITE("protocol/request")
{
    TEST_CASE("parse_query: reads every field of every version")
    {
        for (const auto version : all_versions) {
            CAPTURE(version);
            const auto body = full_query(version);
            const auto query = parse_query(body, version);
            REQUIRE(query.has_value());
            CHECK(query->text == "abc");
            check_full(query->parameters, version, 9);
        }
    }

    TEST_CASE("parse_query: reads a query without any option")
    {
        const auto body = bytes({0, 0, 0, 1, 'q', 0, 1, 0});
        const auto query = parse_query(body, 4);
        REQUIRE(query.has_value());
        const auto& p = query->parameters;
        CHECK(p.consistency == consistency::one);
        CHECK(p.value_count == 0);
        CHECK(p.values.empty());
        CHECK_FALSE(p.page_size.has_value());
        CHECK_FALSE(p.paging_state.has_value());
        CHECK_FALSE(p.serial_consistency.has_value());
        CHECK_FALSE(p.timestamp_us.has_value());
        CHECK_FALSE(p.keyspace.has_value());
        CHECK(p.flags_offset == 7);
        CHECK(p.timestamp_offset == 8);
        CHECK(p.now_offset == 8);
    }

    TEST_CASE("parse_query: refuses every truncation")
    {
        for (const auto version : all_versions)
            check_every_truncation(full_query(version), [&](bytes_view in) {
                return parse_query(in, version);
            });
    }

    TEST_CASE("parse_query: counts offsets from the beginning of the body, custom payload included")
    {
        const auto prefix = payload_prefix();
        const auto body = prefix + full_query(5);
        const auto query = parse_query(body, 5, flag_custom_payload);
        REQUIRE(query.has_value());
        CHECK(query->text == "abc");
        check_full(query->parameters, 5, prefix.size() + 9);
        check_every_truncation(body, [](bytes_view in) {
            return parse_query(in, 5, flag_custom_payload);
        });
        CHECK(equal(*skip_request_prefix(flag_custom_payload, body), full_query(5)));
        CHECK(equal(*skip_request_prefix(0, body), body));
    }

    TEST_CASE("parse_query: ignores what follows the message")
    {
        const auto query = parse_query(full_query(4) + noise(5), 4);
        REQUIRE(query.has_value());
        CHECK(query->parameters.timestamp_us == 12345);
    }

    TEST_CASE("parse_query: keeps null, unset and empty values bit for bit")
    {
        const auto values =
            bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 1, 5});
        const auto body = bytes({0, 0, 0, 0, 0, 1, 1, 0, 4}) + values;
        const auto query = parse_query(body, 4);
        REQUIRE(query.has_value());
        CHECK(equal(query->parameters.values, values));
        std::string states;
        const auto walked = for_each_value(
            query->parameters.values,
            false,
            [&](std::string_view name, const bound_value& value) {
                CHECK(name.empty());
                states += "pnu"[static_cast<int>(value.is)];
                states += std::to_string(value.bytes.size());
            }
        );
        CHECK(walked.has_value());
        CHECK(states == "n0u0p0p1");
    }

    TEST_CASE("parse_query: refuses values below unset, and unset in version 3")
    {
        const auto with_value = [](int last) {
            return bytes({0, 0, 0, 0, 0, 1, 1, 0, 1, 0xff, 0xff, 0xff, last});
        };
        CHECK(parse_query(with_value(0xfd), 4).error() == errc::malformed);
        CHECK(parse_query(with_value(0xfe), 4).has_value());
        CHECK(parse_query(with_value(0xfe), 3).error() == errc::malformed);
        CHECK(parse_query(with_value(0xff), 3).has_value());
    }

    TEST_CASE("parse_query: refuses counts and sizes that are not there, and unknown consistencies")
    {
        CHECK(parse_query(bytes({0, 0, 0, 0, 0, 1, 1, 0xff, 0xff}), 4).error() == errc::malformed);
        CHECK(parse_query(bytes({0xff, 0xff, 0xff, 0xff, 0, 1, 0}), 4).error() == errc::malformed);
        CHECK(parse_query(bytes({0x7f, 0xff, 0xff, 0xff, 0, 1, 0}), 4).error() == errc::malformed);
        CHECK(parse_query(bytes({0, 0, 0, 0, 0, 0x0b, 0}), 4).error() == errc::malformed);
    }

    TEST_CASE("for_each_value: gives the names of named values and refuses a broken list")
    {
        const auto values = bytes({0, 1, 'a', 0, 0, 0, 1, 9, 0, 0, 0xff, 0xff, 0xff, 0xff});
        std::string names;
        const auto collect = [&](std::string_view name, const bound_value&) {
            names += name;
            names += ';';
        };
        CHECK(for_each_value(values, true, collect).has_value());
        CHECK(names == "a;;");
        const auto broken = copy(bytes_view(values).first(values.size() - 1));
        CHECK(for_each_value(broken, true, collect).error() == errc::malformed);
    }

    TEST_CASE("parse_execute: reads the id, and in version 5 the id of the result's metadata")
    {
        for (const auto version : all_versions) {
            CAPTURE(version);
            const auto ids =
                version >= 5 ? bytes({0, 2, 1, 2, 0, 3, 7, 8, 9}) : bytes({0, 2, 1, 2});
            // The parameters are those of a query behind its text.
            const auto body = ids + bytes_view(full_query(version)).subspan(7);
            const auto execute = parse_execute(body, version);
            REQUIRE(execute.has_value());
            CHECK(hex(execute->id) == "0102");
            CHECK(hex(execute->result_metadata_id) == (version >= 5 ? "070809" : ""));
            check_full(execute->parameters, version, ids.size() + 2);
            check_every_truncation(body, [&](bytes_view in) { return parse_execute(in, version); });
            const auto prefixed = payload_prefix() + body;
            CHECK(parse_execute(prefixed, version, flag_custom_payload).has_value());
        }
    }

    TEST_CASE("parse_prepare: reads the keyspace of version 5")
    {
        const auto v4 = bytes({0, 0, 0, 2, 'q', '?'});
        CHECK(parse_prepare(v4, 4)->text == "q?");
        CHECK_FALSE(parse_prepare(v4, 4)->keyspace.has_value());
        check_every_truncation(v4, [](bytes_view in) { return parse_prepare(in, 4); });

        const auto plain = v4 + bytes({0, 0, 0, 0});
        CHECK_FALSE(parse_prepare(plain, 5)->keyspace.has_value());
        const auto with_keyspace = v4 + bytes({0, 0, 0, 1, 0, 2, 'k', 's'});
        CHECK(parse_prepare(with_keyspace, 5)->keyspace == "ks");
        check_every_truncation(with_keyspace, [](bytes_view in) { return parse_prepare(in, 5); });
        CHECK(parse_prepare(payload_prefix() + v4, 4, flag_custom_payload)->text == "q?");
    }

    TEST_CASE("parse_startup, parse_register, parse_auth_token: read what the builders write")
    {
        byte_buffer out;
        append_startup_body(out, {{"CQL_VERSION", "3.0.0"}, {"COMPRESSION", "lz4"}});
        const auto options = parse_startup(out.view());
        REQUIRE(options.has_value());
        CHECK(find_option(*options, "COMPRESSION") == "lz4");
        CHECK_FALSE(find_option(*options, "compression").has_value());
        check_every_truncation(out.view(), [](bytes_view in) { return parse_startup(in); });

        out.clear();
        append_register_body(out, string_list{"STATUS_CHANGE", "SCHEMA_CHANGE"});
        CHECK(*parse_register(out.view()) == string_list{"STATUS_CHANGE", "SCHEMA_CHANGE"});

        out.clear();
        append_auth_response_body(out, as_bytes("token"));
        CHECK(as_text(**parse_auth_token(out.view())) == "token");
        check_every_truncation(out.view(), [](bytes_view in) { return parse_auth_token(in); });
        CHECK_FALSE(parse_auth_token(bytes({0xff, 0xff, 0xff, 0xff}))->has_value());
    }
}
