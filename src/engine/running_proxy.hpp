#pragma once

#include <dualwrite/engine/proxy.hpp>
#include <dualwrite/engine/status_http.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "left_logs.hpp"
#include "proxy_shared.hpp"
#include "proxy_status.hpp"
#include "schema_watch.hpp"
#include "takeover.hpp"
#include "worker.hpp"

namespace dualwrite::engine {

// A proxy from its start to its stop; proxy_takeover.cpp puts one in the place of another.
class running_proxy final : public proxy {
public:
    explicit running_proxy(const proxy_options& options, log_sink log) : shared_(options)
    {
        shared_.set_sink(std::move(log));
    }
    ~running_proxy() override;

    // Everything that can be wrong without the spool and the ports.
    result<void> prepare(std::string& why);
    // Behind it. Of the sockets those are used that listen where the options say; none must.
    result<void> begin(listening_sockets inherited, std::string& why);

    // The sockets that clients and scrapers queue in. What is given away stays open in stop().
    listening_sockets give_sockets();
    // Like stop(), but only clients are waited for, not the target.
    void release(std::uint32_t limit_ms);

    std::uint16_t port() const override { return port_; }
    std::uint16_t metrics_port() const override { return http_ ? http_->port() : std::uint16_t{0}; }
    result<void> reload(std::string& why) override;
    void stop(std::uint32_t drain_limit_ms) override;
    bool wait(std::int64_t timeout_ms) override;
    std::string failure() const override { return shared_.failure(); }
    std::string status_json() const override { return engine::status_json(shared_, workers_); }
    std::string metrics_text() const override { return engine::metrics_text(shared_, workers_); }
    bool ready() const override
    {
        return shared_.source_reachable.load() && !shared_.failed.load();
    }

    void log(log_level level, std::string_view text) const { shared_.log(level, text); }
    // Called once, on a thread of its own, as soon as it has stopped.
    std::function<void()> on_stopped;

private:
    result<void> open_spool(std::string& why);
    result<void> open_listeners(std::vector<unique_fd> inherited, std::string& why);
    result<void> start_workers(std::string& why);
    result<void> start_http(unique_fd inherited, std::string& why);
    void read_left_logs();
    void supervise();
    bool drained() const;
    void begin_stop(std::uint32_t limit_ms);  // with the mutex held

    proxy_shared shared_;
    workers workers_;
    std::unique_ptr<left_logs> left_;
    std::size_t next_adopter_{0};  // in workers_; the reader's, once it runs
    std::unique_ptr<schema_watch> watch_;
    std::unique_ptr<status_http> http_;
    std::vector<unique_fd> listeners_;  // of clients, guarded by mutex_; the loops have copies
    std::uint16_t port_{0};

    std::thread supervisor_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_{false};
    bool stopped_{false};
    bool clients_only_{false};  // what is not delivered is left to the next one
    std::chrono::steady_clock::time_point deadline_{};
};

}  // namespace dualwrite::engine
