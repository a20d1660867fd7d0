#include <dualwrite/engine/asio_coroutines.hpp>
#include <dualwrite/engine/refresh.hpp>

#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <thread>

#include "asio_compat.hpp"
#include "copy_repair.hpp"
#include "refresh_queue.hpp"
#include "refresh_table.hpp"
#include "schema.hpp"

namespace dualwrite::engine {

namespace {

constexpr std::size_t concurrency = 32;
constexpr auto reconnect_pause = std::chrono::milliseconds(500);

using done_callback = std::function<void(refresh_result)>;

cql_cluster_options options_of(std::string side)
{
    cql_cluster_options out;
    out.side = std::move(side);
    out.connections_per_node = 1;
    out.request_limit = std::chrono::milliseconds(10'000);
    out.retry_limit = std::chrono::milliseconds(15'000);
    return out;
}

class running_refresher final : public refresher {
public:
    running_refresher(const endpoint& source, const endpoint& target, log_sink log, bool threaded)
        : source_(context_.get_executor(), source, options_of("source"), log),
          target_(context_.get_executor(), target, options_of("target"), log), log_(log),
          timer_(context_)
    {
        if (threaded) thread_ = std::thread([this] { run(); });
    }
    ~running_refresher() override { stop(); }

    void request(refresh_key key, done_callback done) override;
    void set_credentials(
        const std::string& source_username,
        const std::string& source_password,
        const std::string& target_username,
        const std::string& target_password
    ) override;
    void set_tls(
        std::shared_ptr<tls_client_context> source, std::shared_ptr<tls_client_context> target
    ) override;
    void schema_changed(const std::string& keyspace, const std::string& table) override;
    refresh_counts counts() const override;
    void stop() override;
    bool poll() override { return context_.poll() != 0; }

private:
    using table_name = std::pair<std::string, std::string>;

    void run();
    void add(refresh_key key, done_callback done);
    void pump();
    asio::awaitable<void> work(std::shared_ptr<partition_queue> on);
    asio::awaitable<refresh_result> refresh_one(const refresh_key& key);
    asio::awaitable<refresh_result> refresh_table(const refresh_key& key);
    asio::awaitable<std::string> connect();
    asio::awaitable<void>
    run_repair(std::shared_ptr<table_repair> table, const refresh_key& key, repair_result& result);
    asio::awaitable<std::shared_ptr<table_repair>>
    find_table(const refresh_key& key, cql_failure& why);
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
    std::map<table_name, std::shared_ptr<table_repair>> tables_;

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
    const auto name = queue_name(key);
    auto& queue = partitions_[name];
    if (!queue) {
        queue = std::make_shared<partition_queue>();
        queue->name = name;
    }
    const bool idle = queue->pending.empty() && !queue->running;
    if (!add_to(*queue, std::move(key), std::move(done)) && idle) ready_.push_back(queue);
    pump();
}

void running_refresher::pump()
{
    while (running_ < concurrency && !ready_.empty()) {
        auto next = std::move(ready_.front());
        ready_.pop_front();
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
    auto now = std::move(on->pending.front());
    on->pending.pop_front();
    const auto result = co_await refresh_one(now.key);
    on->running = false;
    --running_;
    if (on->pending.empty())
        partitions_.erase(on->name);
    else
        ready_.push_back(on);
    answer(std::move(now.waiting), result);
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
    auto unconnected = co_await connect();
    if (!unconnected.empty()) co_return retry_because(std::move(unconnected));
    if (key.partition.empty()) co_return co_await refresh_table(key);
    repair_result repair;
    // A second time with the schema read again: the first may have used an old one.
    for (int i = 0; i < 2; ++i) {
        repair = {};
        const auto table = co_await find_table(key, repair.failure);
        if (table) co_await run_repair(table, key, repair);
        if (!repair.failure || may_pass(repair.failure)) break;
        tables_.erase({key.keyspace, key.table});
    }
    auto out = result_of(repair.failure);
    out.rows = repair.rows;
    out.cells_sent = repair.cells_sent;
    out.writes = repair.writes;
    co_return out;
}

// Each partition takes its turn in the queue: it has one writer at a time.
asio::awaitable<refresh_result> running_refresher::refresh_table(const refresh_key& key)
{
    refresh_result out;
    cql_failure why;
    const auto table = co_await find_table(key, why);
    if (!table) co_return result_of(why);
    partition_pages pages(source_, table->table());
    std::vector<std::vector<std::string>> keys;
    async_event ended(context_.get_executor());
    std::size_t open = 0;
    while (!pages.last() && out.status == refresh_status::done) {
        const bool read = co_await pages.next(keys, why);
        if (!read) co_return result_of(why);
        open = keys.size();
        for (auto& partition : keys) {
            auto one = key;
            one.partition = std::move(partition);
            in_work_.fetch_add(1);
            add(std::move(one), [&](refresh_result its) {
                if (its.status > out.status) {
                    out.status = its.status;
                    out.why = std::move(its.why);
                }
                out.rows += its.rows;
                out.cells_sent += its.cells_sent;
                out.writes += its.writes;
                --open;
                ended.notify();
            });
        }
        while (open != 0) co_await ended.wait();
    }
    co_return out;
}

asio::awaitable<void> running_refresher::run_repair(
    std::shared_ptr<table_repair> table, const refresh_key& key, repair_result& result
)
{
    const auto& model = table->table();
    if (key.partition.size() != model.partition_count ||
        key.clustering.size() > model.clustering_count) {
        result.failure = {
            .error = errc::unsupported,
            .code = 0,
            .text = "the key has another number of columns than the table's",
            .write_type = {}};
        co_return;
    }
    row_key row;
    row.partition = key.partition;
    row.clustering = key.clustering;
    repair_hint hint;
    hint.writetime_us = key.writetime_us;
    hint.serial = key.serial;
    hint.if_gone = key.if_gone;
    co_await table->partition(row, hint, result);
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

asio::awaitable<std::shared_ptr<table_repair>>
running_refresher::find_table(const refresh_key& key, cql_failure& why)
{
    const table_name name{key.keyspace, key.table};
    if (const auto found = tables_.find(name); found != tables_.end()) co_return found->second;
    auto schema = co_await read_schema(source_, key.keyspace, why);
    if (!schema) co_return nullptr;
    const auto model = schema->tables.find(key.table);
    if (model == schema->tables.end()) {
        const auto reason = schema->unreadable.find(key.table);
        why = {
            .error = errc::unsupported,
            .code = 0,
            .text = reason != schema->unreadable.end() ? reason->second
                                                       : "the source has no such table",
            .write_type = {}};
        co_return nullptr;
    }
    table_repair_options options;
    // An expiry that differs by less than the clocks do is not worth a write; with version 5 at
    // both sides it is exact.
    const bool exact = source_.facts().version >= 5 && target_.facts().version >= 5;
    options.rows.compare.ttl_tolerance_s = exact ? 0 : 1;
    auto table = std::make_shared<table_repair>(
        context_.get_executor(), source_, target_, std::move(model->second), options
    );
    const bool prepared = co_await table->prepare(why);
    if (!prepared) co_return nullptr;
    tables_.insert_or_assign(name, table);
    co_return table;
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

void running_refresher::set_tls(
    std::shared_ptr<tls_client_context> source, std::shared_ptr<tls_client_context> target
)
{
    asio::post(context_, [this, source, target] {
        source_.set_tls(source);
        target_.set_tls(target);
    });
}

void running_refresher::schema_changed(const std::string& keyspace, const std::string& table)
{
    asio::post(context_, [this, keyspace, table] {
        // Repairs in work keep theirs to their end.
        std::erase_if(tables_, [&](const auto& known) {
            return known.first.first == keyspace && (table.empty() || known.first.second == table);
        });
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
        ready_.clear();
        for (auto& [name, queue] : partitions_)
            for (auto& waiting : std::exchange(queue->pending, {}))
                answer(std::move(waiting.waiting), retry_because("shutting down"));
        guard_.reset();
    });
    if (thread_.joinable())
        thread_.join();
    else
        context_.poll();
}

}  // namespace

result<std::unique_ptr<refresher>>
refresher::start(const endpoint& source, const endpoint& target, log_sink log)
{
    return std::unique_ptr<refresher>(
        std::make_unique<running_refresher>(source, target, std::move(log), true)
    );
}

std::unique_ptr<refresher>
refresher::make(const endpoint& source, const endpoint& target, log_sink log)
{
    return std::make_unique<running_refresher>(source, target, std::move(log), false);
}

}  // namespace dualwrite::engine
