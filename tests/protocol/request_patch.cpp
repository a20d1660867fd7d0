#include <dualwrite/protocol/request.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

constexpr std::int64_t injected_us = 0x0102030405060708;

// All combinations of the optional parts that the version has, as bits of their flags.
write_parameters parameters_of(std::uint32_t bits, std::uint8_t version, const value_list& values)
{
    write_parameters p;
    if ((bits & 1) != 0) {
        p.value_count = values.count();
        p.values = values.bytes();
    }
    p.skip_metadata = (bits & 2) != 0;
    if ((bits & 4) != 0) p.page_size = 100;
    if ((bits & 8) != 0) p.paging_state = as_bytes("state");
    if ((bits & 16) != 0) p.serial_consistency = consistency::serial;
    if ((bits & 32) != 0) p.timestamp_us = 99;
    if ((bits & 64) != 0 && version >= 5) p.keyspace = "ks";
    if ((bits & 128) != 0 && version >= 5) p.now_in_seconds = 5;
    return p;
}

byte_vector patched(bytes_view body, std::uint8_t version, const statement_options& options)
{
    byte_buffer out;
    append_with_timestamp(
        out, body, version, options.flags_offset, options.timestamp_offset, injected_us
    );
    return copy(out.view());
}

value_list sample_values()
{
    value_list values;
    values.add(as_bytes("value"));
    values.add(std::nullopt);
    values.add_unset();
    return values;
}

}  // namespace

TEST_SUITE("protocol/request_patch")
{
    TEST_CASE("append_with_timestamp: equals the query built with that timestamp, for every option")
    {
        const auto values = sample_values();
        for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}})
            for (std::uint32_t bits = 0; bits < 256; ++bits) {
                CAPTURE(version);
                CAPTURE(bits);
                auto p = parameters_of(bits, version, values);
                byte_buffer body, wanted;
                append_query_body(body, version, "INSERT", p);
                p.timestamp_us = injected_us;
                append_query_body(wanted, version, "INSERT", p);
                const auto query = parse_query(body.view(), version);
                REQUIRE(query.has_value());
                CHECK(equal(patched(body.view(), version, query->parameters), wanted.view()));
            }
    }

    TEST_CASE("append_with_timestamp: does the same to EXECUTE and BATCH")
    {
        const auto values = sample_values();
        for (const auto version : all_versions)
            for (const std::uint32_t bits : {0u, 16u, 32u, 48u, 64u, 192u, 240u}) {
                CAPTURE(version);
                CAPTURE(bits);
                auto p = parameters_of(bits, version, values);
                auto later = p;
                later.timestamp_us = injected_us;

                byte_buffer body, wanted;
                append_execute_body(body, version, as_bytes("id"), as_bytes("rid"), p);
                append_execute_body(wanted, version, as_bytes("id"), as_bytes("rid"), later);
                const auto execute = parse_execute(body.view(), version);
                REQUIRE(execute.has_value());
                CHECK(equal(patched(body.view(), version, execute->parameters), wanted.view()));

                body.clear();
                wanted.clear();
                for (auto* out : {&body, &wanted}) {
                    batch_builder batch(*out, version, batch_type::logged);
                    batch.add_query("INSERT");
                    batch.finish(out == &body ? p : later);
                }
                const auto batch = parse_batch(body.view(), version);
                REQUIRE(batch.has_value());
                CHECK(equal(patched(body.view(), version, *batch), wanted.view()));
            }
    }

    TEST_CASE(
        "append_with_timestamp: keeps the custom payload before and the bytes behind a message"
    )
    {
        const auto prefix = bytes({0, 1, 0, 1, 'k', 0, 0, 0, 1, 'v'});
        const auto body = prefix + bytes({0, 0, 0, 1, 'q', 0, 1, 0}) + as_bytes("extra");
        const auto query = parse_query(body, 4, flag_custom_payload);
        REQUIRE(query.has_value());
        const auto out = patched(body, 4, query->parameters);
        CHECK(equal(
            out,
            prefix + bytes({0, 0, 0, 1, 'q', 0, 1, 0x20, 1, 2, 3, 4, 5, 6, 7, 8}) +
                as_bytes("extra")
        ));
    }

    TEST_CASE("patch_timestamp: its pieces are views into the body and the new bytes")
    {
        byte_buffer body;
        const auto values = sample_values();
        append_query_body(body, 4, "INSERT", parameters_of(1, 4, values));
        const auto p = parse_query(body.view(), 4)->parameters;
        const auto patch =
            patch_timestamp(body.view(), 4, p.flags_offset, p.timestamp_offset, injected_us);
        CHECK(patch.head.data() == body.data());
        CHECK(patch.middle.data() == body.data() + p.flags_offset + 1);
        CHECK(hex(patch.flags()) == "21");
        CHECK(hex(patch.timestamp) == "0102030405060708");
        CHECK(patch.size() == body.size() + 8);
        std::size_t size = 0;
        for (const auto piece : patch.pieces()) size += piece.size();
        CHECK(size == patch.size());
    }

    TEST_CASE("patch_times: equals the query built with both times, for every option")
    {
        const auto values = sample_values();
        for (std::uint32_t bits = 0; bits < 256; ++bits) {
            CAPTURE(bits);
            auto p = parameters_of(bits, 5, values);
            byte_buffer body, wanted, out;
            append_query_body(body, 5, "INSERT", p);
            p.timestamp_us = injected_us;
            p.now_in_seconds = 1700000000;
            append_query_body(wanted, 5, "INSERT", p);
            const auto query = parse_query(body.view(), 5);
            REQUIRE(query.has_value());
            const auto patch =
                patch_times(body.view(), 5, query->parameters, injected_us, 1700000000);
            append_patched(out, patch);
            CHECK(equal(out.view(), wanted.view()));
            CHECK(patch.size() == wanted.size());
        }
    }
}
