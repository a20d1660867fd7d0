#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/transport.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <cstdint>

namespace dualwrite::engine {

// A listening socket; several of one user may share a port.
result<unique_fd> listen_on(const socket_address& address);

std::uint16_t port_of(int fd);
void set_port(socket_address& address, std::uint16_t port) noexcept;

// Port 0 stands for any.
bool is_bound_to(int fd, const socket_address& address);

// Another process on the port would get a share of the clients, since all loops share it.
bool port_is_taken(const socket_address& address);

// A descriptor of one's own for the same socket.
unique_fd copy_of(const unique_fd& fd);

}  // namespace dualwrite::engine
