#pragma once

#include <dualwrite/copy/schema_text.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>

#include <map>
#include <optional>
#include <string>

namespace dualwrite::engine {

// keyspace -> its replication map.
using keyspace_replication = std::map<std::string, std::map<std::string, std::string>>;

// Of all keyspaces. Empty: see `why`.
asio::awaitable<std::optional<keyspace_replication>>
read_replication(cql_cluster& from, cql_failure& why);

// By table. What the server does not show has its default; nothing: it shows none at all.
asio::awaitable<std::map<std::string, copy::table_options>>
read_table_options(cql_cluster& from, std::string keyspace);

}  // namespace dualwrite::engine
