#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <memory>
#include <span>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>
#include <system_error>
#include <vector>

namespace dualwrite::engine {

enum class io_status : std::uint8_t {
    ok,
    again,   // nothing to read, or no room to write: wait for readiness
    closed,  // orderly end of the peer
    failed,
};

struct io_result {
    io_status status{io_status::ok};
    std::size_t size{0};
    std::error_code error;
};

// The TLS side of a connected socket (tls.hpp). All calls are non-blocking on a non-blocking
// descriptor and blocking on a blocking one. The destructor says goodbye (close_notify) as far as
// the socket takes it at once; the descriptor must still be open then.
class tls_session {
public:
    virtual ~tls_session() = default;

    // `ok` when done. `again`: wait for writing if handshake_wants_write(), else for reading.
    virtual io_result handshake() = 0;
    virtual bool handshake_wants_write() const noexcept = 0;

    // `closed` only after the peer's close_notify: a connection that just ends is `failed`.
    virtual io_result read(mutable_bytes into) = 0;

    // `ok` with how much was taken, at least one byte; or `again` with none. What was not taken
    // must be given again unchanged, as a stream is: it may be encrypted already.
    virtual io_result write_parts(std::span<const iovec> parts) = 0;
    io_result write(bytes_view from)
    {
        const iovec part{const_cast<std::byte*>(from.data()), from.size()};
        return write_parts({&part, 1});
    }

    // Not zero: read again before waiting, no readiness event will tell. Zero after `again`.
    virtual std::size_t buffered() const noexcept = 0;

    // After `failed`: a sentence for the operator, with the flag that mends it where one does.
    virtual std::string why() const = 0;
};

// A connected socket, plain or TLS. Owned by one thread.
class transport {
public:
    transport() = default;
    explicit transport(unique_fd fd, std::unique_ptr<tls_session> tls = nullptr) noexcept
        : fd_(std::move(fd)), tls_(std::move(tls))
    {
    }
    transport(transport&&) noexcept = default;
    transport& operator=(transport&& other) noexcept
    {
        if (this == &other) return *this;
        close();  // the session writes its goodbye before its descriptor goes
        fd_ = std::move(other.fd_);
        tls_ = std::move(other.tls_);
        return *this;
    }

    int fd() const noexcept { return fd_.get(); }
    bool is_open() const noexcept { return static_cast<bool>(fd_); }
    bool encrypted() const noexcept { return tls_ != nullptr; }
    void close() noexcept
    {
        tls_.reset();
        fd_.reset();
    }

    // `ok` when there is nothing left to do.
    io_result handshake() { return tls_ ? tls_->handshake() : io_result{}; }
    bool handshake_wants_write() const noexcept { return tls_ && tls_->handshake_wants_write(); }
    std::size_t buffered() const noexcept { return tls_ ? tls_->buffered() : 0; }
    std::string why() const { return tls_ ? tls_->why() : std::string(); }

    io_result read(mutable_bytes into);
    // Writes as much as goes, in one gathered call: `ok` with how much that was, or `again`.
    io_result write(std::span<const iovec> parts);

private:
    unique_fd fd_;
    std::unique_ptr<tls_session> tls_;
};

struct socket_address {
    sockaddr_storage storage{};
    socklen_t size{0};
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    std::string text() const;  // "127.0.0.1:9042", "[::1]:9042"
};

// Blocking. All addresses of a host name, in the resolver's order.
result<std::vector<socket_address>> resolve(const std::string& host, std::uint16_t port);

// After so long without a sign of it, a peer is given up that is gone without a word: its power or
// its network is.
inline constexpr std::int64_t lost_peer_limit_ms = 120'000;

// Begins a non-blocking connect; readiness for writing tells that it ended, connect_error() how.
// The peer is a server: what it does not take for `lost_after_ms` ends the connection too.
result<unique_fd>
start_connect(const socket_address& address, std::int64_t lost_after_ms = lost_peer_limit_ms);
std::error_code connect_error(int fd) noexcept;

// No delay for small writes; keepalive, so that a silent peer that vanished is noticed (tcp(7)).
// Sockets that were connected here have it already.
void tune(int fd, std::int64_t lost_after_ms) noexcept;

// Blocking, bounded by `timeout_ms`. The descriptor that comes back is blocking.
result<unique_fd> connect_blocking(const socket_address& address, int timeout_ms);

}  // namespace dualwrite::engine
