#pragma once

#include <dualwrite/protocol/rows.hpp>

#include <string>
#include <vector>

namespace dualwrite::engine {

// The cells of all rows of a RESULT, as text or raw bytes, null as nothing; no rows where the
// message is none of rows.
inline std::vector<std::vector<std::string>> raw_rows(bytes_view message)
{
    std::vector<std::vector<std::string>> out;
    const auto rows = protocol::parse_rows(message);
    if (!rows) return out;
    std::vector<protocol::cell> cells;
    for (const auto& row : *rows) {
        row.read(cells);
        auto& copy = out.emplace_back();
        for (const auto& value : cells) copy.emplace_back(value ? as_text(*value) : "");
    }
    return out;
}

}  // namespace dualwrite::engine
