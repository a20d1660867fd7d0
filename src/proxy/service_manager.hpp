#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace dualwrite::program {

// Tells systemd how the service is, by the datagrams of sd_notify(3). Without $NOTIFY_SOCKET it
// does nothing.
class service_manager {
public:
    using clock = std::chrono::steady_clock;

    service_manager();
    ~service_manager();
    service_manager(const service_manager&) = delete;
    service_manager& operator=(const service_manager&) = delete;

    // Empty, or why nobody hears us although somebody should.
    const std::string& problem() const noexcept { return problem_; }

    void ready() { tell("READY=1"); }
    void reloading();
    void stopping() { tell("STOPPING=1"); }
    // It is going to end, and asks for so much more time.
    void extend(std::chrono::seconds time);
    // Another process is the service from now on.
    void main_process(std::uint64_t pid) { tell("MAINPID=" + std::to_string(pid)); }
    void status(const std::string& text) { tell("STATUS=" + text); }

    // True: a sign of life is due.
    bool is_due(clock::time_point now) const noexcept
    {
        return watchdog_ != clock::duration::zero() && now >= next_;
    }
    // To be called when one is due, if all is well: without it systemd ends the process and starts
    // it again.
    void alive(clock::time_point now);
    // Who has not moved for so long is not well.
    std::uint64_t watchdog_ms() const noexcept;

private:
    void tell(const std::string& text);

    int fd_{-1};
    std::string problem_;
    clock::duration watchdog_{clock::duration::zero()};
    clock::time_point next_;
};

}  // namespace dualwrite::program
