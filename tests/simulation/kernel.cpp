#include "kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sim {

namespace {

constexpr std::uint32_t readable = EPOLLIN;
constexpr std::uint32_t nothing = 0;

thread_local kernel* the_kernel = nullptr;

// What a socket takes before its peer has read.
constexpr std::size_t socket_room = std::size_t{256} * 1024;

}  // namespace

kernel::kernel(std::uint64_t seed) : random(seed)
{
    the_kernel = this;
}

kernel::~kernel()
{
    the_kernel = nullptr;
}

kernel* kernel::current() noexcept
{
    return the_kernel;
}

void kernel::at(std::int64_t when_us, std::function<void()> action)
{
    events_.push({std::max(when_us, now_us_), next_event_++, std::move(action)});
}

bool kernel::step()
{
    if (events_.empty()) return false;
    // priority_queue gives no mutable access; the action is copied out before the event goes.
    auto next = events_.top();
    events_.pop();
    now_us_ = next.when_us;
    ++steps_;
    next.action();
    return true;
}

int kernel::add(kind what)
{
    objects_.emplace_back();
    objects_.back().what = what;
    return descriptor_base + static_cast<int>(objects_.size()) - 1;
}

int kernel::make_epoll()
{
    return last_epoll_ = add(kind::epoll);
}
int kernel::make_event()
{
    return add(kind::event);
}
int kernel::make_timer()
{
    return add(kind::timer);
}
int kernel::make_socket()
{
    return add(kind::socket);
}

int kernel::listener()
{
    return listener_ = add(kind::listener);
}

std::uint32_t kernel::readiness(int descriptor) const
{
    const auto& its = of(descriptor);
    switch (its.what) {
    case kind::event:
        return its.count != 0 ? readable : nothing;
    case kind::timer:
        return its.expired ? readable : nothing;
    case kind::listener:
        return its.pending.empty() ? nothing : readable;
    case kind::socket:
        if (its.connecting) return 0;
        if (its.error != 0) return EPOLLOUT | EPOLLERR | EPOLLHUP;
        if (its.reset) return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP;
        return EPOLLOUT | (its.received.empty() && !its.ended ? nothing : readable);
    default:
        return 0;
    }
}

void kernel::touch(int descriptor)
{
    for (auto& its : objects_)
        for (auto& watch : its.watched)
            if (watch.descriptor == descriptor) watch.touched = true;
}

int kernel::control(int epoll, int op, int descriptor, const epoll_event* wanted)
{
    auto& watched = of(epoll).watched;
    const auto found = std::find_if(watched.begin(), watched.end(), [&](const registration& r) {
        return r.descriptor == descriptor;
    });
    if (op == EPOLL_CTL_DEL) {
        if (found != watched.end()) watched.erase(found);
        return 0;
    }
    if (found != watched.end())
        *found = {descriptor, wanted->events, wanted->data, true};
    else
        watched.push_back({descriptor, wanted->events, wanted->data, true});
    return 0;
}

bool kernel::is_ready(int epoll) const
{
    if (dead_) return false;
    for (const auto& watch : of(epoll).watched) {
        const auto mask = readiness(watch.descriptor) & (watch.events | EPOLLERR | EPOLLHUP);
        if (mask != 0 && ((watch.events & EPOLLET) == 0 || watch.touched)) return true;
    }
    return false;
}

// Never blocks: what it would have waited for is remembered. The order of what is ready is any.
int kernel::wait(int epoll, epoll_event* events, int count, int timeout_ms)
{
    auto& its = of(epoll);
    its.deadline_us = timeout_ms < 0 ? -1 : now_us_ + std::int64_t{timeout_ms} * 1000;
    if (dead_) return 0;
    int found = 0;
    for (auto& watch : its.watched) {
        const auto mask = readiness(watch.descriptor) & (watch.events | EPOLLERR | EPOLLHUP);
        const bool edge = (watch.events & EPOLLET) != 0;
        if (mask == 0 || (edge && !watch.touched) || found == count) continue;
        watch.touched = false;
        events[found].events = mask;
        events[found].data = watch.data;
        ++found;
    }
    for (int i = found - 1; i > 0; --i) std::swap(events[i], events[random.below(i + 1)]);
    return found;
}

std::int64_t kernel::deadline_us(int epoll) const
{
    return of(epoll).deadline_us;
}

