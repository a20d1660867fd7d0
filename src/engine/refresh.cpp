#include <dualwrite/engine/refresh.hpp>

#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <thread>

#include "asio_compat.hpp"
#include "refresh_partition.hpp"
#include "schema.hpp"

namespace dualwrite::engine {

namespace {

constexpr std::size_t concurrency = 32;
constexpr auto reconnect_pause = std::chrono::milliseconds(500);

using done_callback = std::function<void(refresh_result)>;

// The requests for one partition. At most one runs; those that came while it ran become one more.
struct partition_queue {
    refresh_key key;
    std::vector<done_callback> waiting;
    bool running{false};
    bool queued{false};
};

std::string name_of(const refresh_key& key)
{
    std::string out = key.keyspace + '\0' + key.table;
    const auto add = [&](const std::string& part) {
        out += '\0' + std::to_string(part.size()) + ':' + part;
    };
    for (const auto& part : key.partition) add(part);
    out += '\1';
    for (const auto& part : key.clustering) add(part);
    return out;
}

cql_cluster_options options_of(std::string side)
{
    cql_cluster_options out;
    out.side = std::move(side);
    out.connections_per_node = 1;
    out.request_limit = std::chrono::milliseconds(10'000);
    out.retry_limit = std::chrono::milliseconds(15'000);
    return out;
}

refresh_result retry_because(std::string why)
{
    refresh_result out;
    out.status = refresh_status::retry;
    out.why = std::move(why);
    return out;
}

class running_refresher final : public refresher {
public:
    running_refresher(const endpoint& source, const endpoint& target, log_sink log)
        : source_(context_.get_executor(), source, options_of("source"), log),
          target_(context_.get_executor(), target, options_of("target"), log), log_(log),
          timer_(context_)
    {
        thread_ = std::thread([this] { run(); });
    }
    ~running_refresher() override { stop(); }

    void request(refresh_key key, done_callback done) override;
    void set_credentials(
        const std::string& source_username,
        const std::string& source_password,
        const std::string& target_username,
        const std::string& target_password
    ) override;
    void schema_changed(const std::string& keyspace, const std::string& table) override;
    refresh_counts counts() const override;
    void stop() override;

private:
    using table_name = std::pair<std::string, std::string>;

    void run();
    void add(refresh_key key, done_callback done);
    void pump();
    asio::awaitable<void> work(std::shared_ptr<partition_queue> on);
    asio::awaitable<refresh_result> refresh_one(const refresh_key& key);
    asio::awaitable<std::string> connect();
    asio::awaitable<const copy::table_model*> find_table(const refresh_key& key, cql_failure& why);
    void answer(std::vector<done_callback> waiting, const refresh_result& result);

    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard_{context_.get_executor()};
    cql_cluster source_;
    cql_cluster target_;
    log_sink log_;
    asio::steady_timer timer_;
    std::thread thread_;
    std::atomic<bool> stopped_{false};

    // Of the thread.
    std::map<std::string, std::shared_ptr<partition_queue>> partitions_;
    std::deque<std::shared_ptr<partition_queue>> ready_;
    std::size_t running_{0};
    bool connecting_{false};
    // Models stay where they are while a refresh uses them, also when the schema has changed.
    std::map<table_name, std::shared_ptr<const copy::table_model>> tables_;
    std::vector<std::shared_ptr<const copy::table_model>> outdated_;

    std::atomic<std::uint64_t> done_{0};
    std::atomic<std::uint64_t> failed_{0};
    std::atomic<std::uint64_t> retried_{0};
    std::atomic<std::uint64_t> in_work_{0};
};

void running_refresher::run()
{
    for (;;) {
        try {
            context_.run();
            return;
        } catch (const std::exception& e) {
            // One refresh has failed for a reason of ours; the others go on.
            if (log_) log_(log_level::error, std::string("refresh: ") + e.what());
        }
    }
}

void running_refresher::request(refresh_key key, done_callback done)
{
    if (stopped_.load()) return done(retry_because("shutting down"));
    in_work_.fetch_add(1);
    asio::post(context_, [this, key = std::move(key), done = std::move(done)]() mutable {
        add(std::move(key), std::move(done));
    });
}

void running_refresher::add(refresh_key key, done_callback done)
{
    if (stopped_.load()) {
        in_work_.fetch_sub(1);
        return done(retry_because("shutting down"));
    }
    auto& queue = partitions_[name_of(key)];
    if (!queue) {
        queue = std::make_shared<partition_queue>();
        queue->key = std::move(key);
    } else {
        queue->key.serial |= key.serial;
        queue->key.writetime_us = std::max(queue->key.writetime_us, key.writetime_us);
    }
    queue->waiting.push_back(std::move(done));
    if (!queue->running && !queue->queued) {
        queue->queued = true;
        ready_.push_back(queue);
    }
    pump();
}

void running_refresher::pump()
{
    while (running_ < concurrency && !ready_.empty()) {
        auto next = std::move(ready_.front());
        ready_.pop_front();
        next->queued = false;
        next->running = true;
        ++running_;
        asio::co_spawn(context_, work(std::move(next)), [](std::exception_ptr error) {
            if (error) std::rethrow_exception(error);
        });
    }
}

asio::awaitable<void> running_refresher::work(std::shared_ptr<partition_queue> on)
{
    // What comes from now on may be newer than what this run reads, and gets one of its own.
    auto waiting = std::move(on->waiting);
    on->waiting.clear();
    const auto key = on->key;
    auto result = co_await refresh_one(key);
    on->running = false;
    --running_;
    if (!on->waiting.empty()) {
        on->queued = true;
        ready_.push_back(on);
    } else {
        partitions_.erase(name_of(key));
    }
    answer(std::move(waiting), result);
    pump();
}

void running_refresher::answer(std::vector<done_callback> waiting, const refresh_result& result)
{
    auto& count = result.status == refresh_status::done     ? done_
                  : result.status == refresh_status::failed ? failed_
                                                            : retried_;
    for (auto& done : waiting) {
        count.fetch_add(1);
        in_work_.fetch_sub(1);
        done(result);
    }
}

asio::awaitable<refresh_result> running_refresher::refresh_one(const refresh_key& key)
{
    if (auto why = co_await connect(); !why.empty()) co_return retry_because(std::move(why));
    cql_failure why;
    const auto* table = co_await find_table(key, why);
    if (table == nullptr) {
        auto result = retry_because(why.describe());
        // A keyspace or table that is not there will not come by asking again.
        if (why.error == make_error_code(errc::unsupported)) result.status = refresh_status::failed;
        co_return result;
    }
    partition_refresh work(source_, target_, *table, key);
    co_return co_await work.run();
}

// Empty: both sides are connected. One connects, the others wait for a retry.
asio::awaitable<std::string> running_refresher::connect()
{
    if (stopped_.load()) co_return "shutting down";
    for (auto* side : {&source_, &target_}) {
        if (side->started()) continue;
        if (connecting_) co_return "not connected yet";
        connecting_ = true;
        cql_failure why;
        const bool connected = co_await side->start(why);
        if (!connected) co_await sleep_for(timer_, reconnect_pause);
        connecting_ = false;
        if (!connected) co_return side->side() + ": " + why.describe();
    }
    co_return "";
}

asio::awaitable<const copy::table_model*>
running_refresher::find_table(const refresh_key& key, cql_failure& why)
{
    const table_name name{key.keyspace, key.table};
    if (const auto found = tables_.find(name); found != tables_.end())
        co_return found->second.get();
    auto schema = co_await read_schema(source_, key.keyspace, why);
    if (!schema) co_return nullptr;
    for (auto& [table, model] : schema->tables)
        tables_.try_emplace(
            table_name{key.keyspace, table}, std::make_shared<copy::table_model>(std::move(model))
        );
    const auto found = tables_.find(name);
    if (found != tables_.end()) co_return found->second.get();
    const auto reason = schema->unreadable.find(key.table);
    why = {
        .error = errc::unsupported,
        .code = 0,
        .text =
            reason != schema->unreadable.end() ? reason->second : "the source has no such table",
        .write_type = {}};
    co_return nullptr;
}

void running_refresher::set_credentials(
    const std::string& source_username,
    const std::string& source_password,
    const std::string& target_username,
    const std::string& target_password
)
{
    asio::post(context_, [=, this] {
        source_.set_credentials(source_username, source_password);
        target_.set_credentials(target_username, target_password);
    });
}

void running_refresher::schema_changed(const std::string& keyspace, const std::string& table)
{
    asio::post(context_, [this, keyspace, table] {
        for (auto at = tables_.begin(); at != tables_.end();) {
            const bool meant =
                at->first.first == keyspace && (table.empty() || at->first.second == table);
            if (!meant) {
                ++at;
                continue;
            }
            if (running_ == 0) outdated_.clear();
            outdated_.push_back(std::move(at->second));
            at = tables_.erase(at);
        }
    });
}

refresh_counts running_refresher::counts() const
{
    return {
        .done = done_.load(),
        .failed = failed_.load(),
        .retried = retried_.load(),
        .in_work = in_work_.load()};
}

void running_refresher::stop()
{
    if (stopped_.exchange(true)) {
        if (thread_.joinable()) thread_.join();
        return;
    }
    asio::post(context_, [this] {
        source_.stop();
        target_.stop();
        timer_.cancel();
        for (auto& queue : std::exchange(ready_, {}))
            answer(std::exchange(queue->waiting, {}), retry_because("shutting down"));
        guard_.reset();
    });
    thread_.join();
}

}  // namespace

result<std::unique_ptr<refresher>>
refresher::start(const endpoint& source, const endpoint& target, log_sink log)
{
    return std::unique_ptr<refresher>(
        std::make_unique<running_refresher>(source, target, std::move(log))
    );
}

}  // namespace dualwrite::engine
