#include <atomic>
#include <poll.h>
#include <shared_mutex>
#include <sys/eventfd.h>

#include "running_proxy.hpp"

namespace dualwrite::engine {

namespace {

// The next one opens the spool and starts its threads meanwhile.
constexpr std::int64_t serving_limit_ms = 60'000;
constexpr int look_interval_ms = 50;

// A proxy whose place another process may take. While it does, nobody serves for the time that the
// answers in flight take; clients that connect wait in the queues of the listening sockets, which
// both processes have open. If the other one dies on the way, this one starts again.
class replaceable_proxy final : public proxy {
public:
    replaceable_proxy(const proxy_options& options, log_sink log)
        : options_(options), log_(std::move(log))
    {
    }
    ~replaceable_proxy() override;

    result<void> begin(std::string& why);

    std::uint16_t port() const override { return port_; }
    std::uint16_t metrics_port() const override { return metrics_port_; }
    result<void> reload(std::string& why) override;
    void stop(std::uint32_t drain_limit_ms) override;
    bool wait(std::int64_t timeout_ms) override;
    std::string failure() const override;
    std::string status_json() const override;
    std::string metrics_text() const override;
    bool ready() const override;
    std::int64_t successor() const override { return successor_.load(); }

private:
    result<void> run(listening_sockets sockets, std::string& why);
    std::unique_ptr<running_proxy> make_running();
    void wait_for_takers();
    void hand_over(takeover_peer peer);
    bool wait_until_serving(takeover_peer& peer);
    void end_running();
    void open_door();
    void close_door();
    void start_again(listening_sockets sockets);
    void finish();

    const proxy_options options_;
    const log_sink log_;
    std::uint16_t port_{0};
    std::uint16_t metrics_port_{0};

    mutable std::shared_mutex life_;  // exclusive: `now_` is replaced
    std::unique_ptr<running_proxy> now_;
    std::string last_status_;  // of the one that was ended, while there is none
    std::string last_metrics_;
    std::string failure_;

    std::mutex mutex_;  // guards these
    std::condition_variable changed_;
    bool ended_{false};
    bool stop_asked_{false};
    bool handing_over_{false};
    bool has_door_{false};  // the path of the door is ours

