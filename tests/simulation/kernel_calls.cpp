#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstring>
#include <ctime>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "kernel.hpp"

// The linker (--wrap, see meson.build) puts these in the place of the system calls. Descriptors
// that the simulation did not give out, and threads that simulate nothing, reach the system.

using sim::kernel;

namespace {

kernel* of(int descriptor) noexcept
{
    return descriptor >= sim::descriptor_base ? kernel::current() : nullptr;
}

timespec to_timespec(std::int64_t us) noexcept
{
    return {us / 1'000'000, us % 1'000'000 * 1000};
}

}  // namespace

extern "C" {

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags)
{
    auto* k = kernel::current();
    return k != nullptr ? k->make_epoll() : __real_epoll_create1(flags);
}

int __real_eventfd(unsigned initial, int flags);
int __wrap_eventfd(unsigned initial, int flags)
{
    auto* k = kernel::current();
    return k != nullptr ? k->make_event() : __real_eventfd(initial, flags);
}

int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags)
{
    auto* k = kernel::current();
    return k != nullptr ? k->make_timer() : __real_timerfd_create(clock, flags);
}

int __real_timerfd_settime(int fd, int flags, const itimerspec* value, itimerspec* old);
int __wrap_timerfd_settime(int fd, int flags, const itimerspec* value, itimerspec* old)
{
    auto* k = of(fd);
    if (k == nullptr) return __real_timerfd_settime(fd, flags, value, old);
    const auto us = value->it_value.tv_sec * 1'000'000 + value->it_value.tv_nsec / 1000;
    const bool set = value->it_value.tv_sec != 0 || value->it_value.tv_nsec != 0;
    // Asio sets an absolute time only to say "now".
    const bool absolute = (flags & TFD_TIMER_ABSTIME) != 0;
    k->set_timer(fd, !set ? -1 : absolute ? k->now_us() : k->now_us() + us);
    return 0;
}

int __real_epoll_ctl(int epoll, int op, int fd, epoll_event* event);
int __wrap_epoll_ctl(int epoll, int op, int fd, epoll_event* event)
{
    auto* k = of(epoll);
    return k != nullptr ? k->control(epoll, op, fd, event) : __real_epoll_ctl(epoll, op, fd, event);
}

int __real_epoll_wait(int epoll, epoll_event* events, int count, int timeout_ms);
int __wrap_epoll_wait(int epoll, epoll_event* events, int count, int timeout_ms)
{
    auto* k = of(epoll);
    return k != nullptr ? k->wait(epoll, events, count, timeout_ms)
                        : __real_epoll_wait(epoll, events, count, timeout_ms);
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    auto* k = kernel::current();
    return k != nullptr ? k->make_socket() : __real_socket(domain, type, protocol);
}

int __real_connect(int fd, const sockaddr* address, socklen_t size);
int __wrap_connect(int fd, const sockaddr* address, socklen_t size)
{
    auto* k = of(fd);
    if (k == nullptr) return __real_connect(fd, address, size);
    sockaddr_in in{};
    std::memcpy(&in, address, std::min<std::size_t>(size, sizeof in));
    return k->connect(fd, ntohs(in.sin_port));
}

int __real_accept4(int fd, sockaddr* address, socklen_t* size, int flags);
int __wrap_accept4(int fd, sockaddr* address, socklen_t* size, int flags)
{
    auto* k = of(fd);
    if (k == nullptr) return __real_accept4(fd, address, size, flags);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memcpy(address, &in, sizeof in);
    *size = sizeof in;
    return k->accept(fd);
}

int __real_setsockopt(int fd, int level, int name, const void* value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void* value, socklen_t size)
{
    return of(fd) != nullptr ? 0 : __real_setsockopt(fd, level, name, value, size);
}

int __real_getsockopt(int fd, int level, int name, void* value, socklen_t* size);
int __wrap_getsockopt(int fd, int level, int name, void* value, socklen_t* size)
{
    auto* k = of(fd);
    if (k == nullptr) return __real_getsockopt(fd, level, name, value, size);
    const int error = k->connect_error(fd);
    std::memcpy(value, &error, sizeof error);
    return 0;
}

