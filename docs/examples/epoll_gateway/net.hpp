#pragma once

// What a gateway that uses epoll has anyway: sockets that do not block, and a loop.

#include <dualwrite/base/bytes.hpp>

#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace example {

class watcher {
public:
    virtual ~watcher() = default;
    virtual void on_ready(std::uint32_t events) = 0;
};

// Level-triggered. Who is watched must not be destroyed during turn().
class poller {
public:
    poller() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {}
    ~poller() { ::close(fd_); }
    poller(const poller&) = delete;
    poller& operator=(const poller&) = delete;

    void add(int fd, watcher* who, std::uint32_t events)
    {
        control(EPOLL_CTL_ADD, fd, who, events);
    }
    void change(int fd, watcher* who, std::uint32_t events)
    {
        control(EPOLL_CTL_MOD, fd, who, events);
    }
    void turn(int timeout_ms)
    {
        epoll_event ready[64];
        const int count = ::epoll_wait(fd_, ready, 64, timeout_ms);
        for (int i = 0; i < count; ++i)
            static_cast<watcher*>(ready[i].data.ptr)->on_ready(ready[i].events);
    }

private:
    void control(int what, int fd, watcher* who, std::uint32_t events)
    {
        epoll_event event{};
        event.events = events;
        event.data.ptr = who;
        ::epoll_ctl(fd_, what, fd, &event);
    }

    int fd_;
};

inline sockaddr_in loopback(std::uint16_t port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// -1: it cannot be. The connection comes about later, or ends at once.
inline int connect_to(std::uint16_t port)
{
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const auto address = loopback(port);
    const auto* const raw = reinterpret_cast<const sockaddr*>(&address);
    if (fd < 0 || ::connect(fd, raw, sizeof address) == 0 || errno == EINPROGRESS) return fd;
    ::close(fd);
    return -1;
}

// A connected socket. What cannot be sent at once waits in memory.
class stream final : public watcher {
public:
    using bytes_handler = std::function<void(dualwrite::bytes_view)>;

    stream(poller& on, int fd, bytes_handler on_bytes, std::function<void()> on_end)
        : poller_(on), fd_(fd), on_bytes_(std::move(on_bytes)), on_end_(std::move(on_end))
    {
        // Writable: connected.
        poller_.add(fd_, this, events_ = EPOLLIN | EPOLLOUT);
    }
    ~stream() override
    {
        if (fd_ >= 0) ::close(fd_);
    }
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    std::size_t unsent() const noexcept { return out_.size(); }
    void send(dualwrite::bytes_view bytes)
    {
        out_.append(bytes);
        update();
    }
    // A peer that does not read what we send is not read either.
    void set_reading(bool reads)
    {
        reading_ = reads;
        update();
    }
    // Sends what waits, as far as it goes, and ends.
    void close()
    {
        if (fd_ < 0) return;
        flush();
        ::close(fd_);
        fd_ = -1;
    }

    void on_ready(std::uint32_t events) override
    {
        if ((events & EPOLLOUT) != 0) flush();
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && fd_ >= 0) read();
        update();
    }

private:
    void read()
    {
        std::byte piece[64 * 1024];
        const auto size = ::recv(fd_, piece, sizeof piece, 0);
        if (size > 0) return on_bytes_({piece, static_cast<std::size_t>(size)});
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        close();
        on_end_();
    }

    void flush()
    {
        if (out_.empty() || fd_ < 0) return;
        const auto size = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
        if (size > 0) out_.consume(static_cast<std::size_t>(size));
    }

    void update()
    {
        const std::uint32_t wanted = (reading_ ? std::uint32_t{EPOLLIN} : 0u) |
                                     (out_.empty() ? 0u : std::uint32_t{EPOLLOUT});
        if (fd_ < 0 || wanted == events_) return;
        poller_.change(fd_, this, events_ = wanted);
    }

    poller& poller_;
    int fd_;
    bytes_handler on_bytes_;
    std::function<void()> on_end_;
    dualwrite::byte_buffer out_;
    bool reading_{true};
    std::uint32_t events_{0};
};

}  // namespace example
