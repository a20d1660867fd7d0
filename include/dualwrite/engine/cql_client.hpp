#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/asio_coroutines.hpp>
#include <dualwrite/engine/endpoint.hpp>
#include <dualwrite/engine/tls.hpp>
#include <dualwrite/engine/transport.hpp>
#include <dualwrite/protocol/handshake.hpp>
#include <dualwrite/protocol/request_build.hpp>
#include <dualwrite/protocol/stream_ids.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

// A CQL client of our own on Asio, for jobs and refreshes: one thread, many requests in flight.

namespace dualwrite::engine {

// Why a request or a connection failed.
struct cql_failure {
    std::error_code error;   // errc::server_error: the rest is what the server said
    std::uint32_t code{0};   // protocol::error_code
    std::string text;        // untrusted
    std::string write_type;  // of a write timeout

    explicit operator bool() const noexcept { return static_cast<bool>(error); }
    // "unavailable (0x1000): Cannot achieve ..." or "connection lost". Never with bound values.
    std::string describe() const;
};

// Where the answer to one request goes. Called once, on the connection's thread, from inside its
// read loop or close(): it must not destroy the connection.
class response_sink {
public:
    // `message` is the body behind the prefix, valid during the call. Never ERROR.
    virtual void on_response(protocol::opcode op, bytes_view message) = 0;
    virtual void on_failure(const cql_failure& failure) = 0;

protected:
    ~response_sink() = default;
};

// What answers said that their requests have cost: protocol/request_charge.hpp.
struct cql_charges {
    double units{0};
    std::uint64_t answers{0};
};

// Whom to connect to and as whom.
struct cql_login {
    endpoint to;
    std::shared_ptr<tls_client_context> tls;  // null: plain
    std::uint8_t version{0};                  // 0: the best that both speak
    std::chrono::milliseconds connect_limit{10'000};
    std::shared_ptr<cql_charges> charges{};  // null: not counted
    bool is_peer{false};  // another node told its address, which its certificate may name
};

// One connection. All requests of one turn of the io_context leave in one write.
//
// Threads: that of its executor.
class cql_connection : public std::enable_shared_from_this<cql_connection> {
public:
    // Connects, negotiates the version, logs in. Null: see `why`.
    static asio::awaitable<std::shared_ptr<cql_connection>>
    open(asio::any_io_executor executor, socket_address at, cql_login login, cql_failure& why);

    ~cql_connection();
    cql_connection(const cql_connection&) = delete;

    bool is_open() const noexcept { return open_; }
    std::uint8_t version() const noexcept { return version_; }
    std::size_t in_flight() const noexcept { return streams_.in_use(); }
    bool has_room() const noexcept { return open_ && streams_.in_use() < streams_.count(); }

    // Starts a request whose body `append(byte_buffer&)` writes. Without an answer after `limit`
    // the sink fails with errc::timed_out, and what comes later is dropped. False, and no call of
    // the sink: the connection is closed or has no stream id left.
    template <class Append>
    bool
    send(protocol::opcode op, response_sink& sink, std::chrono::milliseconds limit, Append&& append)
    {
        const auto stream = open_ ? streams_.take() : std::nullopt;
        if (!stream) return false;
        const auto begin = protocol::begin_envelope(envelopes_);
        append(envelopes_);
        protocol::finish_envelope(
            envelopes_, begin, {.version = version_, .stream = *stream, .op = op}
        );
        envelope_ends_.push_back(envelopes_.size());
        expect(*stream, sink, limit);
        return true;
    }

    // Whoever waits under this name does not any more.
    void forget(const response_sink& sink) noexcept;

    // Fails all that is open with `error`. Idempotent.
    void close(std::error_code error);

private:
    struct pending {
        response_sink* sink{nullptr};  // null: nobody waits any more
        std::chrono::steady_clock::time_point deadline{};
    };

    cql_connection(asio::any_io_executor executor, std::uint8_t version);

    asio::awaitable<bool> connect(socket_address at, cql_login login, cql_failure& why);
    asio::awaitable<bool> secure(cql_failure& why);
    // The version to try instead; 0: see `why`, which is empty after success.
    asio::awaitable<std::uint8_t> log_in(cql_login login, cql_failure& why);
    asio::awaitable<bool> next_envelope(protocol::envelope_view& out, cql_failure& why);
    asio::awaitable<io_result> read_some();
    static asio::awaitable<void> read_loop(std::shared_ptr<cql_connection> self);
    static asio::awaitable<void> watch_deadlines(std::shared_ptr<cql_connection> self);

    void expect(std::int16_t stream, response_sink& sink, std::chrono::milliseconds limit);
    bool deliver_all();
    bool deliver(const protocol::envelope_view& in);
    void count_charge(const protocol::envelope_view& in) noexcept;
    void frame_envelopes();
    void flush();
    void wait_for_room();

    asio::any_io_executor executor_;
    std::shared_ptr<cql_charges> charges_;
    asio::posix::stream_descriptor descriptor_;
    asio::steady_timer deadline_timer_;
    transport socket_;
    std::uint8_t version_;
    bool open_{false};
    bool segments_{false};

    protocol::envelope_decoder decoder_;
    protocol::envelope_encoder encoder_;
    byte_buffer read_buffer_;

    protocol::stream_ids streams_;
    std::vector<pending> pending_;

    byte_buffer envelopes_;  // of this turn
    std::vector<std::size_t> envelope_ends_;
    byte_buffer wire_;  // framed, not yet written
    std::size_t wire_sent_{0};
    bool flush_posted_{false};
    bool waiting_for_room_{false};
};

// A whole answer, owned.
struct cql_reply {
    protocol::opcode op{protocol::opcode::error};
    byte_buffer message;
};

// Asks and waits. Empty: see `why`.
asio::awaitable<std::optional<cql_reply>>
ask(std::shared_ptr<cql_connection> connection,
    protocol::opcode op,
    byte_buffer body,
    std::chrono::milliseconds limit,
    cql_failure& why);

}  // namespace dualwrite::engine
