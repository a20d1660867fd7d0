#pragma once

#include <dualwrite/engine/log.hpp>

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

namespace dualwrite::engine {

// The last warnings and errors of the log, for who looks at the status and not at the log.
//
// Threads: any.
class recent_events {
public:
    static constexpr std::size_t events_max = 20;
    static constexpr std::size_t text_size_max = 500;

    struct event {
        std::uint64_t time_ms{0};  // since 1970
        log_level level{log_level::warning};
        std::string text;
    };

    void note(log_level level, std::string_view text, std::uint64_t now_ms)
    {
        if (level < log_level::warning) return;
        const std::lock_guard lock(mutex_);
        if (events_.size() == events_max) events_.pop_back();
        events_.push_front({now_ms, level, std::string(text.substr(0, text_size_max))});
    }

    // The newest first.
    std::deque<event> all() const
    {
        const std::lock_guard lock(mutex_);
        return events_;
    }

private:
    mutable std::mutex mutex_;
    std::deque<event> events_;
};

}  // namespace dualwrite::engine
