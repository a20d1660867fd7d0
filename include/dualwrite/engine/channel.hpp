#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/engine/loop.hpp>
#include <dualwrite/engine/transport.hpp>

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace dualwrite::engine {

// A socket of the data plane: one read and one gathered write per turn of its loop.
//
// What was read is handed out as one contiguous view; what the owner does not consume comes again,
// with more behind it. What is sent is kept as views until the end of the turn.
//
// Threads: the loop's. The owner must not destroy it from one of its callbacks: see
// loop::destroy_later().
class channel : private io_handler, private flush_handler {
public:
    explicit channel(loop& on) noexcept : loop_(on) {}
    channel(const channel&) = delete;

    enum class state : std::uint8_t { closed, connecting, securing, open };
    state where() const noexcept { return state_; }
    bool is_open() const noexcept { return state_ == state::open; }

    // Takes over a socket that is connected, or (`connecting`) whose connect is under way. With TLS
    // the handshake follows. on_open() tells when bytes may be sent.
    void start(transport socket, bool connecting);

    // `bytes` must stay valid until the turn has been flushed: turn space, or memory that lives as
    // long. Contiguous pieces become one.
    void send(bytes_view bytes);
    // Copied, so free to go at once.
    void send_copy(bytes_view bytes);
    // Bytes that the peer's slowness has left here.
    std::size_t backlog() const noexcept { return backlog_.size() - backlog_sent_; }
    // A message has begun and is not complete.
    bool has_partial() const noexcept { return !partial_.empty(); }
    bool has_unsent() const noexcept { return !parts_.empty() || backlog() != 0; }

    void pause_reading(bool paused);
    // What the message that has begun will take in memory, all in all; 0: none has, or a small one.
    // Where the loop's budget has no room for it, nothing is read until admit_expected().
    void expect(std::size_t size);
    // True: it has room now.
    bool admit_expected();
    bool is_starved() const noexcept { return starved_; }
    // After on_close() with an error: what the TLS layer says of it, with the flag that mends it;
    // empty if it has nothing to say.
    const std::string& why() const noexcept { return why_; }

    bool reading_paused() const noexcept { return paused_ || starved_; }
    // When the peer took the last byte of a backlog that is still there.
    std::int64_t backlog_moved_ms() const noexcept { return backlog_moved_ms_; }
    // Closes when all that was sent has left, then calls on_close(). Nothing is read any more.
    void close_when_sent();
    // At once, without a callback.
    void close() noexcept;

protected:
    ~channel() { close(); }
    loop& on() const noexcept { return loop_; }

    virtual void on_open() = 0;
    // Returns how many bytes were consumed. `wanted` may be set to the size that the view must have
    // for the next call to make sense; 0: any growth. The view is valid until the turn is flushed.
    virtual std::size_t on_bytes(bytes_view bytes, std::size_t& wanted) = 0;
    // The peer closed (no error), or the connection broke. The channel is closed already.
    virtual void on_close(std::error_code error) = 0;
    // The backlog has shrunk to nothing after it had been there.
    virtual void on_drained() {}

private:
    void on_io(std::uint32_t events) override;
    void on_flush() override;
    void secure();
    bool finish_connect();
    void read_some();
    bool read_once();
    io_result fill(bytes_view& view);
    bool deliver(bytes_view view);
    void keep(bytes_view rest, std::size_t wanted);
    bool write_backlog();
    void keep_unsent(std::size_t sent);
    void update_interest();
    void resume_reading();
    void count_memory() noexcept;
    void forget_expected() noexcept;
    bool memory_is_short() const noexcept;
    void fail_with(std::error_code error);

    loop& loop_;
    transport socket_;
    state state_{state::closed};
    std::string why_;
    bool paused_{false};
    bool closing_{false};
    bool starved_{false};
    std::size_t expected_{0};  // admitted, unless starved_
    std::size_t counted_{0};   // in the budget, beside expected_
    std::int64_t backlog_moved_ms_{0};
    std::uint32_t interest_{0};

    std::vector<iovec> parts_;
    byte_buffer backlog_;
    std::size_t backlog_sent_{0};
    byte_buffer partial_;    // what was not consumed
    byte_buffer delivered_;  // a partial_ that was handed out, until the flush
    std::size_t wanted_{0};
};

}  // namespace dualwrite::engine
