#pragma once

#include <dualwrite/engine/transport.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace dualwrite::engine {

// One node of a side, as the proxy's own connections reach it.
struct cluster_node {
    std::string name;                       // HOST:PORT
    std::string host;                       // that its certificate must name
    std::vector<socket_address> addresses;  // of its name; each will do
    bool is_peer{false};                    // another node told of it

    bool has(const socket_address& at) const
    {
        return std::any_of(addresses.begin(), addresses.end(), [&](const socket_address& its) {
            return its.text() == at.text();
        });
    }
};

}  // namespace dualwrite::engine
