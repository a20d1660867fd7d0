#pragma once

#include <dualwrite/engine/channel.hpp>
#include <dualwrite/protocol/framing.hpp>
#include <dualwrite/protocol/handshake.hpp>
#include <dualwrite/protocol/response.hpp>
#include <dualwrite/protocol/stream_ids.hpp>
#include <dualwrite/replication/target_request.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dualwrite::engine {

class cluster_link;

// Who sent a request and for what: comes back with the answer.
struct link_request {
    class link_user* user{nullptr};  // null: the link's own
    std::uint64_t lsn{0};
    std::uint32_t statement{0};  // of the link's own PREPARE
    std::int64_t sent_ms{0};
};

// Gets the answers to what it sent through a link.
class link_user {
public:
    // `message` is the body behind its prefix.
    virtual void on_answer(
        cluster_link& from,
        const link_request& request,
        const protocol::envelope_header& header,
        bytes_view message
    ) = 0;
    // The connection broke before the answer came: the request may or may not have been executed.
    virtual void on_lost(const link_request& request) = 0;
    // A PREPARE that on_answer() was waiting for has ended, one way or the other.
    virtual void on_prepared(std::uint64_t lsn) = 0;

protected:
    ~link_user() = default;
};

// What a pool tells its links, and hears from them.
class link_owner {
public:
    virtual void on_link_ready(cluster_link& link) = 0;
    // Refused or broken; `why` is for the log. The link is closed.
    // `version` is not 0 where the next attempt has to begin with that one.
    virtual void on_link_down(cluster_link& link, const std::string& why, std::uint8_t version) = 0;

protected:
    ~link_owner() = default;
};

// One connection of our own to a node of the source or of the target: handshake, pipelined
// requests, the node's prepared ids. Threads: the loop's.
class cluster_link final : public channel {
public:
    static constexpr std::size_t streams = 2048;

    cluster_link(loop& on, link_owner& owner);
    ~cluster_link();

    // `socket` has a connect under way.
    void connect(transport socket, protocol::handshake_options options, std::uint8_t version);
    bool is_ready() const noexcept { return ready_; }
    // The last connect failed because the node did not let this user in, or wanted one.
    bool login_refused() const noexcept { return login_refused_; }
    std::size_t in_flight() const noexcept { return streams_.in_use(); }
    std::uint8_t version() const noexcept { return version_; }
    // Room for one more request.
    bool has_room() const noexcept { return ready_ && in_flight() < limit_; }
    // The peer is overloaded, or has recovered a little: fewer or more requests at a time.
    void slow_down() noexcept { limit_ = std::max<std::size_t>(limit_ / 2, 4); }
    void speed_up() noexcept
    {
        if (limit_ < streams) ++limit_;
    }

    enum class preparation : std::uint8_t { missing, asked, ready, refused };
    preparation state_of(std::uint32_t statement) const noexcept;
    replication::prepared_at prepared(std::uint32_t statement) const noexcept;
    // Why the node refused to prepare it: code and text.
    const std::pair<protocol::error_code, std::string>& refusal(std::uint32_t statement) const;
    // Asks for it unless that was done. `user` is told when the answer is in.
    void prepare(const replication::statement& statement, link_user& user, std::uint64_t lsn);
    // What the node said of it counts no more: it is asked again.
    void forget(std::uint32_t statement);

    // Begins a request; its body is to be appended to the returned buffer, then finish_request().
    byte_buffer& begin_request(const link_request& request);
    void finish_request(protocol::opcode op);
    // Drops what begin_request() began.
    void cancel_request();
    std::size_t unsent_size() const noexcept { return out_.size() + payload_.size(); }
    // Hands everything that was finished to the socket.
    void flush_requests();

    // Closes the connection for a reason of the owner's.
    void give_up(const std::string& why) { down(why); }
    // The same if an answer is overdue.
    void check_timeouts(std::int64_t now_ms, std::int64_t limit_ms);
    // After so long without a request: asks something, so that nobody in between takes the
    // connection for a dead one, and a dead one is found.
    void keep_alive(std::int64_t now_ms, std::int64_t idle_ms);

private:
    struct statement_state {
        preparation state{preparation::missing};
        const replication::statement* statement{nullptr};
        std::string id;
        std::string result_metadata_id;
        std::pair<protocol::error_code, std::string> refusal;
        std::vector<std::pair<link_user*, std::uint64_t>> waiting;
    };

    void on_open() override;
    std::size_t on_bytes(bytes_view bytes, std::size_t& wanted) override;
    void on_close(std::error_code error) override;
    bool on_envelope(const protocol::envelope_view& envelope);
    bool on_handshake(const protocol::envelope_view& envelope);
    void on_prepare_answer(
        std::uint32_t id, const protocol::envelope_header& header, bytes_view message
    );
    bool act(const protocol::handshake_action& action);
    void send_now(const protocol::envelope_view& envelope);
    void down(const std::string& why, std::uint8_t version = 0);

    link_owner& owner_;
    std::optional<protocol::client_handshake> handshake_;
    bool opened_{false};
    bool ready_{false};
    bool login_refused_{false};
    std::uint8_t version_{4};
    protocol::envelope_decoder decoder_;
    protocol::envelope_encoder encoder_;  // of the handshake
    bool segments_{false};
    bool lz4_{false};

    protocol::stream_ids streams_{streams};
    std::vector<link_request> requests_;  // by stream id
    std::size_t limit_{256};
    std::int64_t used_ms_{0};
    std::vector<statement_state> statements_;  // by registry id

    byte_buffer out_;      // ready for the socket, kept until the flush
    byte_buffer payload_;  // envelopes of the segment in work
    std::size_t begun_at_{0};
    std::int16_t begun_stream_{0};
};

}  // namespace dualwrite::engine
