#include <dualwrite/protocol/request.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

TEST_SUITE("protocol/request_build")
{
    TEST_CASE("append_query_body: writes the bytes of the specification for versions 4 and 5")
    {
        value_list values;
        values.add(as_bytes("v"));
        write_parameters p{
            .consistency = consistency::one,
            .value_count = values.count(),
            .values = values.bytes(),
            .timestamp_us = 1};
        byte_buffer out;
        append_query_body(out, 4, "q", p);
        CHECK(
            hex(out.view()) == "0000000171"
                               "0001"
                               "21"
                               "0001"
                               "0000000176"
                               "0000000000000001"
        );
        out.clear();
        p.keyspace = "ks";
        p.now_in_seconds = 2;
        append_query_body(out, 5, "q", p);
        CHECK(
            hex(out.view()) == "0000000171"
                               "0001"
                               "000001a1"
                               "0001"
                               "0000000176"
                               "0000000000000001"
                               "00026b73"
                               "00000002"
        );
    }

    TEST_CASE("append_query_body: leaves now_in_seconds out below version 5")
    {
        byte_buffer out, plain;
        append_query_body(out, 4, "q", {.now_in_seconds = 7});
        append_query_body(plain, 4, "q", {});
        CHECK(equal(out.view(), plain.view()));
    }

    TEST_CASE("to_write_parameters: builds the same body again from what was parsed")
    {
        value_list values;
        values.add_named("a", bound_value::unset());
        values.add_named("b", bound_value::of({}));
        const write_parameters p{
            .consistency = consistency::each_quorum,
            .value_count = values.count(),
            .named_values = true,
            .values = values.bytes(),
            .skip_metadata = true,
            .page_size = 7,
            .paging_state = as_bytes("s"),
            .serial_consistency = consistency::local_serial,
            .timestamp_us = -1,
            .keyspace = "k",
            .now_in_seconds = 3};
        byte_buffer out, again;
        append_query_body(out, 5, "q", p);
        const auto query = parse_query(out.view(), 5);
        REQUIRE(query.has_value());
        append_query_body(again, 5, query->text, to_write_parameters(query->parameters));
        CHECK(equal(out.view(), again.view()));
    }

    TEST_CASE("append_prepare_body: writes flags and keyspace in version 5 only")
    {
        byte_buffer out;
        append_prepare_body(out, 4, "q");
        CHECK(hex(out.view()) == "0000000171");
        out.clear();
        append_prepare_body(out, 5, "q");
        CHECK(
            hex(out.view()) == "0000000171"
                               "00000000"
        );
        out.clear();
        append_prepare_body(out, 5, "q", "k");
        CHECK(
            hex(out.view()) == "0000000171"
                               "00000001"
                               "00016b"
        );
    }

    TEST_CASE("append_execute_body: writes the id of the metadata in version 5 only")
    {
        byte_buffer out;
        append_execute_body(
            out, 4, as_bytes("i"), as_bytes("m"), {.consistency = consistency::all}
        );
        CHECK(
            hex(out.view()) == "000169"
                               "0005"
                               "00"
        );
        out.clear();
        append_execute_body(
            out, 5, as_bytes("i"), as_bytes("m"), {.consistency = consistency::all}
        );
        CHECK(
            hex(out.view()) == "000169"
                               "00016d"
                               "0005"
                               "00000000"
        );
    }

    TEST_CASE("batch_builder: writes statement by statement and counts them")
    {
        value_list values;
        values.add(std::nullopt);
        byte_buffer out;
        append_byte(out, 0xee);
        batch_builder batch(out, 4, batch_type::counter);
        batch.add_query("q");
        batch.add_prepared(as_bytes("id"), values.count(), values.bytes());
        CHECK(batch.count() == 2);
        batch.finish({.consistency = consistency::one});
        CHECK(
            hex(out.view()) == "ee"
                               "02"
                               "0002"
                               "00"
                               "0000000171"
                               "0000"
                               "01"
                               "00026964"
                               "0001"
                               "ffffffff"
                               "0001"
                               "00"
        );
    }

    TEST_CASE("batch_builder: builds a parsed batch again, byte for byte")
    {
        for (const auto version : all_versions) {
            value_list values;
            values.add(as_bytes("x"));
            byte_buffer out, again;
            batch_builder batch(out, version, batch_type::unlogged);
            for (int i = 0; i < 300; ++i) {
                batch.add_query("INSERT");
                batch.add_prepared(as_bytes("id"), values.count(), values.bytes());
            }
            write_parameters p{.timestamp_us = 8};
            batch.finish(p);

            const auto parsed = parse_batch(out.view(), version);
            REQUIRE(parsed.has_value());
            batch_builder second(again, version, parsed->type);
            for (const auto& child : parsed->children) {
                if (child.prepared)
                    second.add_prepared(child.id, child.value_count, child.values);
                else
                    second.add_query(child.text, child.value_count, child.values);
            }
            p.timestamp_us = parsed->timestamp_us;
            second.finish(p);
            CHECK(equal(out.view(), again.view()));
        }
    }
}
