#include "tls_session.hpp"

#include <mbedtls/net_sockets.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace dualwrite::engine {

namespace {

constexpr std::size_t read_ahead_size = 64 * 1024;
// Plaintext that is encrypted before the socket is asked to take it.
constexpr std::size_t write_batch_size = 64 * 1024;
constexpr std::size_t record_size_max = 16 * 1024;

// Buffers of the thread, lent to the session in work: an idle session holds none.
thread_local byte_buffer spare_in;
thread_local byte_buffer spare_out;
thread_local std::array<std::byte, record_size_max> record;

thread_local mbedtls_session* handshake_in_work = nullptr;

bool wants_more(int code) noexcept
{
    return code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE;
}

bool is_new_ticket([[maybe_unused]] int code) noexcept
{
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
    return code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
#else
    return false;
#endif
}

// Copies from `parts`, without their first `skip` bytes, as much as `into` holds.
std::size_t gather(std::span<const iovec> parts, std::size_t skip, mutable_bytes into) noexcept
{
    std::size_t size = 0;
    for (const auto& part : parts) {
        if (skip >= part.iov_len) {
            skip -= part.iov_len;
            continue;
        }
        const auto take = std::min(part.iov_len - skip, into.size() - size);
        std::memcpy(into.data() + size, static_cast<const std::byte*>(part.iov_base) + skip, take);
        size += take;
        skip = 0;
        if (size == into.size()) break;
    }
    return size;
}

}  // namespace

// Lends the thread's buffers for one call. What is still in use stays with the session.
class mbedtls_session::borrowed_buffers {
public:
    explicit borrowed_buffers(mbedtls_session& session) : session_(session)
    {
        if (session_.out_.capacity() == 0) session_.out_.swap(spare_out);
        if (session_.in_.capacity() == 0) session_.in_.swap(spare_in);
    }
    ~borrowed_buffers()
    {
        if (session_.out_.empty()) give_back(session_.out_, spare_out);
        if (session_.in_used_ == session_.in_.size()) {
            session_.in_.clear();
            session_.in_used_ = 0;
            give_back(session_.in_, spare_in);
        }
    }
    borrowed_buffers(const borrowed_buffers&) = delete;

private:
    static void give_back(byte_buffer& from, byte_buffer& to) noexcept
    {
        if (to.capacity() == 0) to.swap(from);
        from.release();
    }

    mbedtls_session& session_;
};

mbedtls_session::mbedtls_session(int fd, const mbedtls_ssl_config& config) : fd_(fd)
{
    const auto code = mbedtls_ssl_setup(ssl_.get(), &config);
    if (code != 0) refuse(tls_error_text(code));
    mbedtls_ssl_set_bio(ssl_.get(), this, send_hook, receive_hook, nullptr);
}

mbedtls_session::~mbedtls_session()
{
    if (!established_ || error_) return;
    const borrowed_buffers lent(*this);
    if (flush(MSG_DONTWAIT).status != io_status::ok) return;
    if (mbedtls_ssl_close_notify(ssl_.get()) == 0) flush(MSG_DONTWAIT);
    out_.clear();
}

mbedtls_session* mbedtls_session::in_handshake() noexcept
{
    return handshake_in_work;
}

void mbedtls_session::refuse(std::string why)
{
    error_ = errc::handshake_failed;
    why_ = "TLS handshake failed: " + std::move(why);
}

int mbedtls_session::send_hook(void* self, const unsigned char* from, std::size_t size)
{
    static_cast<mbedtls_session*>(self)->out_.append(
        {reinterpret_cast<const std::byte*>(from), size}
    );
    return static_cast<int>(size);
}

int mbedtls_session::receive_hook(void* self, unsigned char* into, std::size_t size)
{
    return static_cast<mbedtls_session*>(self)->receive(into, size);
}

