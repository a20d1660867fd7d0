#pragma once

// Brings writes to one cluster, each until it is there.

#include <dualwrite/protocol/error_response.hpp>
#include <dualwrite/protocol/handshake.hpp>
#include <dualwrite/protocol/stream_ids.hpp>

#include <cstdio>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "net.hpp"

namespace example {

namespace protocol = dualwrite::protocol;

// Independent of the connection that it came on: the text names its keyspace, the write time is in
// the body. So it may be sent twice, late and in any order.
struct mutation {
    protocol::opcode op{protocol::opcode::query};
    dualwrite::byte_buffer body;
    std::string table;
    bool several{false};  // it may write more than one partition
};

enum class verdict { done, again, never };

class cluster_writer {
public:
    // What an answer means; no error: the cluster has it.
    using judge = std::function<verdict(const mutation&, const protocol::error_view*)>;
    using receiver = std::function<void(mutation&&, verdict, std::string_view why)>;

    cluster_writer(poller& on, std::uint16_t port, judge what, receiver finished)
        : poller_(on), port_(port), judge_(std::move(what)), finished_(std::move(finished))
    {
    }

    std::size_t backlog() const noexcept
    {
        return waiting_.size() + later_.size() + in_flight_.size();
    }

    void push(mutation&& its)
    {
        waiting_.push_back(std::move(its));
        pump();
    }

    // Now and then, between turns: connects when there is something to do, and tries again.
    void tick(std::int64_t now_ms)
    {
        if (now_ms < next_ms_) return;
        next_ms_ = now_ms + 100;
        for (auto& its : later_) waiting_.push_back(std::move(its));
        later_.clear();
        if (ended_) connection_.reset();
        if (connection_ || waiting_.empty()) return pump();
        const int fd = connect_to(port_);
        if (fd < 0) return;
        start(fd);
    }

private:
    void start(int fd)
    {
        ended_ = ready_ = false;
        decoder_.emplace();
        encoder_.emplace();
        ids_.emplace(std::size_t{1024});
        handshake_.emplace(protocol::handshake_options{.versions = {4}});
        connection_ = std::make_unique<stream>(
            poller_, fd, [this](dualwrite::bytes_view in) { on_bytes(in); }, [this] { on_end(); }
        );
        follow(handshake_->start());
    }

    // Bytes in, decision out: the handshake knows no socket.
    void follow(const protocol::handshake_action& action)
    {
        using kind = protocol::handshake_action::kind;
        protocol::apply_framing(action, *encoder_, *decoder_);
        if (action.what == kind::send)
            send(action.envelope.header, action.envelope.body);
        else if (action.what == kind::ready)
            ready_ = true;
        else {
            std::fprintf(stderr, "port %d: %s\n", port_, action.text.c_str());
            connection_->close();
            on_end();
        }
    }

    void send(const protocol::envelope_header& header, dualwrite::bytes_view body)
    {
        scratch_.clear();
        encoder_->append(scratch_, header, body);
        connection_->send(scratch_.view());
    }

    void pump()
    {
        while (ready_ && !waiting_.empty()) {
            const auto id = ids_->take();
            if (!id) return;
            auto& slot = in_flight_[*id] = std::move(waiting_.front());
            waiting_.pop_front();
            send({.version = 4, .stream = *id, .op = slot.op}, slot.body.view());
        }
    }

    void on_bytes(dualwrite::bytes_view in)
    {
        decoder_->feed(in);
        for (;;) {
            const auto next = decoder_->next();
            if (!next) {
                connection_->close();
                return on_end();
            }
            if (!*next) break;
            if (ready_)
                on_answer(**next);
            else
                follow(handshake_->on_envelope(**next));
            if (ended_) return;
        }
        pump();
    }

    void on_answer(const protocol::envelope_view& answer)
    {
        const auto found = in_flight_.find(answer.header.stream);
        if (found == in_flight_.end()) return;
        auto its = std::move(found->second);
        in_flight_.erase(found);
        ids_->give_back(answer.header.stream);
        std::optional<protocol::error_view> error;
        if (answer.header.op == protocol::opcode::error) {
            const auto message = protocol::skip_response_prefix(answer.header.flags, answer.body);
            if (!message) return again(std::move(its));
            const auto parsed = protocol::parse_error(*message, 4);
            if (!parsed) return again(std::move(its));
            error = *parsed;
        }
        const auto what = judge_(its, error ? &*error : nullptr);
        if (what == verdict::again) return again(std::move(its));
        finished_(std::move(its), what, error ? error->message : std::string_view());
    }

    void again(mutation&& its) { later_.push_back(std::move(its)); }

    // What was on its way may have arrived. Sending it again does no harm.
    void on_end()
    {
        ended_ = true;
        ready_ = false;
        for (auto& [id, its] : in_flight_) waiting_.push_back(std::move(its));
        in_flight_.clear();
    }

    poller& poller_;
    std::uint16_t port_;
    judge judge_;
    receiver finished_;
    std::deque<mutation> waiting_;
    std::deque<mutation> later_;  // not before the next tick
    std::unordered_map<std::int16_t, mutation> in_flight_;
    std::unique_ptr<stream> connection_;
    std::optional<protocol::client_handshake> handshake_;
    std::optional<protocol::envelope_decoder> decoder_;
    std::optional<protocol::envelope_encoder> encoder_;
    std::optional<protocol::stream_ids> ids_;
    dualwrite::byte_buffer scratch_;
    bool ready_{false};
    bool ended_{false};
    std::int64_t next_ms_{0};
};

}  // namespace example
