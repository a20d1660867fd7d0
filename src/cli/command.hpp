#pragma once

#include <dualwrite/dualwrite.h>

#include <map>
#include <string>
#include <vector>

#include "handles.hpp"

namespace dualwrite::program {

struct command_line {
    conf_handle conf;  // null: nothing is to be run
    std::uint32_t command{0};
    bool json{false};
    bool check_only{false};
    int exit_code{0};  // without a conf
};

// Reads `dualwrite copy|validate ...` and the environment. Prints help, version and what is wrong.
command_line read_command_line(int argc, const char* const* argv);

}  // namespace dualwrite::program
