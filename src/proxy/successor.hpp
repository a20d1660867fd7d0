#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace dualwrite::program {

// The process that is started to take over from this one.
class successor {
public:
    // The program of `argv` with the same arguments and DUALWRITE_TAKE_OVER=true. Empty, or why it
    // cannot be started.
    std::string start(char** argv);

    bool is_running() const noexcept { return process_ > 0; }
    std::int64_t process() const noexcept { return process_; }
    // How it ended, told once; empty: it runs, or there is none.
    std::string end_of();

private:
    pid_t process_{0};
};

}  // namespace dualwrite::program
