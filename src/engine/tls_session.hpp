#pragma once

#include <dualwrite/engine/transport.hpp>

#include <string>

#include "tls_library.hpp"

namespace dualwrite::engine {

using tls_state = tls_object<mbedtls_ssl_context, mbedtls_ssl_init, mbedtls_ssl_free>;

// A TLS connection over a socket, either end. mbedTLS sees memory only: what it sends is gathered
// and leaves in one call, what the socket has is read in one call. A socket that takes only part
// leaves ciphertext behind, and the plaintext in it is not reported as written until it is gone:
// so a caller who waits for room whenever something is left over never forgets a byte.
//
// Invariants:
//   T1  out_ is empty, or the last call asked the caller to come again, or it holds an answer of
//   the
//       library's own (an alert, a key update), which leaves with the next call
//   T2  the first held_ bytes of the next write are encrypted already
class mbedtls_session : public tls_session {
public:
    mbedtls_session(int fd, const mbedtls_ssl_config& config);
    ~mbedtls_session() override;
    mbedtls_session(const mbedtls_session&) = delete;

    io_result handshake() override;
    bool handshake_wants_write() const noexcept override { return wants_write_; }
    io_result read(mutable_bytes into) override;
    io_result write_parts(std::span<const iovec> parts) override;
    std::size_t buffered() const noexcept override;
    std::string why() const override { return why_; }

    // The one whose handshake this thread is computing: the server's hooks for tickets and cached
    // sessions are not told, and mbedTLS has no way to ask whether a session was resumed.
    static mbedtls_session* in_handshake() noexcept;
    void set_resumed() noexcept { resumed_ = true; }

protected:
    bool resumed() const noexcept { return resumed_; }
    // The session cannot be used: every call fails, and why() says this.
    void refuse(std::string why);
    mbedtls_ssl_context& ssl() noexcept { return *ssl_.get(); }
    int fd() const noexcept { return fd_; }
    // The first byte that the peer sent, or -1: tells TLS from other protocols.
    int first_byte() const noexcept { return first_byte_; }

    // The handshake ended well, or (TLS 1.3) a ticket came later.
    virtual void on_session() = 0;
    virtual void on_handshake_failed() {}
    virtual std::mutex& handshake_mutex() noexcept = 0;
    // A sentence about a handshake that failed with `code`.
    virtual std::string explain(int code) const = 0;

private:
    class borrowed_buffers;
    static int send_hook(void* self, const unsigned char* from, std::size_t size);
    static int receive_hook(void* self, unsigned char* into, std::size_t size);
    int receive(unsigned char* into, std::size_t size);
    int receive_from_socket(void* into, std::size_t size);

    io_result flush(int send_flags = 0);
    io_result fail_handshake(int code);
    io_result fail_stream(int code);
    io_result broken() const;
    int encrypt(std::span<const iovec> parts, std::size_t skip, std::size_t& size);

    tls_state ssl_;
    int fd_;
    std::string why_;
    std::error_code error_;  // set once the session is of no more use

    byte_buffer out_;          // ciphertext that the socket has not taken
    std::size_t out_sent_{0};  // of it
    std::size_t held_{0};
    byte_buffer in_;          // ciphertext that was read ahead
    std::size_t in_used_{0};  // of it

    int socket_errno_{0};
    int first_byte_{-1};
    int waiting_code_{0};  // an end that a read found behind bytes that it returned
    bool established_{false};
    bool resumed_{false};
    bool wants_write_{false};
    bool read_ahead_{false};
    bool may_receive_{true};
    bool starved_{false};      // mbedTLS asked for bytes that are not there
    bool read_filled_{false};  // the last read stopped because its buffer was full
};

}  // namespace dualwrite::engine
