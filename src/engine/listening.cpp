#include "listening.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace dualwrite::engine {

namespace {

constexpr int listen_backlog = 1024;

in_port_t& port_in(sockaddr_storage& storage) noexcept
{
    return storage.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(storage).sin6_port
                                         : reinterpret_cast<sockaddr_in&>(storage).sin_port;
}

sockaddr_storage name_of(int fd) noexcept
{
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
    return storage;
}

}  // namespace

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
    auto name = name_of(fd);
    return ntohs(port_in(name));
}

void set_port(socket_address& address, std::uint16_t port) noexcept
{
    port_in(address.storage) = htons(port);
}

bool is_bound_to(int fd, const socket_address& address)
{
    if (fd < 0) return false;
    const auto name = name_of(fd);
    auto wanted = address.storage;
    if (name.ss_family != wanted.ss_family) return false;
    if (port_in(wanted) != 0 && ntohs(port_in(wanted)) != port_of(fd)) return false;
    if (name.ss_family == AF_INET6)
        return std::memcmp(
                   &reinterpret_cast<const sockaddr_in6&>(name).sin6_addr,
                   &reinterpret_cast<const sockaddr_in6&>(wanted).sin6_addr,
                   sizeof(in6_addr)
               ) == 0;
    return reinterpret_cast<const sockaddr_in&>(name).sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in&>(wanted).sin_addr.s_addr;
}

bool port_is_taken(const socket_address& address)
{
    unique_fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return fd && ::bind(fd.get(), address.get(), address.size) != 0;
}

unique_fd copy_of(const unique_fd& fd)
{
    return unique_fd(fd ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0) : -1);
}

}  // namespace dualwrite::engine
