#include <dualwrite/protocol/response_build.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using namespace std::string_view_literals;
using protocol::opcode;

namespace {

constexpr auto source_node = "\x0a\0\0\x01"sv;
constexpr auto loopback = "\x7f\0\0\x01"sv;

std::string local_row()
{
    std::vector<protocol::column_spec> columns(1);
    columns[0].keyspace = "system";
    columns[0].table = "local";
    columns[0].name = "rpc_address";
    columns[0].type.id = protocol::type_id::inet;
    byte_buffer body;
    protocol::rows_builder rows(body, columns);
    rows.add_cell(as_bytes(source_node));
    rows.finish();
    return std::string(as_text(body.view()));
}

std::string node_is_up()
{
    protocol::event_view up;
    up.kind = protocol::event_kind::status;
    up.change = "UP";
    std::memcpy(up.node.address.data(), source_node.data(), source_node.size());
    up.node.port = 9042;
    byte_buffer body;
    protocol::append_event_body(body, up);
    return std::string(as_text(body.view()));
}

}  // namespace

TEST_SUITE("engine/proxy_addresses")
{
    TEST_CASE("proxy: with --peers self the local node has the address at which the client came")
    {
        for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
            CAPTURE(version);
            proxy_rig rig;
            rig.options.addresses.mode = policy::peers_mode::self;
            rig.source.set_script([](const seen_request& r) {
                return r.begins_with("SELECT rpc_address")
                           ? reply::message(opcode::result, local_row())
                           : reply::normal();
            });
            rig.start();
            auto client = rig.client(version);
            const auto got = client.query("SELECT rpc_address FROM system.local");
            REQUIRE(got.op() == opcode::result);
            const auto rows = protocol::parse_rows(as_bytes(got.body));
            REQUIRE(rows.has_value());
            REQUIRE(rows->size() == 1);
            CHECK(as_text(*rows->front()[0]) == loopback);
        }
    }

    TEST_CASE("proxy: with --peers self events about nodes without a proxy do not pass")
    {
        for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{5}}) {
            CAPTURE(version);
            proxy_rig rig;
            rig.options.addresses.mode = policy::peers_mode::self;
            rig.source.set_script([](const seen_request& r) {
                if (!r.begins_with("SELECT event")) return reply::normal();
                auto out = reply::message(opcode::event, node_is_up());
                out.stream = std::int16_t{-1};
                return out;
            });
            rig.start();
            auto client = rig.client(version);
            client.send(opcode::query, query_body(version, "SELECT event FROM k.t"), 3);
            client.send(opcode::query, query_body(version, "SELECT v FROM k.t"), 4);
            const auto got = client.receive();
            CHECK(got.op() == opcode::result);
            CHECK(got.stream() == 4);
        }
    }
}
