#pragma once

#include <condition_variable>
#include <mutex>

#include "guard.hpp"
#include "live.hpp"

namespace dualwrite::capi {

// Counts the calls inside a handle, so that free can wait until the last one has left.
//
// Threads: any.
class gate {
public:
    // False: the handle is being freed.
    bool enter()
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return false;
        ++inside_;
        return true;
    }

    void leave() noexcept
    {
        const std::lock_guard lock(mutex_);
        --inside_;
        // Under the lock: behind it close() may return and the gate be gone.
        if (inside_ == 0) left_.notify_all();
    }

    void shut()
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }

    bool is_shut()
    {
        const std::lock_guard lock(mutex_);
        return closed_;
    }

    void wait_until_empty()
    {
        std::unique_lock lock(mutex_);
        left_.wait(lock, [this] { return inside_ == 0; });
    }

private:
    std::mutex mutex_;
    std::condition_variable left_;
    std::size_t inside_{0};  // guarded by mutex_
    bool closed_{false};     // guarded by mutex_
};

// Runs `body` inside `handle`, whose type has a member `gate calls`.
template <class Handle, class Body>
int guard_call(Handle* handle, std::string_view name, dw_error* err, Body&& body) noexcept
{
    return guard(err, [&] {
        if (const int code = check_handle(err, handle, name); code != DW_OK) return code;
        if (!handle->calls.enter())
            return report(err, DW_E_SHUTDOWN, "the handle is being freed by another thread");
        struct exit {
            gate& calls;
            ~exit() { calls.leave(); }
        } on_exit{handle->calls};
        return body();
    });
}

}  // namespace dualwrite::capi
