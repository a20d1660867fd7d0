#pragma once

#include <dualwrite/dualwrite.h>

#include "cli/console.hpp"
#include "cli/signals.hpp"

namespace dualwrite::program {

// Runs the proxy until a signal or a failure ends it. Returns the exit code: 0 if everything that
// clients wrote is at the target, or another process has taken over; 1 if something waits on disk
// for the next start. `argv` is what the process was started with: SIGUSR2 starts it once more.
int run_proxy(console& out, dw_conf* conf, const signals& asked, char** argv);

}  // namespace dualwrite::program
