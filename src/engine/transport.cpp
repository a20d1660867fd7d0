#include <dualwrite/engine/transport.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

namespace dualwrite::engine {

namespace {

std::error_code last_error() noexcept
{
    return {errno, std::generic_category()};
}

io_result from_errno() noexcept
{
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {io_status::again, 0, {}};
    return {io_status::failed, 0, last_error()};
}

// A signal may interrupt a call on a blocking descriptor; nothing has happened then.
template <class Call> ssize_t uninterrupted(Call call) noexcept
{
    for (;;) {
        const auto size = call();
        if (size >= 0 || errno != EINTR) return size;
    }
}

}  // namespace

void tune(int fd, std::int64_t lost_after_ms) noexcept
{
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // Half of the time in silence, then probes.
    const auto limit_s = static_cast<int>(std::max<std::int64_t>(lost_after_ms / 1000, 2));
    const int idle_s = limit_s / 2;
    const int between_s = std::max(limit_s / 12, 1);
    const int probes = std::max((limit_s - idle_s) / between_s, 1);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof between_s);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

io_result transport::read(mutable_bytes into)
{
    if (tls_) return tls_->read(into);
    const auto got = uninterrupted([&] { return ::recv(fd_.get(), into.data(), into.size(), 0); });
    if (got > 0) return {io_status::ok, static_cast<std::size_t>(got), {}};
    if (got == 0) return {io_status::closed, 0, {}};
    return from_errno();
}

io_result transport::write(std::span<const iovec> parts)
{
    if (tls_) return tls_->write_parts(parts);
    ssize_t sent = 0;
    if (parts.size() == 1) {
        sent = uninterrupted([&] {
            return ::send(fd_.get(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
        });
    } else {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts.data());
        message.msg_iovlen = std::min<std::size_t>(parts.size(), IOV_MAX);
        sent = uninterrupted([&] { return ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL); });
    }
    return sent >= 0 ? io_result{io_status::ok, static_cast<std::size_t>(sent), {}} : from_errno();
}

std::string socket_address::text() const
{
    char buffer[INET6_ADDRSTRLEN] = "?";
    if (storage.ss_family == AF_INET6) {
        const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&storage);
        ::inet_ntop(AF_INET6, &in6->sin6_addr, buffer, sizeof buffer);
        return "[" + std::string(buffer) + "]:" + std::to_string(ntohs(in6->sin6_port));
    }
    const auto* in4 = reinterpret_cast<const sockaddr_in*>(&storage);
    ::inet_ntop(AF_INET, &in4->sin_addr, buffer, sizeof buffer);
    return std::string(buffer) + ":" + std::to_string(ntohs(in4->sin_port));
}

result<std::vector<socket_address>> resolve(const std::string& host, std::uint16_t port)
{
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const auto service = std::to_string(port);
    if (::getaddrinfo(host.c_str(), service.c_str(), &hints, &list) != 0)
        return fail(errc::connect_failed);
    std::vector<socket_address> addresses;
    for (const auto* entry = list; entry != nullptr; entry = entry->ai_next) {
        socket_address address;
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.size = entry->ai_addrlen;
        addresses.push_back(address);
    }
    ::freeaddrinfo(list);
    if (addresses.empty()) return fail(errc::connect_failed);
    return addresses;
}

result<unique_fd> start_connect(const socket_address& address, std::int64_t lost_after_ms)
{
    unique_fd fd(
        ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)
    );
    if (!fd) return fail(last_error());
    tune(fd.get(), lost_after_ms);
    // There are no probes while bytes wait for an answer of the peer's system. Not for clients: one
    // that is there and does not read would be cut off, too.
    const auto unanswered_ms = static_cast<unsigned>(lost_after_ms);
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
    if (::connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS)
        return fail(last_error());
    return fd;
}

std::error_code connect_error(int fd) noexcept
{
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return last_error();
    return {error, std::generic_category()};
}

result<unique_fd> connect_blocking(const socket_address& address, int timeout_ms)
{
    DW_TRY(fd, start_connect(address));
    pollfd wait{fd.get(), POLLOUT, 0};
    // Interrupted: the whole time again, which is bounded by the number of signals.
    const auto ready = uninterrupted([&] { return ssize_t{::poll(&wait, 1, timeout_ms)}; });
    if (ready == 0) return fail(errc::timed_out);
    if (ready < 0) return fail(last_error());
    if (const auto error = connect_error(fd.get())) return fail(error);
    const auto flags = ::fcntl(fd.get(), F_GETFL);
    ::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK);
    return fd;
}

}  // namespace dualwrite::engine
