#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/engine/memory_budget.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <sys/epoll.h>
#include <vector>

namespace dualwrite::engine {

// Something that waits for readiness of a descriptor.
class io_handler {
public:
    virtual void on_io(std::uint32_t epoll_events) = 0;

protected:
    ~io_handler() = default;
};

// Something that has bytes to write when the turn ends.
class flush_handler {
public:
    virtual void on_flush() = 0;
    bool flush_scheduled{false};

protected:
    ~flush_handler() = default;
};

// The data plane: one epoll descriptor, one thread. A turn reads all that is there, decides, then
// commits (the spool's append) and only then writes, once per socket. Nothing is written to a
// socket before the commit of its turn, which is what makes an intent durable before the source
// sees the write. No timer delays a write to a client or to the source: what coalesces is what one
// turn found. Writes to the target may wait up to a millisecond (worker::flush_target()).
//
// Asio runs the control plane beside it: its reactor has no end of turn to hook into, and it
// reads every socket twice (docs/architecture.md, decisions).
//
// Threads: all members belong to the thread that runs the loop, except post() and stop().
class loop {
public:
    using timer_id = std::uint64_t;

    loop();
    ~loop();
    loop(const loop&) = delete;

    // Throws std::system_error when the descriptor cannot be added (limits of the system).
    void add(int fd, io_handler& handler, std::uint32_t epoll_events);
    void modify(int fd, io_handler& handler, std::uint32_t epoll_events);
    // No further call of `handler` follows, not even for events that this turn already fetched.
    void remove(int fd, io_handler& handler) noexcept;

    void schedule_flush(flush_handler& handler)
    {
        if (handler.flush_scheduled) return;
        handler.flush_scheduled = true;
        flushes_.push_back(&handler);
    }
    void cancel_flush(flush_handler& handler) noexcept;

    // Calls on_io(EPOLLIN) in the next turn: for bytes that no readiness will announce.
    void resume(io_handler& handler) { resumed_.push_back(&handler); }

    // What the channels of this loop count their memory in; null: nothing.
    void set_memory(memory_budget* budget) noexcept { memory_ = budget; }
    memory_budget* memory() const noexcept { return memory_; }

    // Called once at the end of each turn before anything is written. Returning false stops the
    // loop: the spool failed and nothing may be sent any more.
    void set_commit(std::function<bool()> commit) { commit_ = std::move(commit); }

    // Space for at least `size_min` bytes that stays valid until the turn has been flushed.
    mutable_bytes turn_space(std::size_t size_min);
    // Marks the first `size` bytes of the last turn_space() as used.
    void use_turn_space(std::size_t size) noexcept { turn_used_ += size; }

    // Runs `action` once after `delay_ms`.
    timer_id start_timer(std::int64_t delay_ms, std::function<void()> action);
    void cancel_timer(timer_id id) noexcept;

    // The next turn begins within `limit_ms`, whatever happens.
    void wake_within(int limit_ms) noexcept
    {
        next_wait_max_ms_ = std::min(next_wait_max_ms_, limit_ms);
    }

    // Destroys `object` after the turn, when no handler of it can be on the stack.
    void destroy_later(std::shared_ptr<void> object) { graveyard_.push_back(std::move(object)); }

    // Any thread: runs `action` on the loop's thread in its next turn.
    void post(std::function<void()> action);
    // Any thread. The loop ends after the turn it is in.
    void stop();

    void run();
    // Waits up to `timeout_ms` (-1: for ever) for events and handles them. False: stopped.
    bool turn(int timeout_ms);
    // Readable when turn(0) has something to do, for hosts with a loop of their own.
    int poll_descriptor() const noexcept { return epoll_.get(); }

    std::int64_t steady_ms() const noexcept { return steady_ms_; }  // as of this turn
    std::int64_t wall_ms() const noexcept { return wall_ms_; }      // since 1970, as of this turn
    std::uint64_t turns() const noexcept { return turns_; }

private:
    struct chunk {
        std::unique_ptr<std::byte[]> bytes;
        std::size_t size;
    };

    void update_clocks() noexcept;
    int timeout_until_next_timer(int limit_ms) const noexcept;
    void run_timers();
    void run_posted();
    void run_resumed();
    bool flush_all();
    void bury() noexcept;

    unique_fd epoll_;
    unique_fd wake_;
    std::array<epoll_event, 256> events_{};
    int event_count_{0};
    int event_index_{0};

    std::vector<io_handler*> resumed_;
    std::vector<io_handler*> resuming_;
    memory_budget* memory_{nullptr};
    std::vector<flush_handler*> flushes_;
    std::vector<flush_handler*> flushing_;
    std::function<bool()> commit_;
    std::vector<chunk> turn_chunks_;
    std::size_t turn_chunk_{0};
    std::size_t turn_used_{0};

    std::map<std::pair<std::int64_t, timer_id>, std::function<void()>> timers_;
    std::map<timer_id, std::int64_t> timer_deadlines_;
    timer_id next_timer_{1};
    int next_wait_max_ms_{std::numeric_limits<int>::max()};
    std::vector<std::shared_ptr<void>> graveyard_;

    std::int64_t steady_ms_{0};
    std::int64_t wall_ms_{0};
    std::uint64_t turns_{0};

    // Shared between threads, guarded by posted_mutex_.
    std::mutex posted_mutex_;
    std::vector<std::function<void()>> posted_;
    std::atomic<bool> stopped_{false};
};

}  // namespace dualwrite::engine
