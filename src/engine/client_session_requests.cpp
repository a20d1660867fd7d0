#include <dualwrite/policy/statement.hpp>

#include "client_session.hpp"

namespace dualwrite::engine {

using protocol::envelope_header;
using protocol::envelope_header_size;
using protocol::error_code;
using protocol::opcode;

namespace {

// Of what is kept by stream id: grows with the largest that the client uses.
std::size_t room_for(std::size_t stream) noexcept
{
    return std::min<std::size_t>(std::max<std::size_t>(stream + 1, 16) * 2, 32768);
}

// The text of a QUERY without a look at the rest; empty if there is none.
std::string_view query_text(std::uint8_t flags, bytes_view body) noexcept
{
    const auto message = protocol::skip_request_prefix(flags, body);
    if (!message) return {};
    return protocol::cursor(*message).long_string();
}

}  // namespace

// A client that uses a stream id twice at a time gets two answers on it, in any order. Which of
// them is whose nobody can tell: true until none is due.
bool client_session::begin_answer(std::size_t stream)
{
    if (stream >= answers_due_.size()) answers_due_.resize(room_for(stream));
    auto& due = answers_due_[stream];
    if (due != answers_due_max) ++due;
    return due > 1;
}

bytes_view client_session::forward(const envelope_header& h, bytes_view envelope, pending what)
{
    const auto stream = static_cast<std::size_t>(h.stream);
    what.doubtful = begin_answer(stream);
    if (what.what != pending::kind::none || stream < pending_.size()) {
        if (stream >= pending_.size()) pending_.resize(room_for(stream));
        give_up(pending_[stream]);
        if (is_write(pending_[stream])) --writes_in_flight_;
        pending_[stream] = what;
        if (is_write(what)) ++writes_in_flight_;
    }
    ++in_flight_;
    return envelope;
}

bytes_view client_session::answer(const envelope_header& h, bytes_view body)
{
    byte_buffer envelope;
    protocol::append_envelope(
        envelope,
        {.version = h.version, .response = true, .stream = h.stream, .op = opcode::error},
        body
    );
    to_client_.send_own(envelope.view());
    return {};
}

bytes_view
client_session::answer_error(const envelope_header& h, error_code code, std::string_view text)
{
    byte_buffer body;
    protocol::append_error_body(body, code, text);
    return answer(h, body.view());
}

bytes_view client_session::answer_unprepared(const envelope_header& h, bytes_view id)
{
    byte_buffer body;
    protocol::append_unprepared_body(body, id, "dualwrite does not know this prepared statement");
    return answer(h, body.view());
}

// What the real server does: a protocol error, and the end of the connection where the place in the
// stream is lost. None of it is forwarded.
void client_session::refuse_request(std::error_code error, bytes_view head)
{
    envelope_header h{.version = version_ != 0 ? version_ : std::uint8_t{5}};
    if (head.size() >= envelope_header_size) h.stream = protocol::peek_stream(head);
    auto code = error_code::protocol_error;
    std::string text = "dualwrite: " + error.message();
    if (error == make_error_code(errc::bad_version) && head.size() >= envelope_header_size) {
        // The words by which drivers know that they have to step down.
        text = "Invalid or unsupported protocol version (" +
               std::to_string(protocol::peek_version(head)) +
               "); supported versions are (3/v3, 4/v4, 5/v5)";
    } else if (error == make_error_code(errc::body_too_large)) {
        code = error_code::invalid;
        text = "Request is too big";
    }
    worker_.shared().log_limited(
        log_level::info, "a client sent what is not CQL: " + error.message()
    );
    answer_error(h, code, text);
    client_.close_when_sent();
}

bytes_view client_session::take_request(const envelope_header& h, bytes_view envelope)
{
    if (is_refused_version(h)) return refuse_version(h);
    if (version_ == 0) version_ = h.version;
    const bool broken = h.response || h.stream < 0 || h.version != version_ ||
                        !protocol::is_request(h.op) || (started_ && h.op == opcode::startup);
    if (broken || !source_error_.empty()) {
        to_source_.stop();
        answer_error(
            h,
            broken ? error_code::protocol_error : error_code::server_error,
            broken ? "dualwrite: message not allowed in this state" : source_error_
        );
        client_.close_when_sent();
        return {};
    }
    worker_.counters().requests.add();
    auto body = envelope.subspan(envelope_header_size);
    if ((h.flags & protocol::flag_compressed) != 0 && !to_source_.uses_segments()) {
        plain_.clear();
        const auto limit = worker_.shared().options.request_size_max;
        if (!protocol::decompress_body(compression_, body, limit, plain_))
            return answer_error(h, error_code::protocol_error, "dualwrite: damaged compression");
        body = plain_.view();
    }
    switch (h.op) {
    case opcode::execute:
        return take_execute(h, envelope, body);
    case opcode::query:
        return take_query(h, envelope, body);
    case opcode::batch:
        return take_batch({h, envelope, body});
    case opcode::prepare:
        return take_prepare(h, envelope, body);
    case opcode::startup:
        return take_startup(h, envelope);
    case opcode::auth_response:
        return take_auth(h, envelope, body);
    case opcode::options:
        return forward(h, envelope, {pending::kind::options});
    default:
        return forward(h, envelope, {});
    }
}

bytes_view client_session::take_startup(const envelope_header& h, bytes_view envelope)
{
    const auto options = protocol::parse_startup(envelope.subspan(envelope_header_size));
    if (!options)
        return answer_error(h, error_code::protocol_error, "dualwrite: malformed STARTUP");
    compression_ = protocol::compression::none;
    if (const auto name = protocol::find_option(*options, "COMPRESSION"))
        if (const auto kind = protocol::parse_compression(*name)) compression_ = *kind;
    return forward(h, envelope, {pending::kind::startup});
}

// Kept until the source has let the client in: our own connections may need it.
bytes_view client_session::take_auth(const envelope_header& h, bytes_view envelope, bytes_view body)
{
    login_seen_ = {};
    if (const auto token = protocol::parse_auth_token(body); token && *token)
        if (const auto plain = protocol::parse_plain_token(**token))
            login_seen_ = {std::string(plain->username), std::string(plain->password)};
    return forward(h, envelope, {pending::kind::auth});
}

bytes_view
client_session::take_prepare(const envelope_header& h, bytes_view envelope, bytes_view body)
{
    const auto prepare = protocol::parse_prepare(body, version_, h.flags);
    if (!prepare)
        return answer_error(h, error_code::protocol_error, "dualwrite: malformed PREPARE");
    const auto& statement =
        worker_.registry().intern(prepare->keyspace.value_or(keyspace_), prepare->text);
    if (!statement.is_pass() && policy::is_evaluable(statement.facts))
        return prepare_evaluated({h, envelope, body}, *prepare, statement);
    return forward(h, envelope, {.what = pending::kind::prepare, .number = statement.id});
}

bytes_view
client_session::take_query(const envelope_header& h, bytes_view envelope, bytes_view body)
{
    const auto text = query_text(h.flags, body);
    if (policy::is_read_quick(text)) {
        const bool addresses =
            policy::may_tell_addresses(text) && policy::tells_addresses(policy::classify(text));
        return forward(h, envelope, {addresses ? pending::kind::addresses : pending::kind::none});
    }
    const auto query = protocol::parse_query(body, version_, h.flags);
    if (!query) return answer_error(h, error_code::protocol_error, "dualwrite: malformed QUERY");
    const auto keyspace = query->parameters.keyspace.value_or(keyspace_);
    const write_request request{h, envelope, body};
    // A text with values comes again, one with literals hardly.
    if (query->parameters.value_count != 0) {
        const auto& known = worker_.registry().intern(keyspace, query->text);
        if (!known.is_pass() && policy::is_evaluable(known.facts))
            return take_evaluated(request, *query, known);
        return take_write(request, known, query->parameters, false);
    }
    const auto statement = worker_.registry().make(keyspace, query->text);
    if (statement.facts.kind == policy::statement_kind::use)
        return forward(h, envelope, {pending::kind::use});
    if (!statement.is_pass() && policy::is_evaluable(statement.facts))
        return take_evaluated(request, *query, statement);
    return take_write(request, statement, query->parameters, false);
}

const replication::statement* client_session::find_prepared(bytes_view id)
{
    auto& registry = worker_.registry();
    if (const auto* known = registry.prepared(id)) return known;
    // Another loop may have seen it prepared.
    const auto text = worker_.shared().find_prepared(id);
    if (!text) return nullptr;
    const auto& statement = registry.intern(text->keyspace, text->text);
    registry.set_prepared(id, statement);
    return &statement;
}

bytes_view
client_session::take_execute(const envelope_header& h, bytes_view envelope, bytes_view body)
{
    const auto message = protocol::skip_request_prefix(h.flags, body);
    const auto id = message ? protocol::cursor(*message).short_bytes() : bytes_view{};
    if (id.empty())
        return answer_error(h, error_code::protocol_error, "dualwrite: malformed EXECUTE");
    const auto* statement = find_prepared(id);
    if (statement == nullptr) return answer_unprepared(h, id);
    if (statement->tells_addresses)
        return forward(
            h, envelope, {.what = pending::kind::addresses, .number = statement->id + 1}
        );
    if (statement->is_pass()) {
        if (statement->stays) worker_.counters().left_out.add();
        return forward(h, envelope, {});
    }
    const auto execute = protocol::parse_execute(body, version_, h.flags);
    if (!execute)
        return answer_error(h, error_code::protocol_error, "dualwrite: malformed EXECUTE");
    if (!statement->hidden.empty())
        return execute_evaluated({h, envelope, body}, *execute, *statement);
    return take_write({h, envelope, body}, *statement, execute->parameters, true);
}

}  // namespace dualwrite::engine
