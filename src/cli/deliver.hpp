#pragma once

#include "command.hpp"
#include "console.hpp"
#include "signals.hpp"

namespace dualwrite::program {

// `dualwrite spool replay` and `dualwrite dead-letters retry`: runs until everything is delivered,
// or until a signal. Returns the exit code.
int deliver(console& out, const command_line& line, const signals& asked);

}  // namespace dualwrite::program
