#include <algorithm>
#include <chrono>

#include "fake_cluster.hpp"
#include "fake_cluster_connection.hpp"

// What tests ask a fake cluster.

namespace dualwrite::test {

void fake_cluster::set_script(script next)
{
    const std::lock_guard lock(mutex_);
    script_ = std::move(next);
}

void fake_cluster::set_handshake_script(script next)
{
    const std::lock_guard lock(mutex_);
    handshake_script_ = std::move(next);
}

void fake_cluster::forget_prepared()
{
    const std::lock_guard lock(mutex_);
    prepared_.clear();
}

void fake_cluster::add_column(column its)
{
    const std::lock_guard lock(mutex_);
    tables_.push_back(std::move(its));
}

void fake_cluster::set_gc_grace(const std::string& table, std::int32_t seconds)
{
    const std::lock_guard lock(mutex_);
    grace_s_[table] = seconds;
}

void fake_cluster::add_peer(std::uint16_t port, const std::string& datacenter)
{
    const std::lock_guard lock(mutex_);
    peers_.emplace_back(port, datacenter);
}

void fake_cluster::add_table(const std::string& keyspace, const std::string& table)
{
    add_column({keyspace, table, "a", "partition_key", "int"});
    add_column({keyspace, table, "b", "regular", "text"});
}

std::vector<fake_cluster::request_ptr> fake_cluster::requests(const filter& which) const
{
    const std::lock_guard lock(mutex_);
    std::vector<request_ptr> out;
    for (const auto& its : requests_)
        // A copy: `executed` may still change.
        if (!which || which(*its)) out.push_back(std::make_shared<seen_request>(*its));
    return out;
}

std::size_t fake_cluster::count(const filter& which) const
{
    const std::lock_guard lock(mutex_);
    if (!which) return requests_.size();
    return static_cast<std::size_t>(std::count_if(
        requests_.begin(), requests_.end(), [&](const auto& its) { return which(*its); }
    ));
}

std::vector<fake_cluster::request_ptr> fake_cluster::writes() const
{
    return requests([](const seen_request& r) { return r.executed && r.is_write(); });
}

bool fake_cluster::wait_for(std::size_t n, const filter& which, std::int64_t limit_ms) const
{
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(limit_ms), [&] {
        const auto found = std::count_if(requests_.begin(), requests_.end(), [&](const auto& its) {
            return !which || which(*its);
        });
        return static_cast<std::size_t>(found) >= n;
    });
}

bool fake_cluster::wait_for_writes(std::size_t n, std::int64_t limit_ms) const
{
    return wait_for(
        n, [](const auto& r) { return r.executed && r.is_write(); }, limit_ms
    );
}

void fake_cluster::forget_requests()
{
    const std::lock_guard lock(mutex_);
    requests_.clear();
}

void fake_cluster::forget_connections()
{
    const std::lock_guard lock(mutex_);
    ended_.clear();
    std::erase_if(clients_, [this](std::uint64_t id) { return !connections_.contains(id); });
}

std::uint64_t fake_cluster::connections() const
{
    const std::lock_guard lock(mutex_);
    return accepted_;
}

std::size_t fake_cluster::open_connections() const
{
    const std::lock_guard lock(mutex_);
    return connections_.size();
}

std::uint64_t fake_cluster::schema_reads() const
{
    const std::lock_guard lock(mutex_);
    return schema_reads_;
}

std::uint64_t fake_cluster::malformed() const
{
    const std::lock_guard lock(mutex_);
    return malformed_;
}

std::vector<std::uint64_t> fake_cluster::client_connections() const
{
    const std::lock_guard lock(mutex_);
    return clients_;
}

std::string fake_cluster::received(std::uint64_t id) const
{
    const std::lock_guard lock(mutex_);
    const auto open = connections_.find(id);
    return open != connections_.end() ? open->second->received : ended_.at(id).first;
}

std::string fake_cluster::sent(std::uint64_t id) const
{
    const std::lock_guard lock(mutex_);
    const auto open = connections_.find(id);
    return open != connections_.end() ? open->second->sent : ended_.at(id).second;
}

}  // namespace dualwrite::test
