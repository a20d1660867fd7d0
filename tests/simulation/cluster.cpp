#include "cluster.hpp"

#include <algorithm>

#include "values.hpp"

namespace sim {

namespace protocol = dualwrite::protocol;
using dualwrite::as_bytes;
using dualwrite::as_text;
using dualwrite::byte_buffer;
using dualwrite::bytes_view;
using protocol::error_code;
using protocol::opcode;

cluster::cluster(kernel& on, std::string name, const cluster_settings& settings)
    : on_(on), name_(std::move(name)), settings_(settings)
{
    on.listen(settings.port, [this](std::shared_ptr<link> line) -> endpoint* {
        connections_[line->id()].line = std::move(line);
        return this;
    });
}

void cluster::down(bool forget)
{
    on_.refuse(settings_.port, true);
    on_.cut_all(settings_.port);
    connections_.clear();
    if (forget) prepared_.clear();
}

void cluster::on_gone(link& from)
{
    connections_.erase(from.id());
}

void cluster::on_bytes(link& from, std::string_view bytes)
{
    const auto found = connections_.find(from.id());
    if (found == connections_.end()) return;
    auto& c = found->second;
    c.decoder.feed(as_bytes(bytes));
    for (;;) {
        const auto next = c.decoder.next();
        if (!next) {
            problem_ = "what the proxy sent is not CQL: " + next.error().message();
            return;
        }
        if (!*next) return;
        take(c, **next);
    }
}

void cluster::answer_later(connection& c, const header& request, node_answer answer)
{
    const auto id = c.line->id();
    on_.after(
        on_.random.between(settings_.work_min_us, settings_.work_max_us),
        [this, id, request, answer = std::move(answer)] { send(id, request, answer); }
    );
}

void cluster::send(std::uint64_t link_id, const header& request, const node_answer& answer)
{
    const auto found = connections_.find(link_id);
    if (found == connections_.end()) return;
    auto& c = found->second;
    byte_buffer out;
    const header h{
        .version = request.version,
        .response = true,
        .stream = request.stream,
        .op = answer.op,
        .body_size = static_cast<std::uint32_t>(answer.body.size())};
    c.encoder.append(out, h, as_bytes(answer.body));
    c.line->send(std::string(as_text(out.view())));
    if (request.op == opcode::startup && request.version >= 5 && answer.op == opcode::ready) {
        c.encoder.switch_to_segments(false);
        c.decoder.switch_to_segments(false);
    }
}

void cluster::take(connection& c, const protocol::envelope_view& envelope)
{
    const auto& h = envelope.header;
    if (h.version > settings_.version_max) {
        auto refused = h;
        refused.version = settings_.version_max;
        return send(
            c.line->id(),
            refused,
            error_answer(error_code::protocol_error, "Invalid or unsupported protocol version")
        );
    }
    switch (h.op) {
    case opcode::options: {
        byte_buffer out;
        protocol::string_list offered{"3/v3", "4/v4", "5/v5"};
        offered.resize(std::size_t{settings_.version_max} - 2);
        protocol::append_string_multimap(
            out, {{"PROTOCOL_VERSIONS", offered}, {"COMPRESSION", {}}, {"CQL_VERSION", {"3.4.7"}}}
        );
        return answer_later(c, h, {opcode::supported, std::string(as_text(out.view()))});
    }
    case opcode::startup:
    case opcode::register_:
        return answer_later(c, h, {opcode::ready, {}});
    case opcode::prepare: {
        const auto text = protocol::parse_prepare(envelope.body, h.version, h.flags);
        return answer_later(c, h, prepare(h, text->text));
    }
    case opcode::query:
    case opcode::execute:
    case opcode::batch:
        return take_data(c, h, envelope.body);
    default:
        problem_ = "an opcode that was not expected";
    }
}

node_answer cluster::prepare(const header& h, std::string_view text)
{
    try {
        const auto id = name_ + "#" + std::to_string(std::hash<std::string_view>{}(text));
        const auto statement = parsed(std::string(text));
        if (find_table(statement->table) == nullptr)
            throw cql_error{"unconfigured table " + statement->table};
        prepared_[id] = text;
        return prepared_answer(h.version, id, *statement);
    } catch (const cql_error& e) {
        problem_ = "PREPARE: " + e.text + ": " + std::string(text);
        return error_answer(error_code::invalid, e.text);
    }
}

// A request takes its time, then it is carried out, then the answer takes its time.
void cluster::take_data(connection& c, const header& h, bytes_view body)
{
    if (h.op == opcode::query) {
        const auto query = protocol::parse_query(body, h.version, h.flags);
        if (query)
            if (auto answer = system_answer(query->text, on_.now_us()))
                return answer_later(c, h, std::move(*answer));
    }
    planned_request request;
    try {
        request = plan(h, body);
    } catch (const cql_error& e) {
        problem_ = e.text;
        return answer_later(c, h, error_answer(error_code::invalid, e.text));
    }
    if (!request.unprepared.empty())
        return answer_later(c, h, unprepared_answer(request.unprepared));
    const auto id = c.line->id();
    on_.after(
        on_.random.between(settings_.work_min_us, settings_.work_max_us),
        [this, id, h, request = std::move(request)] {
            const auto answer = run(h, request);
            const auto found = connections_.find(id);
            if (found != connections_.end()) answer_later(found->second, h, answer);
        }
    );
}

planned_write cluster::plan_one(const std::string& text, bytes_view values, bool named)
{
    planned_write out{parsed(text), {}};
    if (named) throw cql_error{"values with names"};
    const auto read = protocol::for_each_value(values, false, [&](std::string_view, auto& value) {
        using state = protocol::bound_value::state;
        out.values.push_back(
            {value.is == state::present,
             value.is == state::unset,
             value.is == state::present ? std::string(as_text(value.bytes)) : std::string()}
        );
    });
    if (!read) throw cql_error{"damaged values"};
    return out;
}

planned_request cluster::plan(const header& h, bytes_view body)
{
    planned_request out;
    const auto take_options = [&](const protocol::statement_options& o) {
        out.time_us = o.timestamp_us;
        if (o.now_in_seconds) out.now_s = *o.now_in_seconds;
        out.serial = protocol::is_serial(o.consistency);
    };
    const auto text_of = [&](bytes_view id) {
        const auto found = prepared_.find(std::string(as_text(id)));
        if (found != prepared_.end()) return found->second;
        out.unprepared = as_text(id);
        return std::string();
    };
    if (h.op == opcode::batch) {
        const auto batch = protocol::parse_batch(body, h.version, h.flags);
        if (!batch) throw cql_error{"damaged BATCH"};
        take_options(*batch);
        out.batch_log = batch->type == protocol::batch_type::logged;
        for (const auto& child : batch->children) {
            const auto text = child.prepared ? text_of(child.id) : std::string(child.text);
            if (!out.unprepared.empty()) return out;
            out.writes.push_back(plan_one(text, child.values, false));
        }
        return out;
    }
    std::string text;
    protocol::query_parameters parameters;
    if (h.op == opcode::query) {
        const auto query = protocol::parse_query(body, h.version, h.flags);
        if (!query) throw cql_error{"damaged QUERY"};
        text = query->text;
        parameters = query->parameters;
    } else {
        const auto execute = protocol::parse_execute(body, h.version, h.flags);
        if (!execute) throw cql_error{"damaged EXECUTE"};
        text = text_of(execute->id);
        if (!out.unprepared.empty()) return out;
        parameters = execute->parameters;
    }
    take_options(parameters);
    out.writes = flatten(plan_one(text, parameters.values, parameters.named_values));
    return out;
}

// A batch in text: its statements share the markers.
std::vector<planned_write> cluster::flatten(planned_write one) const
{
    if (one.statement->what != cql_statement::kind::batch) return {std::move(one)};
    std::vector<planned_write> out;
    for (const auto& child : one.statement->children) {
        auto statement = std::make_shared<cql_statement>(child);
        if (statement->timestamp.what == term::kind::none)
            statement->timestamp = one.statement->timestamp;
        out.push_back({std::move(statement), one.values});
    }
    return out;
}

}  // namespace sim
