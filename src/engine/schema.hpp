#pragma once

#include <dualwrite/copy/range_plan.hpp>
#include <dualwrite/copy/table_model.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>

#include <map>
#include <string>
#include <vector>

namespace dualwrite::engine {

// As system_schema has them.
struct schema_rows {
    std::vector<copy::table_row> tables;
    std::map<std::string, std::vector<copy::column_row>> columns;  // by table
    std::vector<copy::user_type_row> types;
};

struct keyspace_schema {
    schema_rows rows;
    std::map<std::string, copy::table_model> tables;
    std::map<std::string, std::string> unreadable;  // table -> why there is no model of it
    std::vector<std::string> views;                 // materialized: derived, never copied
};

// Empty: see `why`. A keyspace that does not exist is an error with a text that says so.
asio::awaitable<std::optional<keyspace_schema>>
read_schema(cql_cluster& from, std::string keyspace, cql_failure& why);

// What the node that answers knows of the table's size; nothing if it does not know.
asio::awaitable<std::vector<copy::size_estimate>>
read_size_estimates(cql_cluster& from, std::string keyspace, std::string table);

}  // namespace dualwrite::engine
