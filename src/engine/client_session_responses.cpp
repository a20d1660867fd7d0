#include "client_session.hpp"

namespace dualwrite::engine {

using protocol::envelope_header;
using protocol::envelope_header_size;
using protocol::opcode;

client_session::pending client_session::take_pending(std::int16_t stream) noexcept
{
    const auto index = static_cast<std::size_t>(stream);
    // Nobody has asked.
    if (index >= answers_due_.size() || answers_due_[index] == 0) return {};
    if (answers_due_[index] != answers_due_max) --answers_due_[index];
    if (in_flight_ != 0) --in_flight_;
    if (index >= pending_.size()) return {};
    const auto found = std::exchange(pending_[index], {});
    if (is_write(found)) --writes_in_flight_;
    return found;
}

bytes_view client_session::message_of(const envelope_header& h, bytes_view envelope)
{
    auto body = envelope.subspan(envelope_header_size);
    if ((h.flags & protocol::flag_compressed) != 0 && !to_client_.uses_segments()) {
        plain_.clear();
        if (!protocol::decompress_body(compression_, body, protocol::body_size_limit, plain_))
            return {};
        body = plain_.view();
    }
    const auto message = protocol::skip_response_prefix(h.flags, body);
    return message ? *message : bytes_view{};
}

// A large answer goes on as it comes if nothing in it concerns us.
bool client_session::stream_response(const envelope_header& h)
{
    if (h.stream < 0) return false;
    const auto index = static_cast<std::size_t>(h.stream);
    if (index < pending_.size() && pending_[index].what != pending::kind::none) return false;
    take_pending(h.stream);
    return true;
}

bytes_view client_session::take_response(const envelope_header& h, bytes_view envelope)
{
    if (h.stream < 0) return changed_event(h, envelope);
    const auto what = take_pending(h.stream);
    switch (what.what) {
    case pending::kind::none:
        break;
    case pending::kind::write:
    case pending::kind::conditional:
    case pending::kind::schema:
    case pending::kind::truncate:
        return take_write_answer(h, envelope, what);
    case pending::kind::dirty:
        return take_dirty_answer(h, envelope, what);
    case pending::kind::unreplicated:
        take_left_out_answer(h, envelope, what);
        break;
    case pending::kind::prepare:
        // Another statement's id would make all clients' writes those of this one.
        if (h.op != opcode::result || what.doubtful) break;
        learn_prepared(h, envelope, what.number);
        return without_hidden(h, envelope, what.number);
    case pending::kind::use:
        if (h.op == opcode::result) learn_keyspace(h, envelope);
        break;
    case pending::kind::options:
        if (h.op == opcode::supported) return changed_supported(h, envelope);
        break;
    case pending::kind::addresses:
        if (h.op == opcode::result) return changed_rows(h, envelope, what.number);
        break;
    case pending::kind::startup:
        if (h.op == opcode::ready || h.op == opcode::authenticate) started(h);
        if (h.op == opcode::ready) logged_in();
        break;
    case pending::kind::auth:
        if (h.op == opcode::auth_success && !login_seen_.username.empty())
            worker_.shared().learn_login(login_seen_);
        if (h.op != opcode::auth_challenge) login_seen_ = {};
        if (h.op == opcode::auth_success) logged_in();
        break;
    }
    return envelope;
}

// In version 5 all that follows this answer is in segments, in both directions.
void client_session::started(const envelope_header& h)
{
    started_ = true;
    if (h.version < 5) return;
    const bool lz4 = compression_ == protocol::compression::lz4;
    to_source_.use_segments(lz4);
    to_client_.use_segments(lz4);
}

void client_session::learn_prepared(const envelope_header& h, bytes_view envelope, std::uint64_t id)
{
    const auto message = message_of(h, envelope);
    // The id is all that is needed; the metadata may be large.
    protocol::cursor in(message);
    if (in.int_() != static_cast<std::int32_t>(protocol::result_kind::prepared)) return;
    const auto prepared_id = in.short_bytes();
    if (!in.ok() || prepared_id.empty()) return;
    auto& registry = worker_.registry();
    const auto& statement = registry.by_id(static_cast<std::uint32_t>(id));
    if (statement.tells_addresses) {
        if (auto result = protocol::parse_prepared(message, h.version))
            worker_.address_columns[statement.id] = std::move(result->result.columns);
    }
    if (registry.prepared(prepared_id) == &statement) return;
    registry.set_prepared(prepared_id, statement);
    worker_.shared().remember_prepared(prepared_id, statement.keyspace, statement.text);
}

void client_session::learn_keyspace(const envelope_header& h, bytes_view envelope)
{
    const auto message = message_of(h, envelope);
    if (const auto keyspace = protocol::parse_set_keyspace(message)) keyspace_ = *keyspace;
}

bytes_view client_session::take_write_answer(
    const envelope_header& h, bytes_view envelope, const pending& what
)
{
    auto outcome = h.op == opcode::result ? policy::outcome::applied : policy::outcome::unknown;
    if (h.op == opcode::error) {
        const auto error = protocol::parse_error(message_of(h, envelope), h.version);
        outcome = error ? policy::outcome_of(*error, !what.several) : policy::outcome::unknown;
    } else if (h.op == opcode::result && what.what == pending::kind::conditional) {
        const auto rows = protocol::parse_rows(message_of(h, envelope));
        if (rows && protocol::is_applied(*rows) == false) outcome = policy::outcome::void_;
    }
    if (what.doubtful) outcome = policy::outcome::unknown;
    if (what.what == pending::kind::conditional) transaction_answered(what, outcome);
    auto& live = worker_.live();
    if (outcome == policy::outcome::unknown) {
        live.settle_unknown(what.number, what.place);
        return envelope;
    }
    const bool applied = outcome == policy::outcome::applied;
    if (what.what == pending::kind::truncate && applied)
        return hold_if_needed(live.truncated_at_source(what.number), envelope);
    if (what.what == pending::kind::schema && applied) worker_.shared().want_shapes();
    live.settle(what.number, applied ? write_state::applied : write_state::void_);
    // Once more after a crash, it would take what was written since.
    if (what.what == pending::kind::schema) worker_.log().write_at_once();
    return applied ? hold_if_needed(what.number, envelope) : envelope;
}

bytes_view client_session::hold_if_needed(std::uint64_t lsn, bytes_view envelope)
{
    if (!worker_.must_hold(lsn)) return envelope;
    worker_.hold(lsn, *this, envelope);
    return {};
}

void client_session::take_left_out_answer(
    const envelope_header& h, bytes_view envelope, const pending& what
)
{
    const auto letter = std::move(letters_[what.number]);
    if (h.op == opcode::error) {
        const auto error = protocol::parse_error(message_of(h, envelope), h.version);
        if (error && policy::outcome_of(*error, true) == policy::outcome::void_) return;
    }
    worker_.shared().keep(*letter);
}

}  // namespace dualwrite::engine
