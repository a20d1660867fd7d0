#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cells.hpp"
#include "cql.hpp"
#include "database.hpp"

namespace sim {

// The value of a term for a column of this type.
bound evaluate(const term& t, const std::vector<bound>& values, column_type type);
std::int64_t key_number(const bound& value);
// (element, nothing) of a list or set, (key, value) of a map, as the protocol spells them.
std::vector<std::pair<std::string, std::string>> elements_of(const std::string& bytes, bool pairs);
std::string collection_bytes(const std::vector<std::string>& parts, std::size_t count);
// Of the live elements, in order.
std::vector<std::string> list_paths(
    const stored_row& row, int column, const stored_partition& partition, std::int64_t now_s
);

}  // namespace sim