int mbedtls_session::receive(unsigned char* into, std::size_t size)
{
    if (in_used_ == in_.size() && read_ahead_ && may_receive_) {
        in_.clear();
        in_used_ = 0;
        const auto got = receive_from_socket(in_.extend(read_ahead_size), read_ahead_size);
        in_.truncate(got > 0 ? static_cast<std::size_t>(got) : 0);
        starved_ = got == MBEDTLS_ERR_SSL_WANT_READ;
        if (got <= 0) return got;
    }
    if (in_used_ < in_.size()) {
        const auto take = std::min(size, in_.size() - in_used_);
        std::memcpy(into, in_.data() + in_used_, take);
        in_used_ += take;
        return static_cast<int>(take);
    }
    const auto got = may_receive_ ? receive_from_socket(into, size) : MBEDTLS_ERR_SSL_WANT_READ;
    starved_ = got == MBEDTLS_ERR_SSL_WANT_READ;
    return got;
}

int mbedtls_session::receive_from_socket(void* into, std::size_t size)
{
    // What the peer must answer leaves before we wait for the answer, which may block.
    const auto flushed = flush();
    if (flushed.status == io_status::again) return MBEDTLS_ERR_SSL_WANT_WRITE;
    if (flushed.status == io_status::failed) return MBEDTLS_ERR_NET_SEND_FAILED;
    ssize_t got = 0;
    do {
        got = ::recv(fd_, into, size, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0 && first_byte_ < 0) first_byte_ = *static_cast<const unsigned char*>(into);
    if (got >= 0) return static_cast<int>(got);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return MBEDTLS_ERR_SSL_WANT_READ;
    socket_errno_ = errno;
    return MBEDTLS_ERR_NET_RECV_FAILED;
}

// Gives the socket what is in out_. `again`: it took only part.
io_result mbedtls_session::flush(int send_flags)
{
    while (out_sent_ < out_.size()) {
        const auto sent = ::send(
            fd_, out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL | send_flags
        );
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {io_status::again, 0, {}};
        if (sent < 0) {
            socket_errno_ = errno;
            return {io_status::failed, 0, {errno, std::generic_category()}};
        }
        out_sent_ += static_cast<std::size_t>(sent);
    }
    out_.clear();
    out_sent_ = 0;
    return {};
}

io_result mbedtls_session::handshake()
{
    if (error_) return broken();
    const borrowed_buffers lent(*this);
    wants_write_ = false;
    int code = 0;
    if (!established_) {
        const tls_handshake_lock lock(handshake_mutex());
        handshake_in_work = this;
        code = mbedtls_ssl_handshake(ssl_.get());
        handshake_in_work = nullptr;
    }
    if (code != 0 && !wants_more(code)) return fail_handshake(code);
    if (code == 0 && !established_) {
        established_ = true;
        read_ahead_ = true;
        on_session();
    }
    const auto flushed = flush();
    if (flushed.status == io_status::failed) return fail_handshake(MBEDTLS_ERR_NET_SEND_FAILED);
    wants_write_ = flushed.status == io_status::again;
    return {code == 0 ? flushed.status : io_status::again, 0, {}};
}

io_result mbedtls_session::read(mutable_bytes into)
{
    if (error_) return broken();
    if (!established_)
        if (const auto shaken = handshake(); shaken.status != io_status::ok) return shaken;
    const borrowed_buffers lent(*this);
    auto code = std::exchange(waiting_code_, 0);
    std::size_t size = 0;
    may_receive_ = true;
    while (code == 0 && size < into.size()) {
        starved_ = false;
        const auto got = mbedtls_ssl_read(
            ssl_.get(), reinterpret_cast<unsigned char*>(into.data()) + size, into.size() - size
        );
        if (got > 0) {
            size += static_cast<std::size_t>(got);
            may_receive_ = false;  // what the socket still has, readiness will announce
        } else if (is_new_ticket(got)) {
            on_session();
        } else if (got != MBEDTLS_ERR_SSL_WANT_READ || starved_) {
            code = got == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : got;
        }  // else it had a message of its own (a ticket) and wants to be asked again
    }
    may_receive_ = true;
    read_filled_ = code == 0;
    flush();  // an answer of the library's own; if it cannot leave, the next call tells
    if (wants_more(code)) code = 0;
    if (size > 0 || into.empty()) {
        waiting_code_ = code;
        read_filled_ |= code != 0;
        return {io_status::ok, size, {}};
    }
    if (code == 0) return {io_status::again, 0, {}};
    return fail_stream(code);
}

// Encrypts up to a batch of `parts` into out_ and adds to `size` how much that was.
int mbedtls_session::encrypt(std::span<const iovec> parts, std::size_t skip, std::size_t& size)
{
    const auto limit = size + write_batch_size;
    while (size < limit) {
        const auto filled = gather(parts, skip + size, record);
        std::size_t done = 0;
        while (done < filled) {
            const auto written = mbedtls_ssl_write(
                ssl_.get(),
                reinterpret_cast<const unsigned char*>(record.data()) + done,
                filled - done
            );
            if (written < 0) return written;
            done += static_cast<std::size_t>(written);
        }
        size += filled;
        if (filled < record.size()) break;
    }
    return 0;
}

io_result mbedtls_session::write_parts(std::span<const iovec> parts)
{
    if (error_) return broken();
    if (!established_)
        if (const auto shaken = handshake(); shaken.status != io_status::ok) return shaken;
    const borrowed_buffers lent(*this);
    std::size_t total = 0;
    for (const auto& part : parts) total += part.iov_len;
    DW_ASSERT(held_ <= total);

    auto flushed = flush();
    std::size_t taken = 0;
    while (flushed.status == io_status::ok) {
        taken += std::exchange(held_, 0);
        if (taken == total) return {io_status::ok, taken, {}};
        if (const auto code = encrypt(parts, taken, held_); code != 0) return fail_stream(code);
        flushed = flush();
    }
    if (flushed.status == io_status::failed) return fail_stream(MBEDTLS_ERR_NET_SEND_FAILED);
    return {taken > 0 ? io_status::ok : io_status::again, taken, {}};
}

std::size_t mbedtls_session::buffered() const noexcept
{
    if (!read_filled_) return 0;
    const auto known = mbedtls_ssl_get_bytes_avail(ssl_.get()) + (in_.size() - in_used_);
    return known + (waiting_code_ != 0 ? 1 : 0);
}

io_result mbedtls_session::fail_handshake(int code)
{
    flush(MSG_DONTWAIT);  // the alert that tells the peer why; it may be gone already
    out_.clear();
    out_sent_ = 0;
    if (code == MBEDTLS_ERR_NET_RECV_FAILED || code == MBEDTLS_ERR_NET_SEND_FAILED) {
        const std::error_code cause(socket_errno_, std::generic_category());
        refuse(cause.message());
        error_ = cause;
    } else {
        refuse(explain(code));
        // Came and went without a word: somebody who looks whether the port is open.
        if (code == MBEDTLS_ERR_SSL_CONN_EOF && first_byte_ < 0) error_ = errc::connection_lost;
    }
    on_handshake_failed();
    return broken();
}

io_result mbedtls_session::fail_stream(int code)
{
    if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        waiting_code_ = code;  // every later read says the same
        return {io_status::closed, 0, {}};
    }
    flush(MSG_DONTWAIT);
    out_.clear();
    out_sent_ = 0;
    if (code == MBEDTLS_ERR_NET_RECV_FAILED || code == MBEDTLS_ERR_NET_SEND_FAILED) {
        error_ = {socket_errno_, std::generic_category()};
        why_ = "connection failed: " + error_.message();
    } else {
        error_ = errc::connection_lost;
        why_ = code == MBEDTLS_ERR_SSL_CONN_EOF
                   ? "the connection ended without the end of its TLS stream: bytes may be missing"
                   : "TLS failed: " + tls_error_text(code);
    }
    return broken();
}

io_result mbedtls_session::broken() const
{
    return {io_status::failed, 0, error_};
}

}  // namespace dualwrite::engine