void kernel::set_timer(int descriptor, std::int64_t when_us)
{
    auto& its = of(descriptor);
    its.expired = false;
    const auto count = ++its.count;
    if (when_us < 0) return;
    at(when_us, [this, descriptor, count] {
        auto& timer = of(descriptor);
        if (timer.what != kind::timer || timer.count != count) return;
        timer.expired = true;
        touch(descriptor);
    });
}

int kernel::connect(int descriptor, int port)
{
    of(descriptor).connecting = true;
    const auto finish = [this, descriptor, port] {
        auto& its = of(descriptor);
        if (its.what != kind::socket || dead_ || is_silent(port)) return;
        its.connecting = false;
        auto& to = ports_[port];
        auto line = std::make_shared<link>();
        line->id_ = next_link_++;
        line->port_ = port;
        line->descriptor_ = descriptor;
        line->other_ = to.refused || !to.accept ? nullptr : to.accept(line);
        if (line->other_ == nullptr) {
            its.error = ECONNREFUSED;
        } else {
            its.line = line;
            links_.push_back(line);
        }
        touch(descriptor);
    };
    after(delay(), finish);
    errno = EINPROGRESS;
    return -1;
}

int kernel::connect_error(int descriptor) const
{
    return of(descriptor).error;
}

int kernel::accept(int descriptor)
{
    auto& pending = of(descriptor).pending;
    if (dead_ || pending.empty()) {
        errno = EAGAIN;
        return -1;
    }
    const auto line = pending.front();
    pending.pop_front();
    const auto made = make_socket();
    auto& its = of(made);
    its.line = line;
    its.received = std::move(line->early_);
    its.ended = !line->alive_;
    line->descriptor_ = made;
    return made;
}

long kernel::read(int descriptor, void* into, std::size_t size)
{
    auto& its = of(descriptor);
    if (its.what == kind::event || its.what == kind::timer) {
        const std::uint64_t value = its.what == kind::event ? its.count : its.expired;
        if (its.what == kind::event) its.count = 0;
        its.expired = false;
        if (value == 0 || size < sizeof value) {
            errno = EAGAIN;
            return -1;
        }
        std::memcpy(into, &value, sizeof value);
        return sizeof value;
    }
    if (dead_ || (its.received.empty() && !its.ended && !its.reset)) {
        errno = EAGAIN;
        return -1;
    }
    if (its.received.empty()) {
        if (!its.reset) return 0;
        errno = ECONNRESET;
        return -1;
    }
    const auto n = std::min(size, its.received.size());
    std::memcpy(into, its.received.data(), n);
    its.received.erase(0, n);
    return static_cast<long>(n);
}

long kernel::write(int descriptor, const void* from, std::size_t size)
{
    auto& its = of(descriptor);
    if (its.what == kind::event) {
        std::uint64_t value = 0;
        std::memcpy(&value, from, std::min(size, sizeof value));
        its.count += value;
        touch(descriptor);
        return static_cast<long>(size);
    }
    if (!dead_ && on_send) on_send();
    if (dead_) return static_cast<long>(size);
    if (its.reset || !its.line || !its.line->alive_) {
        errno = EPIPE;
        return -1;
    }
    size = std::min(size, socket_room);
    if (size > 1 && random.chance(network.partial_write_per_mille))
        size = static_cast<std::size_t>(random.between(1, static_cast<std::int64_t>(size)));
    carry_to_other(its.line, std::string(static_cast<const char*>(from), size));
    return static_cast<long>(size);
}

void kernel::close(int descriptor)
{
    auto& its = of(descriptor);
    const auto line = std::move(its.line);
    its = {};
    for (auto& other : objects_)
        std::erase_if(other.watched, [&](const registration& r) {
            return r.descriptor == descriptor;
        });
    if (!line || dead_) return;
    line->descriptor_ = -1;
    line->alive_ = false;
    at(std::max(now_us_ + delay(), line->to_other_us_), [this, line] { tell_gone(line); });
}

void kernel::kill()
{
    if (dead_) return;
    dead_ = true;
    for (const auto& weak : links_) {
        const auto line = weak.lock();
        if (!line) continue;
        line->alive_ = false;
        at(std::max(now_us_ + delay(), line->to_other_us_), [this, line] { tell_gone(line); });
    }
    links_.clear();
    listener_ = -1;
}

void kernel::end_process()
{
    for (auto& its : objects_) its = {};
    listener_ = -1;
}

}  // namespace sim
