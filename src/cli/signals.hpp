#pragma once

#include <csignal>
#include <cstdint>
#include <ctime>
#include <initializer_list>
#include <pthread.h>

namespace dualwrite::program {

// SIGINT, SIGTERM, SIGHUP and `more` as values that the main thread asks for. Make it before any
// thread is started: threads inherit the mask, so that no signal interrupts one of the library's.
class signals {
public:
    explicit signals(std::initializer_list<int> more = {})
    {
        sigemptyset(&set_);
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set_, number);
        for (const int number : more) sigaddset(&set_, number);
        pthread_sigmask(SIG_BLOCK, &set_, nullptr);
        // A closed pipe is an error of write(), not the end.
        std::signal(SIGPIPE, SIG_IGN);
    }

    // The next one, or 0 after `timeout_ms`.
    int wait(std::int64_t timeout_ms) const
    {
        const timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000};
        const int number = sigtimedwait(&set_, nullptr, &timeout);
        return number > 0 ? number : 0;
    }

private:
    sigset_t set_{};
};

}  // namespace dualwrite::program
