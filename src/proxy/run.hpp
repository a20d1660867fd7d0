#pragma once

#include <dualwrite/dualwrite.h>

#include "cli/console.hpp"
#include "cli/signals.hpp"

namespace dualwrite::program {

// Runs the proxy until a signal or a failure ends it. Returns the exit code: 0 if everything that
// clients wrote is at the target, 1 if something waits on disk for the next start.
int run_proxy(console& out, dw_conf* conf, const signals& asked);

}  // namespace dualwrite::program
