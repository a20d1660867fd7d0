#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/engine/transport.hpp>
#include <dualwrite/protocol/response.hpp>

#include <cstring>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dualwrite::engine {

inline constexpr std::string_view local_text =
    "SELECT cluster_name, release_version, partitioner, data_center, tokens FROM system.local";
// How a node tells of the others: the first since Cassandra 4.0, then the older one, without ports.
inline constexpr std::string_view peers_v2_text =
    "SELECT native_address, data_center, tokens, native_port FROM system.peers_v2";
inline constexpr std::string_view peers_text =
    "SELECT rpc_address, data_center, tokens FROM system.peers";

struct cluster_peer {
    socket_address at;
    std::string datacenter;
    bytes_view tokens;  // set<text>; views the row
};

inline socket_address address_of(bytes_view ip, std::uint16_t port)
{
    socket_address out;
    if (ip.size() == 16) {
        auto* in6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        std::memcpy(&in6->sin6_addr, ip.data(), ip.size());
        out.size = sizeof *in6;
        return out;
    }
    auto* in4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    in4->sin_family = AF_INET;
    in4->sin_port = htons(port);
    std::memcpy(&in4->sin_addr, ip.data(), std::min<std::size_t>(ip.size(), 4));
    out.size = sizeof *in4;
    return out;
}

// One row of an answer to either. None: a peer that is being removed has no address any more.
inline std::optional<cluster_peer>
peer_of(const std::vector<protocol::cell>& cells, std::uint16_t default_port)
{
    if (cells.size() < 3 || !cells[0] || !cells[1] || !cells[2]) return std::nullopt;
    auto port = default_port;
    if (cells.size() > 3 && cells[3] && cells[3]->size() == 4)
        port = static_cast<std::uint16_t>(load_be<std::int32_t>(cells[3]->data()));
    return cluster_peer{address_of(*cells[0], port), std::string(as_text(*cells[1])), *cells[2]};
}

}  // namespace dualwrite::engine
