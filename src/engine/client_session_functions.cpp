#include <dualwrite/policy/evaluate.hpp>
#include <dualwrite/protocol/hidden_values.hpp>
#include <dualwrite/protocol/request_build.hpp>

#include <array>
#include <optional>

#include "client_session.hpp"

// Statements with now(), uuid() and their like: source and target get the same value. A text that
// is executed at once has it as a literal; a prepared one has a marker that the client never sees.

namespace dualwrite::engine {

using protocol::envelope_header;
using protocol::envelope_header_size;
using protocol::error_code;

namespace {

std::vector<std::uint16_t> positions_of(const replication::statement& statement)
{
    std::vector<std::uint16_t> out;
    for (const auto& marker : statement.hidden) out.push_back(marker.position);
    return out;
}

}  // namespace

bytes_view client_session::rebuilt_envelope(const write_request& request)
{
    const auto message = protocol::skip_request_prefix(request.header.flags, request.body);
    DW_ASSERT(message);  // it was parsed before
    const auto prefix = request.body.first(request.body.size() - message->size());
    return made_envelope(request.header, prefix, rebuilt_.view());
}

bytes_view client_session::take_evaluated(
    const write_request& request,
    const protocol::query_view& query,
    const replication::statement& statement
)
{
    const auto text =
        policy::evaluate(query.text, statement.facts, worker_.evaluator(), worker_.on().wall_ms());
    rebuilt_.clear();
    protocol::append_query_body(
        rebuilt_, version_, text, protocol::to_write_parameters(query.parameters)
    );
    const auto envelope = rebuilt_envelope(request);
    const auto header = protocol::parse_envelope_header(envelope);
    const auto body = envelope.subspan(envelope_header_size);
    const auto again = protocol::parse_query(body, version_, header->flags);
    DW_ASSERT(header && again);
    // Not interned: it does not come again.
    const auto made = worker_.registry().make(statement.keyspace, text);
    return take_write({*header, envelope, body}, made, again->parameters, false);
}

bytes_view client_session::prepare_evaluated(
    const write_request& request,
    const protocol::prepare_view& prepare,
    const replication::statement& statement
)
{
    const auto text = policy::hide_calls(statement.text, statement.facts);
    const auto& hiding = worker_.registry().intern(statement.keyspace, text);
    rebuilt_.clear();
    protocol::append_prepare_body(rebuilt_, version_, text, prepare.keyspace);
    return forward(
        request.header,
        rebuilt_envelope(request),
        {.what = pending::kind::prepare, .number = hiding.id}
    );
}

void client_session::append_hidden(
    byte_buffer& out, const replication::statement& statement, bytes_view values
)
{
    protocol::append_values_with(out, values, positions_of(statement), [&](std::size_t i) {
        return worker_.evaluator().evaluate(statement.hidden[i].gives, worker_.on().wall_ms());
    });
}

bytes_view client_session::execute_evaluated(
    const write_request& request,
    const protocol::execute_view& execute,
    const replication::statement& statement
)
{
    auto parameters = protocol::to_write_parameters(execute.parameters);
    byte_buffer values;
    if (parameters.named_values && parameters.value_count != 0) {
        if (!statement.facts.named_markers)
            return answer_error(
                request.header,
                error_code::invalid,
                "dualwrite: bind the values of this statement by position: it has now(), uuid() or "
                "the like, and markers without names"
            );
        values.append(parameters.values);
        for (std::size_t i = 0; i < statement.hidden.size(); ++i) {
            const auto what = statement.hidden[i].gives;
            const auto value = worker_.evaluator().evaluate(what, worker_.on().wall_ms());
            protocol::append_string(values, policy::hidden_name(i));
            protocol::append_bytes(values, as_bytes(value));
        }
    } else {
        append_hidden(values, statement, parameters.values);
    }
    parameters.values = values.view();
    parameters.value_count =
        static_cast<std::uint16_t>(parameters.value_count + statement.hidden.size());
    rebuilt_.clear();
    protocol::append_execute_body(
        rebuilt_, version_, execute.id, execute.result_metadata_id, parameters
    );
    const auto envelope = rebuilt_envelope(request);
    const auto header = protocol::parse_envelope_header(envelope);
    const auto body = envelope.subspan(envelope_header_size);
    const auto again = protocol::parse_execute(body, version_, header->flags);
    DW_ASSERT(header && again);
    return take_write({*header, envelope, body}, statement, again->parameters, true);
}

bytes_view
client_session::batch_evaluated(const write_request& request, const protocol::batch_view& batch)
{
    const auto keyspace = batch.keyspace.value_or(keyspace_);
    const auto now_ms = worker_.on().wall_ms();
    rebuilt_.clear();
    protocol::batch_builder out(rebuilt_, version_, batch.type);
    byte_buffer values;
    for (const auto& child : batch.children) {
        if (child.prepared) {
            const auto* known = find_prepared(child.id);
            if (known == nullptr) return answer_unprepared(request.header, child.id);
            values.clear();
            append_hidden(values, *known, child.values);
            const auto count = child.value_count + known->hidden.size();
            out.add_prepared(child.id, static_cast<std::uint16_t>(count), values.view());
            continue;
        }
        const auto made = worker_.registry().make(keyspace, child.text);
        if (made.is_pass() || !policy::is_evaluable(made.facts)) {
            out.add_query(child.text, child.value_count, child.values);
            continue;
        }
        const auto text = policy::evaluate(child.text, made.facts, worker_.evaluator(), now_ms);
        out.add_query(text, child.value_count, child.values);
    }
    out.finish({
        .consistency = batch.consistency,
        .serial_consistency = batch.serial_consistency,
        .timestamp_us = batch.timestamp_us,
        .keyspace = batch.keyspace,
        .now_in_seconds = batch.now_in_seconds,
    });
    const auto envelope = rebuilt_envelope(request);
    const auto header = protocol::parse_envelope_header(envelope);
    DW_ASSERT(header);
    return take_batch({*header, envelope, envelope.subspan(envelope_header_size)}, true);
}

bytes_view client_session::without_hidden(
    const envelope_header& h, bytes_view envelope, std::uint64_t statement
)
{
    const auto& its = worker_.registry().by_id(static_cast<std::uint32_t>(statement));
    if (its.hidden.empty()) return envelope;
    const auto old = message_of(h, envelope);
    byte_buffer message;
    if (!protocol::append_prepared_without(message, old, h.version, positions_of(its)))
        return envelope;
    return with_message(h, envelope, old, message.view());
}

}  // namespace dualwrite::engine
