#pragma once

#include <dualwrite/base/result.hpp>

#include <functional>
#include <map>
#include <string>

namespace dualwrite::engine {

// {"10.0.0.1":"10.1.0.1"}: addresses, both IPv4 or both IPv6, as their 4 or 16 bytes. On failure
// `why` says what is wrong.
result<std::map<std::string, std::string, std::less<>>>
parse_ghost_addresses(const std::string& json, std::string& why);

}  // namespace dualwrite::engine
