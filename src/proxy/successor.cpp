#include "successor.hpp"

#include <csignal>
#include <cstring>
#include <spawn.h>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace dualwrite::program {

namespace {

// Ours, but for what is said to this process alone.
std::vector<char*> environment_of_successor(char* take_over)
{
    std::vector<char*> out;
    for (char** its = environ; *its != nullptr; ++its) {
        const std::string_view line = *its;
        if (line.starts_with("WATCHDOG_PID=") || line.starts_with("DUALWRITE_TAKE_OVER=")) continue;
        out.push_back(*its);
    }
    out.push_back(take_over);
    out.push_back(nullptr);
    return out;
}

}  // namespace

std::string successor::start(char** argv)
{
    char take_over[] = "DUALWRITE_TAKE_OVER=true";
    auto environment = environment_of_successor(take_over);
    // This process has signals blocked and ignores one; a new one begins like any other.
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    pid_t process = 0;
    const int failed =
        ::posix_spawnp(&process, argv[0], nullptr, &attributes, argv, environment.data());
    posix_spawnattr_destroy(&attributes);
    if (failed != 0) return std::strerror(failed);
    process_ = process;
    return {};
}

std::string successor::end_of()
{
    int status = 0;
    if (process_ <= 0 || ::waitpid(process_, &status, WNOHANG) != process_) return {};
    process_ = 0;
    if (WIFSIGNALED(status)) return "been ended by signal " + std::to_string(WTERMSIG(status));
    return "ended with code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace dualwrite::program
