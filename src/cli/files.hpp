#pragma once

#include <set>
#include <string>
#include <vector>

namespace dualwrite::program {

// A subcommand that works on a proxy's files: its words and switches as they were given.
struct file_request {
    std::string verb;                // "spool inspect"
    std::vector<std::string> paths;  // STATE_DIR and, where there is one, the second
    std::set<std::string> switches;  // without dashes

    bool has(const std::string& name) const { return switches.contains(name); }
};

// How many paths the subcommand takes.
std::size_t paths_of(const std::string& verb);
// Does it and prints its report. Returns the exit code; failures are call_error.
int run_on_files(const file_request& request);

}  // namespace dualwrite::program
