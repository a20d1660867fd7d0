#pragma once

#include <dualwrite/engine/check.hpp>

namespace dualwrite::engine {

// Are the ports free, and can the state directory be made or used?
void check_this_machine(const check_request& request, check_report& report);

}  // namespace dualwrite::engine
