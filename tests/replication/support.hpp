#pragma once

#include <dualwrite/policy/statement.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include "../support/bound_values.hpp"

namespace dualwrite::test {

using values = bound_values;

// What system_schema would say of the tables of these tests.
inline replication::table_shapes shapes()
{
    replication::table_shapes out;
    auto& plain = out[{"k", "t"}];
    plain.partition_key = {{"a", "int"}};
    plain.multi_cell = {"m"};
    auto& lists = out[{"k", "lists"}];
    lists.partition_key = {{"a", "int"}};
    lists.lists = {"l"};
    lists.multi_cell = {"l", "m"};
    auto& counters = out[{"k", "counters"}];
    counters.partition_key = {{"a", "int"}};
    counters.counter = true;
    auto& wide = out[{"k", "wide"}];
    wide.partition_key = {{"a", "int"}, {"b", "text"}};
    auto& clustered = out[{"k", "clustered"}];
    clustered.partition_key = {{"a", "int"}};
    clustered.clustering = {{"b", "int"}, {"c", "text"}};
    clustered.multi_cell = {"m"};
    clustered.statics = {"s"};
    auto& quoted = out[{"K", "T"}];
    quoted.partition_key = {{"A", "uuid"}};
    auto& dated = out[{"k", "dated"}];
    dated.partition_key = {{"d", "date"}};
    return out;
}

}  // namespace dualwrite::test
