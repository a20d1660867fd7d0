#include <dualwrite/protocol/response_build.hpp>
#include <dualwrite/protocol/value_codec.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

byte_vector prefixed()
{
    byte_buffer out;
    out.append(noise(16));
    append_string_list(out, string_list{"careful", "slow"});
    append_short(out, 1);
    append_string(out, "key");
    append_bytes(out, std::nullopt);
    append_void_body(out);
    return copy(out.view());
}

prepared_result sample_prepared(std::uint8_t version)
{
    prepared_result out;
    out.id = as_bytes("prepared id");
    if (version >= 5) out.result_metadata_id = as_bytes("result id");
    if (version >= 4) out.pk_indexes = {1, 0};
    out.variables = {
        {"ks", "t", "a", {.id = type_id::int_}}, {"ks", "t", "b", {.id = type_id::text}}};
    out.result.columns = {{"ks", "t", "c", {.id = type_id::uuid}}};
    out.result.column_count = 1;
    return out;
}

}  // namespace

TEST_SUITE("protocol/response")
{
    TEST_CASE("parse_response_prefix: reads tracing id, warnings and custom payload in this order")
    {
        constexpr auto flags = flag_tracing | flag_warning | flag_custom_payload;
        const auto body = prefixed();
        const auto prefix = parse_response_prefix(flags, body);
        REQUIRE(prefix.has_value());
        CHECK(hex(*prefix->tracing_id) == hex(noise(16)));
        CHECK(prefix->warnings == string_list{"careful", "slow"});
        REQUIRE(prefix->custom_payload.size() == 1);
        CHECK(prefix->custom_payload[0].first == "key");
        CHECK_FALSE(prefix->custom_payload[0].second.has_value());
        CHECK(*parse_result_kind(prefix->message) == result_kind::void_);
        CHECK(equal(*skip_response_prefix(flags, body), prefix->message));
        // Behind the prefix everything is the message's: cut there and it is an empty message.
        const auto size = body.size() - prefix->message.size();
        for (std::size_t n = 0; n < size; ++n) {
            const auto part = copy(bytes_view(body).first(n));
            CHECK(parse_response_prefix(flags, part).error() == errc::malformed);
            CHECK(skip_response_prefix(flags, part).error() == errc::malformed);
        }
        CHECK(parse_response_prefix(flags, bytes_view(body).first(size))->message.empty());
    }

    TEST_CASE("parse_response_prefix: reads each part alone and nothing without flags")
    {
        const auto body = noise(40);
        CHECK(equal(parse_response_prefix(0, body)->message, body));
        CHECK(parse_response_prefix(flag_tracing, body)->message.size() == 24);
        const auto warnings = bytes({0, 1, 0, 1, 'w', 9});
        CHECK(hex(parse_response_prefix(flag_warning, warnings)->message) == "09");
        const auto payload = bytes({0, 1, 0, 1, 'k', 0, 0, 0, 1, 'v', 9});
        CHECK(hex(parse_response_prefix(flag_custom_payload, payload)->message) == "09");
        // A compressed flag says nothing here: the body has been decompressed.
        CHECK(equal(parse_response_prefix(flag_compressed, body)->message, body));
    }

    TEST_CASE("parse_result_kind: takes the five kinds only")
    {
        for (int kind = -1; kind < 10; ++kind)
            CHECK(
                parse_result_kind(bytes_view(encode_be(kind))).has_value() ==
                (kind >= 1 && kind <= 5)
            );
        CHECK_FALSE(parse_result_kind(bytes({0, 0, 1})).has_value());
    }

    TEST_CASE("parse_set_keyspace and parse_schema_change: read what the builders write")
    {
        byte_buffer out;
        append_set_keyspace_body(out, "Mixed");
        CHECK(*parse_set_keyspace(out.view()) == "Mixed");
        check_every_truncation(out.view(), [](bytes_view in) { return parse_set_keyspace(in); });
        CHECK(parse_schema_change(out.view()).error() == errc::malformed);

        for (const std::string_view target :
             {"KEYSPACE", "TABLE", "TYPE", "FUNCTION", "AGGREGATE"}) {
            CAPTURE(target);
            const auto callable = target == "FUNCTION" || target == "AGGREGATE";
            const schema_change_view change{
                "CREATED",
                target,
                "ks",
                target == "KEYSPACE" ? "" : "thing",
                callable ? string_list{"int", "text"} : string_list{}};
            out.clear();
            append_schema_change_body(out, change);
            const auto read = parse_schema_change(out.view());
            REQUIRE(read.has_value());
            CHECK(read->change == "CREATED");
            CHECK(read->target == target);
            CHECK(read->keyspace == "ks");
            CHECK(read->name == change.name);
            CHECK(read->arguments == change.arguments);
            check_every_truncation(out.view(), [](bytes_view in) {
                return parse_schema_change(in);
            });
        }
    }

    TEST_CASE("parse_event: reads the events of nodes and where their address stands")
    {
        for (const auto kind : {event_kind::status, event_kind::topology}) {
            event_view event;
            event.kind = kind;
            event.change = "UP";
            event.node = {.address_size = 16, .port = 9042};
            byte_buffer out;
            append_event_body(out, event);
            const auto read = parse_event(out.view());
            REQUIRE(read.has_value());
            CHECK(read->kind == kind);
            CHECK(read->change == "UP");
            CHECK(read->node == event.node);
            CHECK(out.size() - read->node_offset == 1 + 16 + 4);
            check_every_truncation(out.view(), [](bytes_view in) { return parse_event(in); });
        }
    }

    TEST_CASE("parse_event: reads changes of the schema and refuses unknown kinds")
    {
        event_view event;
        event.kind = event_kind::schema;
        event.schema = {"DROPPED", "TABLE", "ks", "t", {}};
        byte_buffer out;
        append_event_body(out, event);
        const auto read = parse_event(out.view());
        REQUIRE(read.has_value());
        CHECK(read->kind == event_kind::schema);
        CHECK(read->change == "DROPPED");
        CHECK(read->schema.name == "t");
        out.clear();
        append_string(out, "OTHER_CHANGE");
        out.append(noise(40));
        CHECK(parse_event(out.view()).error() == errc::malformed);
    }

    TEST_CASE("parse_prepared: reads known bytes of version 4")
    {
        const auto message = bytes({0, 0, 0, 4, 0, 2, 0xab, 0xcd}) +
                             bytes({0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0}) +
                             bytes({0, 1, 'k', 0, 1, 't', 0, 1, 'c', 0, 9}) +
                             bytes({0, 0, 0, 4, 0, 0, 0, 0});
        const auto prepared = parse_prepared(message, 4);
        REQUIRE(prepared.has_value());
        CHECK(hex(prepared->id) == "abcd");
        CHECK(prepared->pk_indexes == std::vector<std::uint16_t>{0});
        REQUIRE(prepared->variables.size() == 1);
        CHECK(prepared->variables[0] == column_spec{"k", "t", "c", {.id = type_id::int_}});
        CHECK_FALSE(prepared->result.has_columns());
        check_every_truncation(message, [](bytes_view in) { return parse_prepared(in, 4); });
    }

    TEST_CASE("parse_prepared: reads what append_prepared_body writes in every version")
    {
        for (const auto version : all_versions) {
            CAPTURE(version);
            const auto sample = sample_prepared(version);
            byte_buffer out;
            append_prepared_body(out, version, sample);
            const auto read = parse_prepared(out.view(), version);
            REQUIRE(read.has_value());
            CHECK(equal(read->id, sample.id));
            CHECK(equal(read->result_metadata_id, sample.result_metadata_id));
            CHECK(read->pk_indexes == sample.pk_indexes);
            CHECK(read->variables == sample.variables);
            CHECK(read->result.columns == sample.result.columns);
            check_every_truncation(out.view(), [&](bytes_view in) {
                return parse_prepared(in, version);
            });
        }
    }

    TEST_CASE("parse_prepared: reads a statement without markers and without a result")
    {
        prepared_result sample;
        sample.id = as_bytes("id");
        sample.result.flags = rows_flag::no_metadata;
        byte_buffer out;
        append_prepared_body(out, 4, sample);
        CHECK(
            hex(out.view()) == "00000004"
                               "00026964"
                               "00000000"
                               "00000000"
                               "00000000"
                               "00000004"
                               "00000000"
        );
        CHECK(parse_prepared(out.view(), 4)->variables.empty());
    }

    TEST_CASE("parse_prepared: refuses an index that points at no marker, and counts of nothing")
    {
        auto sample = sample_prepared(4);
        sample.pk_indexes = {2};
        byte_buffer out;
        append_prepared_body(out, 4, sample);
        CHECK(parse_prepared(out.view(), 4).error() == errc::malformed);

        const auto head = bytes({0, 0, 0, 4, 0, 1, 'i', 0, 0, 0, 0});
        const auto many = bytes({0x7f, 0xff, 0xff, 0xff});
        CHECK(parse_prepared(head + many + bytes({0, 0, 0, 0}), 4).error() == errc::malformed);
        CHECK(parse_prepared(head + bytes({0, 0, 0, 0}) + many, 4).error() == errc::malformed);
    }

    TEST_CASE("parse_supported and parse_authenticate: read what the builders write")
    {
        byte_buffer out;
        const string_multimap options{
            {"CQL_VERSION", {"3.4.7"}}, {"COMPRESSION", {"snappy", "lz4"}}};
        append_supported_body(out, options);
        CHECK(*parse_supported(out.view()) == options);
        check_every_truncation(out.view(), [](bytes_view in) { return parse_supported(in); });
        out.clear();
        append_authenticate_body(out, "org.example.Auth");
        CHECK(*parse_authenticate(out.view()) == "org.example.Auth");
        check_every_truncation(out.view(), [](bytes_view in) { return parse_authenticate(in); });
    }
}