    std::atomic<std::int64_t> successor_{0};
    std::atomic<bool> closing_{false};
    unique_fd door_;  // where takers come
    unique_fd wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::thread thread_;
};

std::unique_ptr<running_proxy> replaceable_proxy::make_running()
{
    auto made = std::make_unique<running_proxy>(options_, log_);
    made->on_stopped = [this] {
        const std::lock_guard lock(mutex_);
        if (!handing_over_) ended_ = true;
        changed_.notify_all();
    };
    return made;
}

result<void> replaceable_proxy::begin(std::string& why)
{
    auto made = make_running();
    DW_CHECK(made->prepare(why));
    std::optional<takeover> from;
    if (options_.take_over) {
        DW_TRY(found, takeover::ask(options_.state_dir, why));
        from = std::move(found);
        made->log(
            log_level::info,
            from ? "taking over from the proxy that runs on this state directory"
                 : "--take-over: no proxy runs on this state directory"
        );
    }
    if (from) DW_CHECK(from->wait_until_free(why));
    DW_CHECK(made->begin(from ? std::move(from->sockets) : listening_sockets{}, why));
    now_ = std::move(made);
    port_ = now_->port();
    metrics_port_ = now_->metrics_port();
    if (from) from->serving();
    open_door();
    if (door_) thread_ = std::thread([this] { wait_for_takers(); });
    return {};
}

void replaceable_proxy::open_door()
{
    auto door = listen_for_takeover(options_.state_dir);
    if (!door)
        return log_(
            log_level::warning,
            "no other process can take over from this one: " + door.error().message()
        );
    const std::lock_guard lock(mutex_);
    door_ = std::move(*door);
    has_door_ = true;
}

// With the mutex held.
void replaceable_proxy::close_door()
{
    if (std::exchange(has_door_, false)) forget_takeover(options_.state_dir);
}

void replaceable_proxy::wait_for_takers()
{
    while (!closing_.load() && successor_.load() == 0 && door_) {
        pollfd waits[] = {{wake_.get(), POLLIN, 0}, {door_.get(), POLLIN, 0}};
        ::poll(waits, 2, -1);
        if (waits[0].revents != 0) return;
        if (auto peer = takeover_peer::accept(door_.get())) hand_over(std::move(*peer));
    }
}

void replaceable_proxy::hand_over(takeover_peer peer)
{
    {
        const std::lock_guard lock(mutex_);
        if (ended_ || stop_asked_) return;
        handing_over_ = true;
    }
    const auto whom = "process " + std::to_string(peer.process());
    now_->log(log_level::info, whom + " takes over: no client is accepted here any more");
    auto sockets = now_->give_sockets();
    const bool given = peer.give(sockets);
    now_->release(options_.patience.release_ms);
    // If it is gone already, clients are not to wait for those that are slow.
    while (!now_->wait(look_interval_ms))
        if (!given || peer.is_gone()) now_->release(0);
    const bool healthy = now_->failure().empty();
    end_running();
    if (!healthy) return finish();  // its reason is the end of both
    if (given && peer.say_free() && wait_until_serving(peer)) {
        successor_.store(peer.process());
        log_(log_level::info, whom + " has taken over");
        return finish();
    }
    {
        const std::lock_guard lock(mutex_);
        handing_over_ = false;
        if (stop_asked_) {
            ended_ = true;
            return changed_.notify_all();
        }
    }
    log_(log_level::error, whom + " did not take over: going on here");
    start_again(std::move(sockets));
}

// Also false when this one is to stop: the other one then goes on alone.
bool replaceable_proxy::wait_until_serving(takeover_peer& peer)
{
    for (std::int64_t left = serving_limit_ms; left > 0; left -= look_interval_ms) {
        if (const auto serving = peer.is_serving(look_interval_ms)) return *serving;
        const std::lock_guard lock(mutex_);
        if (stop_asked_) return false;
    }
    return false;
}

// The lock of the spool goes with it.
void replaceable_proxy::end_running()
{
    const std::unique_lock lock(life_);
    last_status_ = now_->status_json();
    last_metrics_ = now_->metrics_text();
    failure_ = now_->failure();
    {
        const std::lock_guard door(mutex_);
        close_door();
    }
    now_.reset();
}

void replaceable_proxy::start_again(listening_sockets sockets)
{
    auto made = make_running();
    std::string why;
    auto started = made->prepare(why);
    if (started) started = made->begin(std::move(sockets), why);
    if (!started) {
        const std::unique_lock lock(life_);
        failure_ = "cannot go on after a takeover that did not happen: " +
                   (why.empty() ? started.error().message() : why);
        door_.reset();
        return finish();
    }
    open_door();
    const std::unique_lock lock(life_);
    now_ = std::move(made);
    const std::lock_guard state(mutex_);
    if (!stop_asked_) return;
    close_door();
    now_->stop(0);
}

void replaceable_proxy::finish()
{
    const std::lock_guard lock(mutex_);
    handing_over_ = false;
    ended_ = true;
    changed_.notify_all();
}

result<void> replaceable_proxy::reload(std::string& why)
{
    const std::shared_lock lock(life_);
    return now_ ? now_->reload(why) : result<void>{};
}

void replaceable_proxy::stop(std::uint32_t drain_limit_ms)
{
    {
        const std::lock_guard lock(mutex_);
        // Nobody takes over from one that stops.
        if (!handing_over_) close_door();
        stop_asked_ = true;
    }
    const std::shared_lock lock(life_);
    if (now_) now_->stop(drain_limit_ms);
}

bool replaceable_proxy::wait(std::int64_t timeout_ms)
{
    std::unique_lock lock(mutex_);
    const auto done = [this] { return ended_; };
    if (timeout_ms >= 0)
        return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), done);
    changed_.wait(lock, done);
    return true;
}

std::string replaceable_proxy::failure() const
{
    const std::shared_lock lock(life_);
    return now_ ? now_->failure() : failure_;
}

std::string replaceable_proxy::status_json() const
{
    const std::shared_lock lock(life_);
    return now_ ? now_->status_json() : last_status_;
}

std::string replaceable_proxy::metrics_text() const
{
    const std::shared_lock lock(life_);
    return now_ ? now_->metrics_text() : last_metrics_;
}

bool replaceable_proxy::ready() const
{
    const std::shared_lock lock(life_);
    return now_ && now_->ready();
}

replaceable_proxy::~replaceable_proxy()
{
    closing_.store(true);
    stop(0);
    const std::uint64_t one = 1;
    if (wake_) (void)!::write(wake_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
    now_.reset();
}

template <class Made>
result<std::unique_ptr<proxy>>
checked(std::unique_ptr<Made> made, const result<void>& begun, std::string& why)
{
    if (begun) return std::unique_ptr<proxy>(std::move(made));
    if (why.empty()) why = begun.error().message();
    return fail(begun.error());
}

}  // namespace

result<std::unique_ptr<proxy>>
proxy::start(const proxy_options& options, log_sink log, std::string& why)
{
    if (!options.deliver_only) {
        auto made = std::make_unique<replaceable_proxy>(options, std::move(log));
        const auto begun = made->begin(why);
        return checked(std::move(made), begun, why);
    }
    auto made = std::make_unique<running_proxy>(options, std::move(log));
    auto begun = made->prepare(why);
    if (begun) begun = made->begin({}, why);
    return checked(std::move(made), begun, why);
}

}  // namespace dualwrite::engine
