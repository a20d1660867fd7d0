#pragma once

#include <dualwrite/engine/check.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>

namespace dualwrite::engine {

// Versions and clocks of all nodes of the side, one after the other, and what else the contact
// point tells of itself. What not every server can tell stays empty.
asio::awaitable<void> look_at_nodes(
    asio::any_io_executor executor, const endpoint& to, cql_cluster& cluster, check_side& side
);

// What follows from it for the operator.
void judge_nodes(const std::string& name, const check_side& side, check_report& out);

}  // namespace dualwrite::engine
