#pragma once

#include <dualwrite/engine/proxy.hpp>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "clock.hpp"
#include "fake_cluster.hpp"
#include "fake_refresher.hpp"
#include "wire_client.hpp"

namespace dualwrite::test {

// A whole proxy between two fake clusters, with a state directory that lives as long as the rig.
class proxy_rig {
public:
    explicit proxy_rig(fake_cluster::settings source = {}, fake_cluster::settings target = {});
    ~proxy_rig();

    fake_cluster source;
    fake_cluster target;
    engine::proxy_options options;  // for the next start()

    // Starts it, whatever state the clusters are in.
    void launch();
    // Starts it and waits until both sides are known. With a target that is down: until the source
    // is.
    void start(bool target_is_up = true);
    // Throws if it does not stop within the limit and a little.
    void stop(std::uint32_t drain_limit_ms = 0);
    engine::proxy& running() { return *proxy_; }

    wire_client client(const client_settings& settings = {})
    {
        return wire_client(proxy_->port(), settings);
    }
    wire_client client(std::uint8_t version)
    {
        client_settings settings;
        settings.version = version;
        return client(settings);
    }

    // One number of the status.
    std::uint64_t number(std::string_view name) const;
    // One of the object `memory`.
    std::uint64_t memory(std::string_view name) const;
    bool wait_for_number(std::string_view name, std::uint64_t value, std::int64_t limit_ms = 20'000)
        const;
    // All that was accepted has been delivered, or kept.
    bool is_delivered(std::int64_t limit_ms = 20'000) const;

    bool has_logged(std::string_view words) const { return times_logged(words) != 0; }
    std::size_t times_logged(std::string_view words) const;  // lines that have them
    std::string dead_letters() const;                        // the file

private:
    std::filesystem::path directory_;
    mutable std::mutex log_mutex_;
    std::vector<std::string> log_;
    std::unique_ptr<engine::proxy> proxy_;
};

// For the filters of fake clusters.
inline bool is_write(const seen_request& r)
{
    return r.is_write();
}

// Clients that have written once each: the first and the last of them are of different loops. The
// rig runs with several threads, and with one connection to the target for each.
std::vector<wire_client> clients_of_two_loops(proxy_rig& rig);

// True as soon as `condition` is, false after the limit.
bool eventually(const std::function<bool()>& condition, std::int64_t limit_ms = 20'000);

}  // namespace dualwrite::test
