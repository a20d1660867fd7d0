#include <algorithm>

#include "listening.hpp"
#include "running_proxy.hpp"
#include "spool_writes.hpp"
#include "text_filter.hpp"

namespace dualwrite::engine {

namespace {

constexpr auto supervise_interval = std::chrono::milliseconds(20);

std::int64_t steady_now_ms()
{
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

result<void> running_proxy::reload(std::string& why)
{
    DW_CHECK(shared_.tls.load(shared_.options, shared_.sink, why));
    shared_.refresh->set_tls(shared_.tls.source(), shared_.tls.target());
    return {};
}

result<void> running_proxy::open_spool(std::string& why)
{
    spool_options options;
    options.directory = shared_.options.state_dir + "/spool";
    options.size_max = shared_.options.spool_size_max;
    options.durable = shared_.options.durable;
    options.logs_max = shared_.options.threads;
    options.memory_max = delivery_limits::bytes_max(shared_.options, options.memory_max);
    auto opened = spool_directory::open(options, why);
    if (!opened) {
        if (opened.error() == errc::spool_locked && !shared_.options.deliver_only)
            why += ", or --take-over true to take its place";
        return fail(opened.error());
    }
    shared_.spool = std::move(*opened);
    // Above everything that an earlier run has given out.
    if (const auto mark = shared_.spool->clock_high_water_us(); mark > 0) {
        shared_.clock.fence(mark / 1000);
        shared_.marks.set_floor(mark);
    }
    return {};
}

result<void> running_proxy::open_listeners(std::vector<unique_fd> inherited, std::string& why)
{
    const auto& options = shared_.options;
    if (options.deliver_only) return {};
    const auto where = options.listen_host + ":" + std::to_string(options.listen_port);
    auto addresses = resolve(options.listen_host, options.listen_port);
    if (!addresses) {
        why = "the address to listen on, " + where + ", is not known";
        return fail(addresses.error());
    }
    auto address = addresses->front();
    for (auto& its : inherited)
        if (is_bound_to(its.get(), address)) listeners_.push_back(std::move(its));
    if (listeners_.empty() && options.listen_port != 0 && port_is_taken(address)) {
        why = where + " is in use by another process; stop it or use another --proxy-port";
        return fail(errc::invalid_argument);
    }
    if (!listeners_.empty()) set_port(address, port_of(listeners_.front().get()));
    while (listeners_.size() < options.threads) {
        auto fd = listen_on(address);
        if (!fd) {
            why = "cannot listen on " + where + ": " + fd.error().message();
            return fail(fd.error());
        }
        set_port(address, port_of(fd->get()));
        listeners_.push_back(std::move(*fd));
    }
    port_ = port_of(listeners_.front().get());
    return {};
}

result<void> running_proxy::start_workers(std::string& why)
{
    const auto threads = shared_.options.threads;
    for (std::size_t i = 0; i < threads; ++i) {
        auto log = shared_.spool->create_log();
        if (!log) {
            why = "cannot write to " + shared_.options.state_dir + ": " + log.error().message();
            return fail(log.error());
        }
        // The one before may have had more threads: clients wait in the sockets of all.
        std::vector<unique_fd> its;
        for (auto at = i; at < listeners_.size(); at += threads)
            its.push_back(copy_of(listeners_[at]));
        workers_.push_back(std::make_unique<worker>(shared_, std::move(*log), std::move(its)));
    }
    left_ = std::make_unique<left_logs>(shared_);
    return left_->hand_out_read(
        [this](left_log log) {
            workers_[next_adopter_++ % workers_.size()]->adopt(std::move(log));
        },
        why
    );
}

result<void> running_proxy::start_http(unique_fd inherited, std::string& why)
{
    status_http::handlers handlers;
    handlers.metrics_text = [this] { return metrics_text(); };
    handlers.status_json = [this] { return status_json(); };
    handlers.ready = [this] { return ready(); };
    const auto& options = shared_.options;
    if (const auto address = resolve(options.metrics_host, options.metrics_port);
        !address || address->empty() || !is_bound_to(inherited.get(), address->front()))
        inherited.reset();
    DW_TRY(
        http,
        status_http::start(
            options.metrics_host,
            options.metrics_port,
            std::move(handlers),
            why,
            std::move(inherited)
        )
    );
    http_ = std::move(http);
    return {};
}

// The rest, while clients are served.
void running_proxy::read_left_logs()
{
    left_->start([this](left_log log) {
        auto& to = *workers_[next_adopter_++ % workers_.size()];
        to.on().post([&to, its = std::make_shared<left_log>(std::move(log))] {
            to.adopt(std::move(*its));
        });
    });
}

result<void> running_proxy::prepare(std::string& why)
{
    if (shared_.options.threads == 0 || shared_.options.threads > 256) {
        why = "--threads must be from 1 to 256";
        return fail(errc::invalid_argument);
    }
    if (shared_.options.clients_max == 0)
        shared_.options.clients_max = client_limits::allowed_by_open_files();
    if (!shared_.options.filter_tables.empty()) {
        DW_TRY(filter, make_text_filter(shared_.options.filter_tables, why));
        shared_.filter = std::move(filter);
    }
    DW_CHECK(shared_.tls.load(shared_.options, shared_.sink, why));
    if (shared_.options.deliver_only) DW_CHECK(find_spool(shared_.options.state_dir, why));
    return {};
}

result<void> running_proxy::begin(listening_sockets inherited, std::string& why)
{
    DW_CHECK(open_spool(why));
    // A name that is not known yet may be later; it is looked up again and again.
    if (std::string problem; !resolve_both(shared_, problem))
        shared_.log(log_level::warning, problem + "; trying again");
    DW_CHECK(open_listeners(std::move(inherited.clients), why));
    if (shared_.options.addresses.proxy_port == 0) shared_.options.addresses.proxy_port = port_;
    auto source = shared_.options.source;
    auto target = shared_.options.target;
    DW_TRY(refresh, refresher::start(source, target, shared_.sink));
    shared_.refresh = std::move(refresh);
    shared_.refresh->set_tls(shared_.tls.source(), shared_.tls.target());
    DW_CHECK(start_workers(why));
    if (shared_.options.metrics) DW_CHECK(start_http(std::move(inherited.metrics), why));
    watch_ = std::make_unique<schema_watch>(shared_);
    for (auto& one : workers_) one->start();
    read_left_logs();
    supervisor_ = std::thread([this] { supervise(); });
    return {};
}

listening_sockets running_proxy::give_sockets()
{
    const std::lock_guard lock(mutex_);
    listening_sockets out;
    out.clients = std::exchange(listeners_, {});
    if (http_) out.metrics = http_->copy_of_listener();
    return out;
}

bool running_proxy::drained() const
{
    for (const auto& one : workers_)
        if (one->counters().draining.get() == 0) return false;
    const auto totals = sum(workers_);
    if (totals.clients != 0) return false;
    return clients_only_ || (totals.backlog == 0 && shared_.unread.logs.load() == 0);
}

// Ends the workers when the spool has failed or, while stopping, when nothing is left to do.
void running_proxy::supervise()
{
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait_for(lock, supervise_interval);
        if (!shared_.options.deliver_only) shared_.check_age(sum(workers_).oldest_age_ms);
        left_->report(steady_now_ms());
        const bool over = stopping_ && std::chrono::steady_clock::now() >= deadline_;
        if (shared_.failed.load() || over || (stopping_ && drained())) break;
    }
    lock.unlock();
    left_->stop();
    for (auto& one : workers_) one->stop();
    for (auto& one : workers_) one->join();
    lock.lock();
    stopped_ = true;
    changed_.notify_all();
    lock.unlock();
    if (on_stopped) on_stopped();
}

void running_proxy::stop(std::uint32_t drain_limit_ms)
{
    const std::lock_guard lock(mutex_);
    begin_stop(drain_limit_ms);
}

void running_proxy::release(std::uint32_t limit_ms)
{
    const std::lock_guard lock(mutex_);
    clients_only_ = true;
    begin_stop(limit_ms);
}

void running_proxy::begin_stop(std::uint32_t limit_ms)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    if (!stopping_) {
        shared_.draining.store(true);
        listeners_.clear();
        for (auto& one : workers_) one->begin_drain();
        deadline_ = deadline;
    }
    stopping_ = true;
    deadline_ = std::min(deadline_, deadline);
    changed_.notify_all();
}

bool running_proxy::wait(std::int64_t timeout_ms)
{
    std::unique_lock lock(mutex_);
    const auto done = [this] { return stopped_; };
    if (timeout_ms >= 0)
        return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), done);
    changed_.wait(lock, done);
    return true;
}

running_proxy::~running_proxy()
{
    if (supervisor_.joinable()) {
        stop(0);
        wait(-1);
        supervisor_.join();
    }
    http_.reset();
    watch_.reset();
    left_.reset();
    // Its answers go to the loops, so it ends before them.
    if (shared_.refresh) shared_.refresh->stop();
    workers_.clear();
}

}  // namespace dualwrite::engine
