#pragma once

#include <dualwrite/engine/config.hpp>
#include <dualwrite/policy/table_selection.hpp>

#include <string>
#include <utility>
#include <vector>

namespace dualwrite::engine {

// The tables that an option names.
inline result<std::vector<policy::table_pattern>>
read_patterns(const config& from, const char* key, std::string& why)
{
    std::vector<policy::table_pattern> out;
    for (const auto& text : from.list(key)) {
        auto pattern = policy::parse_table_pattern(text);
        if (!pattern) {
            why = std::string("--") + key + ": '" + text.substr(0, 100) +
                  "' is not KEYSPACE.TABLE, names as the schema has them and without quotes; "
                  "* stands for any characters";
            return fail(errc::invalid_argument);
        }
        out.push_back(std::move(*pattern));
    }
    return out;
}

}  // namespace dualwrite::engine
