#include <dualwrite/engine/proxy.hpp>
#include <dualwrite/engine/status_http.hpp>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>

#include "left_logs.hpp"
#include "proxy_shared.hpp"
#include "proxy_status.hpp"
#include "schema_watch.hpp"
#include "spool_writes.hpp"
#include "text_filter.hpp"
#include "worker.hpp"

namespace dualwrite::engine {

namespace {

constexpr auto supervise_interval = std::chrono::milliseconds(20);
constexpr int listen_backlog = 1024;

result<unique_fd> listen_on(const socket_address& address)
{
    unique_fd fd(
        ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)
    );
    if (!fd) return fail({errno, std::generic_category()});
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (::bind(fd.get(), address.get(), address.size) != 0 ||
        ::listen(fd.get(), listen_backlog) != 0)
        return fail({errno, std::generic_category()});
    return fd;
}

std::uint16_t port_of(int fd)
{
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
    return storage.ss_family == AF_INET6
               ? ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port)
               : ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

std::int64_t steady_now_ms()
{
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// Another process on the port would get a share of the clients, since all loops share it.
bool port_is_taken(const socket_address& address)
{
    unique_fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return fd && ::bind(fd.get(), address.get(), address.size) != 0;
}

class running_proxy final : public proxy {
public:
    explicit running_proxy(const proxy_options& options, log_sink log) : shared_(options)
    {
        shared_.set_sink(std::move(log));
    }
    ~running_proxy() override;

    result<void> begin(std::string& why);

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

private:
    result<void> open_spool(std::string& why);
    result<void> open_listeners(std::vector<unique_fd>& listeners, std::string& why);
    result<void> start_workers(std::vector<unique_fd> listeners, std::string& why);
    void read_left_logs();
    void supervise();
    bool drained() const;

    proxy_shared shared_;
    workers workers_;
    std::unique_ptr<left_logs> left_;
    std::size_t next_adopter_{0};  // in workers_; the reader's, once it runs
    std::unique_ptr<schema_watch> watch_;
    std::unique_ptr<status_http> http_;
    std::uint16_t port_{0};

    std::thread supervisor_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_{false};
    bool stopped_{false};
    std::chrono::steady_clock::time_point deadline_{};
};

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
    DW_TRY(opened, spool_directory::open(options, why));
    shared_.spool = std::move(opened);
    // Above everything that an earlier run has given out.
    if (const auto mark = shared_.spool->clock_high_water_us(); mark > 0)
        shared_.clock.fence(mark / 1000);
    return {};
}

result<void> running_proxy::open_listeners(std::vector<unique_fd>& listeners, std::string& why)
{
    const auto& options = shared_.options;
    if (options.deliver_only) return listeners.resize(options.threads), result<void>{};
    const auto where = options.listen_host + ":" + std::to_string(options.listen_port);
    auto addresses = resolve(options.listen_host, options.listen_port);
    if (!addresses) {
        why = "the address to listen on, " + where + ", is not known";
        return fail(addresses.error());
    }
    auto address = addresses->front();
    if (options.listen_port != 0 && port_is_taken(address)) {
        why = where + " is in use by another process; stop it or use another --proxy-port";
        return fail(errc::invalid_argument);
    }
    for (std::uint32_t i = 0; i < options.threads; ++i) {
        auto fd = listen_on(address);
        if (!fd) {
            why = "cannot listen on " + where + ": " + fd.error().message();
            return fail(fd.error());
        }
        port_ = port_of(fd->get());
        auto& port = address.storage.ss_family == AF_INET6
                         ? reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port
                         : reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port;
        port = htons(port_);
        listeners.push_back(std::move(*fd));
    }
    return {};
}

result<void> running_proxy::start_workers(std::vector<unique_fd> listeners, std::string& why)
{
    for (auto& listener : listeners) {
        auto log = shared_.spool->create_log();
        if (!log) {
            why = "cannot write to " + shared_.options.state_dir + ": " + log.error().message();
            return fail(log.error());
        }
        workers_.push_back(std::make_unique<worker>(shared_, std::move(*log), std::move(listener)));
    }
    left_ = std::make_unique<left_logs>(shared_);
    return left_->hand_out_read(
        [this](left_log log) {
            workers_[next_adopter_++ % workers_.size()]->adopt(std::move(log));
        },
        why
    );
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

result<void> running_proxy::begin(std::string& why)
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
    DW_CHECK(open_spool(why));
    // A name that is not known yet may be later; it is looked up again and again.
    if (std::string problem; !resolve_both(shared_, problem))
        shared_.log(log_level::warning, problem + "; trying again");
    std::vector<unique_fd> listeners;
    DW_CHECK(open_listeners(listeners, why));
    if (shared_.options.addresses.proxy_port == 0) shared_.options.addresses.proxy_port = port_;
    auto source = shared_.options.source;
    auto target = shared_.options.target;
    DW_TRY(refresh, refresher::start(source, target, shared_.sink));
    shared_.refresh = std::move(refresh);
    shared_.refresh->set_tls(shared_.tls.source(), shared_.tls.target());
    DW_CHECK(start_workers(std::move(listeners), why));
    if (shared_.options.metrics) {
        status_http::handlers handlers;
        handlers.metrics_text = [this] { return metrics_text(); };
        handlers.status_json = [this] { return status_json(); };
        handlers.ready = [this] { return ready(); };
        DW_TRY(
            http,
            status_http::start(
                shared_.options.metrics_host, shared_.options.metrics_port, std::move(handlers), why
            )
        );
        http_ = std::move(http);
    }
    watch_ = std::make_unique<schema_watch>(shared_);
    for (auto& one : workers_) one->start();
    read_left_logs();
    supervisor_ = std::thread([this] { supervise(); });
    return {};
}

bool running_proxy::drained() const
{
    for (const auto& one : workers_)
        if (one->counters().draining.get() == 0) return false;
    const auto totals = sum(workers_);
    return totals.clients == 0 && totals.backlog == 0 && shared_.unread.logs.load() == 0;
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
}

void running_proxy::stop(std::uint32_t drain_limit_ms)
{
    const std::lock_guard lock(mutex_);
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(drain_limit_ms);
    if (!stopping_) {
        shared_.draining.store(true);
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

}  // namespace

result<std::unique_ptr<proxy>>
proxy::start(const proxy_options& options, log_sink log, std::string& why)
{
    auto made = std::make_unique<running_proxy>(options, std::move(log));
    if (const auto begun = made->begin(why); !begun) {
        if (why.empty()) why = begun.error().message();
        return fail(begun.error());
    }
    return std::unique_ptr<proxy>(std::move(made));
}

}  // namespace dualwrite::engine
