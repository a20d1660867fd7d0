#include <dualwrite/engine/loop.hpp>

#include <cerrno>
#include <ctime>
#include <sys/eventfd.h>
#include <system_error>
#include <utility>

namespace dualwrite::engine {

namespace {

// Large enough that bulk responses cost few reads, small enough to stay in the cache.
constexpr std::size_t turn_chunk_size = 1024 * 1024;
constexpr std::size_t turn_chunks_kept_max = 4;

std::int64_t clock_ms(clockid_t clock) noexcept
{
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

[[noreturn]] void throw_errno(const char* what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

loop::loop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    if (!epoll_ || !wake_) throw_errno("epoll");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0)
        throw_errno("epoll_ctl");
    update_clocks();
}

loop::~loop()
{
    // Not cleared in place: what they hold may cancel a timer or post as it goes.
    std::exchange(posted_, {}).clear();
    std::exchange(timers_, {}).clear();
    bury();
}

void loop::add(int fd, io_handler& handler, std::uint32_t epoll_events)
{
    epoll_event event{};
    event.events = epoll_events;
    event.data.ptr = &handler;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("epoll_ctl");
}

void loop::modify(int fd, io_handler& handler, std::uint32_t epoll_events)
{
    epoll_event event{};
    event.events = epoll_events;
    event.data.ptr = &handler;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) throw_errno("epoll_ctl");
}

void loop::remove(int fd, io_handler& handler) noexcept
{
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    for (int i = event_index_ + 1; i < event_count_; ++i) {
        auto& pending = events_[static_cast<std::size_t>(i)];
        if (pending.data.ptr == &handler) pending.events = 0;
    }
    std::erase(resumed_, &handler);
    for (auto& resuming : resuming_)
        if (resuming == &handler) resuming = nullptr;
}

void loop::cancel_flush(flush_handler& handler) noexcept
{
    if (!handler.flush_scheduled) return;
    handler.flush_scheduled = false;
    std::erase(flushes_, &handler);
    for (auto& scheduled : flushing_)
        if (scheduled == &handler) scheduled = nullptr;
}

mutable_bytes loop::turn_space(std::size_t size_min)
{
    while (turn_chunk_ < turn_chunks_.size()) {
        auto& current = turn_chunks_[turn_chunk_];
        if (current.size - turn_used_ >= size_min)
            return {current.bytes.get() + turn_used_, current.size - turn_used_};
        ++turn_chunk_;
        turn_used_ = 0;
    }
    const auto size = std::max(size_min, turn_chunk_size);
    turn_chunks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
    return {turn_chunks_.back().bytes.get(), size};
}

loop::timer_id loop::start_timer(std::int64_t delay_ms, std::function<void()> action)
{
    const auto id = next_timer_++;
    const auto deadline = steady_ms_ + std::max<std::int64_t>(delay_ms, 0);
    timers_.emplace(std::pair{deadline, id}, std::move(action));
    timer_deadlines_.emplace(id, deadline);
    return id;
}

void loop::cancel_timer(timer_id id) noexcept
{
    const auto found = timer_deadlines_.find(id);
    if (found == timer_deadlines_.end()) return;
    timers_.erase({found->second, id});
    timer_deadlines_.erase(found);
}

void loop::post(std::function<void()> action)
{
    {
        const std::lock_guard lock(posted_mutex_);
        posted_.push_back(std::move(action));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void loop::stop()
{
    stopped_.store(true);
    post([] {});
}

void loop::run()
{
    while (turn(-1)) {
    }
}

bool loop::turn(int timeout_ms)
{
    if (stopped_.load(std::memory_order_relaxed)) return false;
    auto wait_ms = resumed_.empty() ? timeout_until_next_timer(timeout_ms) : 0;
    const auto limit_ms = std::exchange(next_wait_max_ms_, std::numeric_limits<int>::max());
    if (wait_ms < 0 || wait_ms > limit_ms) wait_ms = limit_ms;
    event_index_ = 0;
    event_count_ =
        ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), wait_ms);
    if (event_count_ < 0) {
        DW_ASSERT(errno == EINTR);  // a signal: go on as if nothing had happened
        event_count_ = 0;
    }
    update_clocks();
    ++turns_;

    for (; event_index_ < event_count_; ++event_index_) {
        auto& event = events_[static_cast<std::size_t>(event_index_)];
        if (event.events == 0) continue;
        if (event.data.ptr == nullptr)
            run_posted();
        else
            static_cast<io_handler*>(event.data.ptr)->on_io(event.events);
    }
    event_count_ = 0;
    run_resumed();
    run_timers();
    const bool committed = flush_all();
    bury();
    return committed && !stopped_.load(std::memory_order_relaxed);
}

// A destructor may hand over what only it held.
void loop::bury() noexcept
{
    while (!graveyard_.empty()) std::exchange(graveyard_, {}).clear();
}

void loop::update_clocks() noexcept
{
    steady_ms_ = clock_ms(CLOCK_MONOTONIC);
    wall_ms_ = clock_ms(CLOCK_REALTIME);
}

int loop::timeout_until_next_timer(int limit_ms) const noexcept
{
    if (timers_.empty()) return limit_ms;
    // The clock of the last turn may be old: a turn that slept has updated it on waking, so the
    // error is the length of one turn's work.
    const auto remaining = std::max<std::int64_t>(timers_.begin()->first.first - steady_ms_, 0);
    const auto bounded = static_cast<int>(std::min<std::int64_t>(remaining, 60'000));
    return limit_ms < 0 ? bounded : std::min(limit_ms, bounded);
}

void loop::run_timers()
{
    // One that an action starts now waits for the next turn, else a timer that renews itself
    // without delay would keep the loop here.
    const auto first_new = next_timer_;
    while (!timers_.empty()) {
        const auto [deadline, id] = timers_.begin()->first;
        if (deadline > steady_ms_ || id >= first_new) break;
        auto due = timers_.extract(timers_.begin());
        timer_deadlines_.erase(due.key().second);
        due.mapped()();
    }
}

void loop::run_posted()
{
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
    std::vector<std::function<void()>> actions;
    {
        const std::lock_guard lock(posted_mutex_);
        actions.swap(posted_);
    }
    for (auto& action : actions) action();
}

void loop::run_resumed()
{
    resuming_.swap(resumed_);
    for (std::size_t i = 0; i < resuming_.size(); ++i)
        if (auto* const handler = resuming_[i]) handler->on_io(EPOLLIN);
    resuming_.clear();
}

// Commit first, then write. A write may schedule another (a failure that wakes its peer), so this
// repeats until nothing is left.
bool loop::flush_all()
{
    if (commit_ && !commit_()) {
        stopped_.store(true);
        return false;
    }
    while (!flushes_.empty()) {
        flushing_.swap(flushes_);
        for (std::size_t i = 0; i < flushing_.size(); ++i) {
            auto* handler = flushing_[i];
            if (handler == nullptr) continue;
            handler->flush_scheduled = false;
            handler->on_flush();
        }
        flushing_.clear();
        if (!flushes_.empty() && commit_ && !commit_()) {
            stopped_.store(true);
            return false;
        }
    }
    turn_chunk_ = 0;
    turn_used_ = 0;
    std::erase_if(turn_chunks_, [](const chunk& used) { return used.size > turn_chunk_size; });
    if (turn_chunks_.size() > turn_chunks_kept_max) turn_chunks_.resize(turn_chunks_kept_max);
    return true;
}

}  // namespace dualwrite::engine
