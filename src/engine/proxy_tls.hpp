#pragma once

#include <dualwrite/engine/proxy.hpp>
#include <dualwrite/engine/tls.hpp>

#include <memory>
#include <mutex>
#include <string>

namespace dualwrite::engine {

// The proxy's TLS on its three legs. What is handed out stays good after a reload: connections end
// with what they began with.
//
// Threads: any.
class proxy_tls {
public:
    // Reads every file that the options name. All or nothing: on failure what was there before
    // stays, and `why` says what is wrong.
    result<void> load(const proxy_options& options, const log_sink& log, std::string& why);

    std::shared_ptr<tls_client_context> source() const { return get(source_); }  // null: plain
    std::shared_ptr<tls_client_context> target() const { return get(target_); }
    std::shared_ptr<tls_server_context> listener() const { return get(listener_); }

    struct leg {
        std::uint64_t handshakes{0};
        std::uint64_t resumptions{0};
    };
    struct counts {
        leg clients;
        leg source;
        leg target;
    };
    // Since the start, whatever was reloaded.
    counts totals() const;

private:
    template <class T> std::shared_ptr<T> get(const std::shared_ptr<T>& which) const
    {
        const std::lock_guard lock(mutex_);
        return which;
    }
    counts current() const;  // with the mutex held

    mutable std::mutex mutex_;
    std::shared_ptr<tls_client_context> source_;
    std::shared_ptr<tls_client_context> target_;
    std::shared_ptr<tls_server_context> listener_;
    counts before_;  // of contexts that were replaced
};

}  // namespace dualwrite::engine
