#pragma once

#include <dualwrite/engine/check.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>

namespace dualwrite::engine {

// Compares the tables that the request is about, and fills in `schema`, `statements`, problems and
// notes.
asio::awaitable<void> compare_schemas(
    const check_request& request, cql_cluster& source, cql_cluster& target, check_report& report
);

}  // namespace dualwrite::engine
