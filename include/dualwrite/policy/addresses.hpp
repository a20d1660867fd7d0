#pragma once

#include <dualwrite/policy/statement_facts.hpp>
#include <dualwrite/protocol/response.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// No driver is led around the proxy: the addresses and ports of nodes that it learns are those at
// which it finds proxies. Drivers learn them from system.local, system.peers and system.peers_v2,
// and from events.

namespace dualwrite::policy {

enum class peers_mode : std::uint8_t {
    source,   // as the source says
    proxied,  // each node has a proxy of its own, on one port: ports are replaced
    // The same, and nodes without a known proxy are not shown; the node that the proxy itself uses
    // has the address at which the client reached the proxy.
    self,
};

struct address_rules {
    peers_mode mode{peers_mode::proxied};
    std::uint16_t proxy_port{0};
    // Bytes of an address of the source (4 or 16) -> those of its proxy.
    std::map<std::string, std::string, std::less<>> ghosts;

    bool change_nothing() const noexcept { return mode == peers_mode::source && ghosts.empty(); }
};

// True for a SELECT whose rows may tell addresses.
inline bool tells_addresses(const statement_facts& facts) noexcept
{
    if (facts.kind != statement_kind::select || facts.keyspace != "system") return false;
    return facts.table == "local" || facts.table == "peers" || facts.table == "peers_v2";
}

// The same, roughly and fast, for text that is not worth a closer look otherwise.
inline bool may_tell_addresses(std::string_view cql) noexcept
{
    constexpr std::size_t text_size_max = 4096;
    if (cql.size() > text_size_max) return false;
    return cql.find("peers") != cql.npos || cql.find("local") != cql.npos ||
           cql.find("PEERS") != cql.npos || cql.find("LOCAL") != cql.npos;
}

namespace detail {

inline bool is_address_column(std::string_view name) noexcept
{
    constexpr auto names = std::to_array<std::string_view>(
        {"peer",
         "rpc_address",
         "native_address",
         "broadcast_address",
         "listen_address",
         "preferred_ip",
         "native_transport_address"}
    );
    return std::find(names.begin(), names.end(), name) != names.end();
}

inline bool is_port_column(std::string_view name) noexcept
{
    return name == "native_port" || name == "rpc_port" || name == "native_transport_port";
}

// What becomes of one cell; the view lives as long as the rules, `here` and `port`.
inline protocol::cell changed_cell(
    const protocol::column_spec& column,
    protocol::cell value,
    const address_rules& rules,
    const protocol::inet_value& here,
    const std::array<std::byte, 4>& port
)
{
    if (!value) return value;
    if (is_port_column(column.name) && value->size() == 4 && rules.mode != peers_mode::source)
        return bytes_view(port);
    if (!is_address_column(column.name)) return value;
    const auto found = rules.ghosts.find(as_text(*value));
    if (found != rules.ghosts.end()) return as_bytes(found->second);
    const bool is_here = rules.mode == peers_mode::self && column.table == "local";
    return is_here && here.address_size != 0 ? here.view() : value;
}

// A node that no proxy is known for: none of its addresses is in the table.
inline bool is_hidden(
    const protocol::rows_view& rows, const protocol::row_view& row, const address_rules& rules
)
{
    if (rules.mode != peers_mode::self) return false;
    if (rows.columns().empty() || rows.columns().front().table == "local") return false;
    std::size_t index = 0;
    for (const auto cell : row) {
        const auto& name = rows.columns()[index++].name;
        if (cell && is_address_column(name) && rules.ghosts.contains(as_text(*cell))) return false;
    }
    return true;
}

}  // namespace detail

// Appends the message of a RESULT with its addresses changed. `columns` are those that PREPARED
// announced, for results without metadata; `here` is the address at which the client reached the
// proxy. False: nothing was appended, the message stays as it is.
inline bool append_changed_rows(
    byte_buffer& out,
    bytes_view message,
    const std::vector<protocol::column_spec>* columns,
    const address_rules& rules,
    const protocol::inet_value& here
)
{
    const auto rows = protocol::parse_rows(message, columns);
    if (!rows || rows->empty() || rows->columns().size() != rows->metadata().column_count)
        return false;
    std::array<std::byte, 4> port{};
    store_be(port.data(), std::int32_t{rules.proxy_port});
    const auto content = static_cast<std::size_t>(rows->front().raw().data() - message.data());
    const auto count_at = out.size() + content - 4;
    out.append(message.first(content));
    std::int32_t count = 0;
    for (const auto row : *rows) {
        if (detail::is_hidden(*rows, row, rules)) continue;
        ++count;
        std::size_t index = 0;
        for (const auto cell : row) {
            const auto& column = rows->columns()[index++];
            protocol::append_bytes(out, detail::changed_cell(column, cell, rules, here, port));
        }
    }
    store_be(out.data() + count_at, count);
    return true;
}

enum class event_change : std::uint8_t { none, changed, hidden };

// The same for an EVENT; one about a node that is not shown must not be passed on.
inline event_change
append_changed_event(byte_buffer& out, bytes_view message, const address_rules& rules)
{
    const auto event = protocol::parse_event(message);
    if (!event || event->kind == protocol::event_kind::schema) return event_change::none;
    auto node = event->node;
    const auto found = rules.ghosts.find(as_text(node.view()));
    if (found == rules.ghosts.end()) {
        if (rules.mode == peers_mode::self) return event_change::hidden;
    } else {
        node.address_size = static_cast<std::uint8_t>(found->second.size());
        std::memcpy(node.address.data(), found->second.data(), found->second.size());
    }
    if (rules.mode != peers_mode::source) node.port = rules.proxy_port;
    out.append(message.first(event->node_offset));
    protocol::append_inet(out, node);
    return event_change::changed;
}

}  // namespace dualwrite::policy
