#pragma once

#include <dualwrite/engine/proxy.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "disk.hpp"
#include "kernel.hpp"

namespace dualwrite::engine {
class proxy_shared;
class worker;
}  // namespace dualwrite::engine

namespace sim {

enum class crash : std::uint8_t {
    killed,  // what write() took is on the disk
    power,   // what was synced, and any part of the rest
};

struct process_settings {
    dualwrite::engine::durability durable{dualwrite::engine::durability::process};
    bool wait{false};
    std::uint32_t wait_limit_ms{500};
    std::uint64_t segment_size{std::uint64_t{16} << 10};
};

// The proxy: one loop with all that lives on it and the refresher, put together as proxy.cpp does
// it, without threads, on the simulated system.
class process {
public:
    process(kernel& on, const process_settings& settings);
    ~process();

    bool is_running() const noexcept { return running_; }
    // Opens the spool that is on the disk.
    void start();
    // Ends it at one of its next calls of the system, `calls` from now.
    void crash_after(std::int64_t calls, crash how);
    // Runs what is ready. Called after every event.
    void run();
    // The disk fails at its next write: the proxy has to end by itself.
    void fail_next_write();

    std::uint64_t backlog() const;
    // Nothing is left to deliver, nothing is under way.
    bool is_idle() const;
    std::uint64_t starts() const noexcept { return starts_; }
    std::uint64_t dead_letters() const noexcept { return dead_letters_; }
    const std::string& why_it_ended() const noexcept { return why_; }
    // A mistake that ends the run: the spool cannot be opened, a dead letter.
    const std::string& problem() const noexcept { return problem_; }
    std::vector<std::string>& log() noexcept { return log_; }
    std::function<void(const std::string&)> on_end;  // the process has ended, and why

private:
    struct parts;
    void on_call();
    std::shared_ptr<spool_test::memory_disk> lost_power();
    void stop_now(const std::string& why);
    void open_spool();
    void hand_out_read_logs();
    void read_left_logs_later();
    void wake_at(std::int64_t when_us);

    kernel& on_;
    process_settings settings_;
    std::shared_ptr<spool_test::memory_disk> disk_;
    std::shared_ptr<spool_test::memory_disk> next_disk_;  // what the crash left
    std::unique_ptr<parts> parts_;
    bool running_{false};
    std::int64_t calls_left_{0};  // until the crash; 0: none
    crash crash_{crash::killed};
    std::int64_t wake_us_{0};
    int loop_epoll_{-1};
    std::uint64_t starts_{0};
    std::uint64_t dead_letters_{0};
    std::string why_;
    std::string problem_;
    std::vector<std::string> log_;
};

}  // namespace sim
