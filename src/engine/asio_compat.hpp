#pragma once

#include <dualwrite/engine/asio_coroutines.hpp>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <system_error>

// The few things of Asio whose spelling changed over its versions, in one place. And what GCC 12
// gets wrong, so that no coroutine here does it:
//   - co_await inside a condition, or inside && or ?:, ends anywhere: give its result a name first
//   - a braced or lambda argument written inside the co_await expression is destroyed twice: name
//   it

namespace dualwrite::engine {

// For every leaf I/O call: the error comes back in `ec`, never as an exception.
inline auto to(std::error_code& ec) noexcept
{
    return asio::redirect_error(asio::use_awaitable, ec);
}

// Something that coroutines of one thread wait for until another one says so.
class async_event {
public:
    explicit async_event(const asio::any_io_executor& executor)
        : timer_(executor, asio::steady_timer::time_point::max())
    {
    }

    // Wakes all that wait now. One that begins to wait later waits for the next call.
    void notify() { timer_.cancel(); }

    asio::awaitable<void> wait()
    {
        std::error_code woken;
        co_await timer_.async_wait(to(woken));
    }

private:
    asio::steady_timer timer_;
};

inline asio::awaitable<void>
sleep_for(asio::steady_timer& timer, std::chrono::steady_clock::duration delay)
{
    std::error_code cancelled;
    timer.expires_after(delay);
    co_await timer.async_wait(to(cancelled));
}

}  // namespace dualwrite::engine
