#pragma once

#include <dualwrite/base/result.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dualwrite::engine {

struct yaml_entry {
    std::string key;
    std::vector<std::string> values;  // one, or those of a sequence; a mapping as JSON
    std::size_t line{0};              // of the key, from 1
};

// A configuration file: one mapping of keys to scalars, to sequences of scalars, or to mappings of
// scalars. Scalars are taken as they are written; a null is as if the key were not there. On
// failure `why` says what is wrong, `line` where.
result<std::vector<yaml_entry>>
parse_yaml(std::string_view text, std::string& why, std::size_t& line);

}  // namespace dualwrite::engine
