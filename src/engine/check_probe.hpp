#pragma once

#include <dualwrite/engine/check.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>

namespace dualwrite::engine {

// Tries what replication and copying need of the target: in a table that is made for it, in a
// keyspace that is made for it or in `keyspace`, both with names that nobody has. They are dropped
// at the end. Where that is not allowed, the report says so and nothing was tried.
asio::awaitable<void> probe_target(std::string keyspace, cql_cluster& target, check_report& report);

}  // namespace dualwrite::engine
