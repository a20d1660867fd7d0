#pragma once

#include <dualwrite/dualwrite.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "handles.hpp"

namespace dualwrite::program {

struct command_line {
    conf_handle conf;  // null: nothing is to be run with one
    std::uint32_t command{0};
    bool json{false};
    bool check_only{false};
    bool cql{false};              // the check's statements only
    int exit_code{0};             // without a conf
    std::function<int()> action;  // in place of a conf: gives the exit code
};

// Reads `dualwrite copy|validate|spool ...` and the environment. Prints help, version and what is
// wrong.
command_line read_command_line(int argc, const char* const* argv);

}  // namespace dualwrite::program