int __real_getsockname(int fd, sockaddr* address, socklen_t* size);
int __wrap_getsockname(int fd, sockaddr* address, socklen_t* size)
{
    if (of(fd) == nullptr) return __real_getsockname(fd, address, size);
    errno = ENOTSOCK;
    return -1;
}

ssize_t __real_recv(int fd, void* into, std::size_t size, int flags);
ssize_t __wrap_recv(int fd, void* into, std::size_t size, int flags)
{
    auto* k = of(fd);
    return k != nullptr ? k->read(fd, into, size) : __real_recv(fd, into, size, flags);
}

ssize_t __real_send(int fd, const void* from, std::size_t size, int flags);
ssize_t __wrap_send(int fd, const void* from, std::size_t size, int flags)
{
    auto* k = of(fd);
    return k != nullptr ? k->write(fd, from, size) : __real_send(fd, from, size, flags);
}

ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags)
{
    auto* k = of(fd);
    if (k == nullptr) return __real_sendmsg(fd, message, flags);
    std::string all;
    for (std::size_t i = 0; i < message->msg_iovlen; ++i)
        all.append(
            static_cast<const char*>(message->msg_iov[i].iov_base), message->msg_iov[i].iov_len
        );
    return k->write(fd, all.data(), all.size());
}

ssize_t __real_read(int fd, void* into, std::size_t size);
ssize_t __wrap_read(int fd, void* into, std::size_t size)
{
    auto* k = of(fd);
    return k != nullptr ? k->read(fd, into, size) : __real_read(fd, into, size);
}

ssize_t __real_write(int fd, const void* from, std::size_t size);
ssize_t __wrap_write(int fd, const void* from, std::size_t size)
{
    auto* k = of(fd);
    return k != nullptr ? k->write(fd, from, size) : __real_write(fd, from, size);
}

int __real_close(int fd);
int __wrap_close(int fd)
{
    auto* k = of(fd);
    if (k == nullptr) return fd >= sim::descriptor_base ? 0 : __real_close(fd);
    k->close(fd);
    return 0;
}

int __real_clock_gettime(clockid_t clock, timespec* out);
int __wrap_clock_gettime(clockid_t clock, timespec* out)
{
    auto* k = kernel::current();
    if (k == nullptr) return __real_clock_gettime(clock, out);
    *out = to_timespec(clock == CLOCK_MONOTONIC ? k->now_us() : k->wall_us());
    return 0;
}

int __real_ioctl(int fd, unsigned long request, void* argument);
int __wrap_ioctl(int fd, unsigned long request, void* argument)
{
    return of(fd) != nullptr ? 0 : __real_ioctl(fd, request, argument);
}

std::time_t __real_time(std::time_t* out);
std::time_t __wrap_time(std::time_t* out)
{
    auto* k = kernel::current();
    if (k == nullptr) return __real_time(out);
    const auto now = static_cast<std::time_t>(k->wall_us() / 1'000'000);
    if (out != nullptr) *out = now;
    return now;
}

}  // extern "C"

// The library's own, which the dynamic linker finds here first: the clocks that Asio and the
// refresher read, and the randomness.

std::chrono::steady_clock::time_point std::chrono::steady_clock::now() noexcept
{
    timespec now{};
    __wrap_clock_gettime(CLOCK_MONOTONIC, &now);
    return time_point(duration(seconds(now.tv_sec) + nanoseconds(now.tv_nsec)));
}

std::chrono::system_clock::time_point std::chrono::system_clock::now() noexcept
{
    timespec now{};
    __wrap_clock_gettime(CLOCK_REALTIME, &now);
    return time_point(duration(seconds(now.tv_sec) + nanoseconds(now.tv_nsec)));
}

std::random_device::result_type std::random_device::_M_getval()
{
    if (auto* k = kernel::current()) return static_cast<result_type>(k->random.next());
    static thread_local std::uint64_t state = 1;
    return static_cast<result_type>(
        state = state * 6364136223846793005ull + 1442695040888963407ull
    );
}
