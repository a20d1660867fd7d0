#pragma once

#include <dualwrite/engine/config.hpp>

#include <string>
#include <vector>

namespace dualwrite::engine {

// "HOST[:PORT],HOST[:PORT]": where the cluster can be entered, in the order in which it is tried.
// At least one.
result<std::vector<contact_point>>
read_contact_points(const config& from, const std::string& side, std::string& why);

}  // namespace dualwrite::engine
