// Two fake clusters and clients without end, for a proxy that is a process of its own. Prints both
// ports, and obeys standard input, a line a command:
//
//     load PORT N   N clients write through the proxy, each over connection after connection
//     end           they end
//     report        prints one JSON object: what they saw, and what each side lacks
#include <nlohmann/json.hpp>

#include <atomic>
#include <chrono>
#include <iostream>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;

namespace {

// Applications as drivers make them: a connection that is lost is made again at once.
class load {
public:
    void start(std::uint16_t port, int clients)
    {
        for (int i = 0; i < clients; ++i) threads_.emplace_back([this, port, i] { run(port, i); });
    }

    void end()
    {
        ending_.store(true);
        for (auto& its : threads_) its.join();
        threads_.clear();
    }

    nlohmann::json report(const fake_cluster& source, const fake_cluster& target) const
    {
        const auto missing = [this](const fake_cluster& side) {
            std::set<std::string> there;
            for (const auto& its : side.writes()) there.insert(its->text);
            std::size_t count = 0;
            for (const auto& its : acknowledged_) count += there.contains(its) ? 0 : 1;
            return count;
        };
        return {
            {"acknowledged", acknowledged_.size()},
            {"connections", connections_.load()},
            {"refused", refused_.load()},
            {"lost", lost_.load()},
            {"slowest_ms", slowest_ms_.load()},
            {"missing_at_source", missing(source)},
            {"missing_at_target", missing(target)}};
    }

private:
    void run(std::uint16_t port, int which)
    {
        for (int number = 0; !ending_.load();) {
            const auto began = std::chrono::steady_clock::now();
            std::optional<wire_client> client;
            try {
                client.emplace(port);
            } catch (const wire_error&) {
                refused_.fetch_add(1);
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
                continue;
            }
            connections_.fetch_add(1);
            try {
                client.emplace(port, client_settings{});
                note(began);
                while (!ending_.load()) write(*client, which, number++);
            } catch (const wire_error&) {
                lost_.fetch_add(1);
            }
        }
    }

    void write(wire_client& client, int which, int number)
    {
        const auto text = "INSERT INTO k.t (a, b) VALUES (" + std::to_string(which) + ", '" +
                          std::to_string(number) + "')";
        const auto began = std::chrono::steady_clock::now();
        if (client.query(text).is_error()) return;
        note(began);
        {
            const std::lock_guard lock(mutex_);
            acknowledged_.insert(text);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }

    void note(std::chrono::steady_clock::time_point began)
    {
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                            std::chrono::steady_clock::now() - began
        )
                            .count();
        for (auto seen = slowest_ms_.load();
             seen < ms && !slowest_ms_.compare_exchange_weak(seen, ms);)
            ;
    }

    std::vector<std::thread> threads_;
    std::atomic<bool> ending_{false};
    std::atomic<std::uint64_t> connections_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> lost_{0};
    std::atomic<std::int64_t> slowest_ms_{0};
    mutable std::mutex mutex_;
    std::set<std::string> acknowledged_;
};

}  // namespace

int main()
{
    fake_cluster source("source");
    fake_cluster target("target");
    std::cout << source.port() << ' ' << target.port() << std::endl;
    load clients;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string verb;
        std::uint16_t port = 0;
        int count = 0;
        words >> verb >> port >> count;
        if (verb == "load") clients.start(port, count);
        if (verb == "end") clients.end();
        if (verb == "report") std::cout << clients.report(source, target).dump() << std::endl;
    }
    clients.end();
    return 0;
}
