#include <dualwrite/policy/addresses.hpp>
#include <dualwrite/protocol/response_build.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace dualwrite;
using namespace dualwrite::policy;
using namespace std::string_view_literals;

namespace {

constexpr auto node_1 = "\x0a\0\0\x01"sv;
constexpr auto node_2 = "\x0a\0\0\x02"sv;
constexpr auto node_3 = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x03"sv;
constexpr auto proxy_1 = "\x0a\x01\0\x01"sv;
constexpr auto proxy_3 = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\x01\x03"sv;
constexpr auto here = "\x7f\0\0\x01"sv;
constexpr auto port_9042 = "\0\0\x23\x52"sv;
constexpr auto port_29042 = "\0\0\x71\x72"sv;

using row = std::vector<std::string>;

protocol::inet_value address(std::string_view bytes, std::int32_t port = 9042)
{
    protocol::inet_value out;
    out.address_size = static_cast<std::uint8_t>(bytes.size());
    std::memcpy(out.address.data(), bytes.data(), bytes.size());
    out.port = port;
    return out;
}

address_rules rules_of(peers_mode mode, bool with_ghosts)
{
    address_rules out;
    out.mode = mode;
    out.proxy_port = 29042;
    if (with_ghosts) {
        out.ghosts.emplace(node_1, proxy_1);
        out.ghosts.emplace(node_3, proxy_3);
    }
    return out;
}

// The rows as clients see them; `table` has an address, a port and a text.
std::vector<row>
seen(std::string_view table, const std::vector<row>& rows, const address_rules& rules)
{
    const bool local = table == "local";
    std::vector<protocol::column_spec> columns(3);
    const std::string_view names[] = {
        local ? "rpc_address" : "native_address", local ? "rpc_port" : "native_port", "rack"};
    const protocol::type_id types[] = {
        protocol::type_id::inet, protocol::type_id::int_, protocol::type_id::text};
    for (std::size_t i = 0; i < 3; ++i) {
        columns[i].keyspace = "system";
        columns[i].table = table;
        columns[i].name = names[i];
        columns[i].type.id = types[i];
    }
    byte_buffer message;
    protocol::rows_builder build(message, columns);
    for (const auto& one : rows)
        for (const auto& cell : one) build.add_cell(as_bytes(cell));
    build.finish();
    byte_buffer changed;
    REQUIRE(append_changed_rows(changed, message.view(), nullptr, rules, address(here)));
    const auto found = protocol::parse_rows(changed.view());
    REQUIRE(found.has_value());
    std::vector<row> out;
    for (const auto one : *found) {
        row cells;
        for (const auto cell : one) cells.emplace_back(cell ? as_text(*cell) : "null");
        out.push_back(cells);
    }
    return out;
}

row text(std::string_view a, std::string_view port)
{
    return {std::string(a), std::string(port), "r"};
}

// The node of the event as clients see it; nothing: they do not see the event.
std::optional<protocol::inet_value>
seen_event(protocol::event_kind kind, std::string_view node, const address_rules& rules)
{
    protocol::event_view event;
    event.kind = kind;
    event.change = kind == protocol::event_kind::status ? "UP" : "NEW_NODE";
    event.node = address(node);
    byte_buffer message;
    protocol::append_event_body(message, event);
    byte_buffer changed;
    if (append_changed_event(changed, message.view(), rules) == event_change::hidden)
        return std::nullopt;
    const auto found = protocol::parse_event(changed.view());
    REQUIRE(found.has_value());
    CHECK(found->kind == kind);
    CHECK(found->change == event.change);
    return found->node;
}

}  // namespace

TEST_SUITE("policy/addresses")
{
    const std::vector<row> peers = {
        text(node_1, port_9042), text(node_2, port_9042), text(node_3, port_9042)};

    TEST_CASE("append_changed_rows: proxied nodes keep their addresses and get the proxy's port")
    {
        CHECK(
            seen("peers_v2", peers, rules_of(peers_mode::proxied, false)) ==
            std::vector<row>{
                text(node_1, port_29042), text(node_2, port_29042), text(node_3, port_29042)}
        );
    }

    TEST_CASE("append_changed_rows: listed nodes get the addresses of their proxies")
    {
        CHECK(
            seen("peers_v2", peers, rules_of(peers_mode::proxied, true)) ==
            std::vector<row>{
                text(proxy_1, port_29042), text(node_2, port_29042), text(proxy_3, port_29042)}
        );
        CHECK(
            seen("peers_v2", peers, rules_of(peers_mode::source, true)) ==
            std::vector<row>{
                text(proxy_1, port_9042), text(node_2, port_9042), text(proxy_3, port_9042)}
        );
    }

    TEST_CASE("append_changed_rows: --peers self hides nodes without a proxy")
    {
        CHECK(
            seen("peers", peers, rules_of(peers_mode::self, true)) ==
            std::vector<row>{text(proxy_1, port_29042), text(proxy_3, port_29042)}
        );
        CHECK(seen("peers_v2", peers, rules_of(peers_mode::self, false)).empty());
    }

    TEST_CASE("append_changed_rows: --peers self shows the proxy itself as the local node")
    {
        const std::vector<row> local = {text(node_2, port_9042)};
        const std::vector<row> wildcard = {text("\0\0\0\0"sv, port_9042)};
        const std::vector<row> expected = {text(here, port_29042)};
        CHECK(seen("local", local, rules_of(peers_mode::self, false)) == expected);
        CHECK(seen("local", local, rules_of(peers_mode::self, true)) == expected);
        CHECK(seen("local", wildcard, rules_of(peers_mode::self, true)) == expected);
        // Unless it is said where its proxy is.
        CHECK(
            seen("local", {text(node_1, port_9042)}, rules_of(peers_mode::self, true)) ==
            std::vector<row>{text(proxy_1, port_29042)}
        );
        CHECK(
            seen("local", local, rules_of(peers_mode::proxied, false)) ==
            std::vector<row>{text(node_2, port_29042)}
        );
    }

    TEST_CASE("append_changed_event: carries the address and port of the node's proxy")
    {
        for (const auto kind : {protocol::event_kind::status, protocol::event_kind::topology}) {
            const auto proxied = rules_of(peers_mode::proxied, true);
            CHECK(seen_event(kind, node_1, proxied) == address(proxy_1, 29042));
            CHECK(seen_event(kind, node_2, proxied) == address(node_2, 29042));
            CHECK(seen_event(kind, node_3, proxied) == address(proxy_3, 29042));
            const auto source = rules_of(peers_mode::source, true);
            CHECK(seen_event(kind, node_1, source) == address(proxy_1));
            CHECK(seen_event(kind, node_2, source) == address(node_2));
        }
    }

    TEST_CASE("append_changed_event: --peers self hides what happens to nodes without a proxy")
    {
        const auto rules = rules_of(peers_mode::self, true);
        for (const auto kind : {protocol::event_kind::status, protocol::event_kind::topology}) {
            CHECK_FALSE(seen_event(kind, node_2, rules).has_value());
            CHECK(seen_event(kind, node_1, rules) == address(proxy_1, 29042));
        }
    }

    TEST_CASE("append_changed_event: a change of the schema stays as it is")
    {
        protocol::event_view event;
        event.kind = protocol::event_kind::schema;
        event.schema.change = "CREATED";
        event.schema.target = "KEYSPACE";
        event.schema.keyspace = "k";
        byte_buffer message;
        protocol::append_event_body(message, event);
        byte_buffer changed;
        const auto rules = rules_of(peers_mode::self, true);
        CHECK(append_changed_event(changed, message.view(), rules) == event_change::none);
        CHECK(changed.empty());
    }
}
