#include "cluster_link.hpp"

#include <utility>

namespace dualwrite::engine {

namespace {

constexpr std::uint32_t no_statement = UINT32_MAX;

}  // namespace

using protocol::envelope_view;
using protocol::handshake_action;
using protocol::opcode;

cluster_link::cluster_link(loop& on, link_owner& owner)
    : channel(on), owner_(owner), requests_(streams)
{
}

cluster_link::~cluster_link() = default;

void cluster_link::connect(
    transport socket, protocol::handshake_options options, std::uint8_t version
)
{
    handshake_.emplace(std::move(options), version);
    version_ = handshake_->version();
    decoder_ = protocol::envelope_decoder();
    encoder_ = protocol::envelope_encoder();
    segments_ = lz4_ = ready_ = opened_ = login_refused_ = false;
    start(std::move(socket), true);
}

void cluster_link::on_open()
{
    opened_ = true;
    act(handshake_->start());
}

void cluster_link::send_now(const envelope_view& envelope)
{
    byte_buffer wire;
    encoder_.append(wire, envelope.header, envelope.body);
    send_copy(wire.view());
}

// False: the connection is gone.
bool cluster_link::act(const handshake_action& action)
{
    // The answer to STARTUP decides how what follows is framed, our next envelope included.
    protocol::apply_framing(action, encoder_, decoder_);
    if (action.use_segments) {
        segments_ = true;
        lz4_ = action.lz4;
    }
    switch (action.what) {
    case handshake_action::kind::send:
        send_now(action.envelope);
        return true;
    case handshake_action::kind::ready:
        ready_ = true;
        used_ms_ = on().steady_ms();
        owner_.on_link_ready(*this);
        return true;
    case handshake_action::kind::retry_version:
        down("protocol version " + std::to_string(version_) + " is not offered", action.version);
        return false;
    case handshake_action::kind::failed:
        login_refused_ = action.error == make_error_code(errc::authentication_failed);
        down(action.error.message() + (action.text.empty() ? "" : ": ") + action.text);
        return false;
    }
    return false;
}

std::size_t cluster_link::on_bytes(bytes_view bytes, std::size_t&)
{
    decoder_.feed(bytes);
    for (;;) {
        const auto next = decoder_.next();
        if (!next) {
            down("what it sent is not CQL: " + next.error().message());
            break;
        }
        if (!*next || !on_envelope(**next)) break;
    }
    return bytes.size();
}

void cluster_link::on_close(std::error_code error)
{
    // Some servers close where they do not know the version.
    if (handshake_ && opened_ && !ready_) act(handshake_->on_unreadable(error));
    if (!why().empty()) return down(why());
    down(error ? error.message() : "the server closed the connection");
}

bool cluster_link::on_envelope(const envelope_view& envelope)
{
    if (!ready_) return act(handshake_->on_envelope(envelope));
    const auto stream = envelope.header.stream;
    if (stream < 0) return true;  // an event; nothing was registered for
    const auto message = protocol::skip_response_prefix(envelope.header.flags, envelope.body);
    if (!message || !streams_.give_back(stream)) {
        down("an answer that belongs to no request");
        return false;
    }
    const auto request = std::exchange(requests_[static_cast<std::size_t>(stream)], {});
    if (request.user != nullptr)
        request.user->on_answer(*this, request, envelope.header, *message);
    else if (request.statement != no_statement)
        on_prepare_answer(request.statement, envelope.header, *message);
    return where() != state::closed;
}

cluster_link::preparation cluster_link::state_of(std::uint32_t statement) const noexcept
{
    return statement < statements_.size() ? statements_[statement].state : preparation::missing;
}

replication::prepared_at cluster_link::prepared(std::uint32_t statement) const noexcept
{
    const auto& its = statements_[statement];
    return {its.statement, as_bytes(its.id), as_bytes(its.result_metadata_id)};
}

const std::pair<protocol::error_code, std::string>& cluster_link::refusal(std::uint32_t statement
) const
{
    return statements_.at(statement).refusal;
}

void cluster_link::prepare(
    const replication::statement& statement, link_user& user, std::uint64_t lsn
)
{
    if (statement.id >= statements_.size()) statements_.resize(statement.id + 1);
    auto& its = statements_[statement.id];
    its.waiting.emplace_back(&user, lsn);
    if (its.state == preparation::asked) return;
    its.state = preparation::asked;
    its.statement = &statement;
    auto& body = begin_request({nullptr, 0, statement.id, on().steady_ms()});
    protocol::append_prepare_body(body, version_, statement.target_text);
    finish_request(opcode::prepare);
}

void cluster_link::on_prepare_answer(
    std::uint32_t id, const protocol::envelope_header& header, bytes_view message
)
{
    auto& its = statements_[id];
    its.state = preparation::refused;
    its.refusal = {protocol::error_code::server_error, "unreadable answer"};
    if (header.op == opcode::error) {
        if (const auto error = protocol::parse_error(message, header.version))
            its.refusal = {error->code, std::string(error->message)};
    } else if (const auto made = protocol::parse_prepared(message, header.version)) {
        its.state = preparation::ready;
        its.id = as_text(made->id);
        its.result_metadata_id = as_text(made->result_metadata_id);
    }
    for (const auto& [user, lsn] : std::exchange(its.waiting, {})) user->on_prepared(lsn);
}

void cluster_link::forget(std::uint32_t statement)
{
    const auto now = state_of(statement);
    if (now == preparation::ready || now == preparation::refused)
        statements_[statement].state = preparation::missing;
}

byte_buffer& cluster_link::begin_request(const link_request& request)
{
    const auto stream = streams_.take();
    DW_ASSERT(stream);  // has_room()
    begun_stream_ = *stream;
    used_ms_ = request.sent_ms;
    requests_[static_cast<std::size_t>(*stream)] = request;
    auto& into = segments_ ? payload_ : out_;
    begun_at_ = protocol::begin_envelope(into);
    return into;
}

void cluster_link::cancel_request()
{
    (segments_ ? payload_ : out_).truncate(begun_at_);
    requests_[static_cast<std::size_t>(begun_stream_)] = {};
    streams_.give_back(begun_stream_);
}

void cluster_link::finish_request(opcode op)
{
    auto& into = segments_ ? payload_ : out_;
    protocol::finish_envelope(
        into, begun_at_, {.version = version_, .stream = begun_stream_, .op = op}
    );
    if (!segments_ || payload_.size() <= protocol::segment_payload_max) return;
    // What came before fits into one segment, the new one begins the next.
    if (begun_at_ != 0) {
        protocol::append_as_segments(out_, payload_.view().first(begun_at_), lz4_);
        payload_.consume(begun_at_);
    }
    if (payload_.size() <= protocol::segment_payload_max) return;
    protocol::append_as_segments(out_, payload_.view(), lz4_);
    payload_.clear();
}

void cluster_link::flush_requests()
{
    if (!payload_.empty()) protocol::append_as_segments(out_, payload_.view(), lz4_);
    payload_.clear();
    if (out_.empty()) return;
    send_copy(out_.view());
    out_.clear();
}

void cluster_link::check_timeouts(std::int64_t now_ms, std::int64_t limit_ms)
{
    if (in_flight() == 0) return;
    for (const auto& request : requests_) {
        if (request.sent_ms == 0 || now_ms - request.sent_ms < limit_ms) continue;
        return down("no answer within " + std::to_string(limit_ms) + " ms");
    }
}

void cluster_link::keep_alive(std::int64_t now_ms, std::int64_t idle_ms)
{
    if (!ready_ || in_flight() != 0 || now_ms - used_ms_ < idle_ms) return;
    begin_request({nullptr, 0, no_statement, now_ms});
    finish_request(opcode::options);
}

void cluster_link::down(const std::string& why, std::uint8_t version)
{
    close();
    if (!handshake_) return;  // told already
    handshake_.reset();
    ready_ = false;
    out_.clear();
    payload_.clear();
    streams_ = protocol::stream_ids(streams);
    std::vector<link_request> lost(streams);
    lost.swap(requests_);
    auto statements = std::exchange(statements_, {});
    for (const auto& request : lost)
        if (request.user != nullptr) request.user->on_lost(request);
    for (const auto& its : statements)
        for (const auto& [user, lsn] : its.waiting) user->on_prepared(lsn);
    owner_.on_link_down(*this, why, version);
}

}  // namespace dualwrite::engine
