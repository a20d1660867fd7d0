#include <dualwrite/protocol/sasl.hpp>

#include <algorithm>
#include <functional>
#include <set>

#include "clock.hpp"
#include "fake_cluster.hpp"
#include "fake_cluster_connection.hpp"

namespace dualwrite::test {

using protocol::error_code;
using protocol::opcode;

namespace {

using answer_of = std::pair<opcode, std::string>;

std::string text_of(const byte_buffer& buffer)
{
    return std::string(as_text(buffer.view()));
}

protocol::column_spec text_column(std::string name)
{
    return {"k", "t", std::move(name), {.id = protocol::type_id::text}};
}

bool asks_for_clock(std::string_view text)
{
    return text.find("toUnixTimestamp(now())") != text.npos;
}

// The proxy's own question for the other nodes.
bool asks_for_nodes(const seen_request& r)
{
    return r.own && r.text.find("FROM system.") != r.text.npos && !asks_for_clock(r.text);
}

void append_replicas(byte_buffer& out, std::uint8_t version, bool failures)
{
    protocol::append_consistency(out, protocol::consistency::quorum);
    protocol::append_int(out, 1);
    protocol::append_int(out, 2);
    // A number of failures, or (version 5) a list of them.
    if (failures) protocol::append_int(out, version >= 5 ? 0 : 1);
}

}  // namespace

reply reply::error(error_code code, std::string_view text, std::string_view type)
{
    auto out = message(opcode::error, {});
    out.code = code;
    out.text = text;
    out.write_type = type;
    return out;
}

std::string void_body()
{
    byte_buffer out;
    protocol::append_void_body(out);
    return text_of(out);
}

std::string rows_body(const std::vector<std::string>& texts)
{
    byte_buffer out;
    protocol::rows_builder rows(out, {text_column("v")});
    for (const auto& text : texts) rows.add_cell(as_bytes(text));
    rows.finish();
    return text_of(out);
}

std::string applied_body(bool applied)
{
    byte_buffer out;
    const protocol::column_spec column{"k", "t", "[applied]", {.id = protocol::type_id::boolean}};
    protocol::rows_builder rows(out, {column});
    rows.add_cell(as_bytes(applied ? "\1" : std::string_view("\0", 1)));
    rows.finish();
    return text_of(out);
}

std::string error_body(
    error_code code, std::string_view text, std::string_view write_type, std::uint8_t version
)
{
    byte_buffer out;
    protocol::append_error_body(out, code, text);
    switch (code) {
    case error_code::unavailable:
    case error_code::cas_write_unknown:
        append_replicas(out, version, false);
        break;
    case error_code::write_timeout:
        append_replicas(out, version, false);
        protocol::append_string(out, write_type);
        break;
    case error_code::read_timeout:
        append_replicas(out, version, false);
        protocol::append_byte(out, 0);
        break;
    case error_code::read_failure:
        append_replicas(out, version, true);
        protocol::append_byte(out, 0);
        break;
    case error_code::write_failure:
        append_replicas(out, version, true);
        protocol::append_string(out, write_type);
        break;
    case error_code::function_failure:
        protocol::append_string(out, "k");
        protocol::append_string(out, "f");
        protocol::append_string_list(out, {});
        break;
    case error_code::already_exists:
        protocol::append_string(out, "k");
        protocol::append_string(out, "t");
        break;
    case error_code::unprepared:
        protocol::append_short_bytes(out, as_bytes(write_type));
        break;
    default:
        break;
    }
    return text_of(out);
}

std::pair<opcode, std::string> fake_cluster::clock_answer() const
{
    std::string now(8, '\0');
    store_be(reinterpret_cast<std::byte*>(now.data()), wall_ms() + clock_ahead_ms_.load());
    return {opcode::result, rows_body({now})};
}

void fake_cluster::take(connection& c, const protocol::envelope_view& envelope)
{
    auto seen = std::make_shared<seen_request>();
    seen->connection = c.id;
    seen->own = c.own;
    seen->header = envelope.header;
    seen->body = as_text(envelope.body);
    if (envelope.header.version > settings_.version_max) {
        c.gathered.emplace_back(
            protocol::envelope_header{
                .version = settings_.version_max, .response = true, .stream = seen->header.stream},
            error_body(error_code::protocol_error, "Invalid or unsupported protocol version", {}, 4)
        );
        return;
    }
    if (!parse(*seen)) {
        ++malformed_;
        return send(c, seen, reply::error(error_code::protocol_error, "malformed"));
    }
    const bool data = seen->is_data() || seen->op() == opcode::prepare;
    // The last part of each reading, behind which the proxy knows the tables.
    const bool reads_tables = seen->text.find("system_schema.tables") != seen->text.npos;
    const bool reads_schema = reads_tables ||
                              seen->text.find("system_schema.columns") != seen->text.npos ||
                              asks_for_clock(seen->text) || asks_for_nodes(*seen);
    if (reads_tables) ++schema_reads_;
    seen->answers_before = answers_;
    if (data && !reads_schema) requests_.push_back(seen);
    const auto decide = reads_schema ? script{} : data ? script_ : handshake_script_;
    reply how;
    if (decide) {
        mutex_.unlock();
        how = decide(*seen);
        mutex_.lock();
    }
    answer_request(c, seen, how);
}

bool fake_cluster::parse(seen_request& out)
{
    const auto version = out.header.version;
    const auto body = as_bytes(out.body);
    const auto take_options = [&](const protocol::statement_options& options) {
        out.consistency = options.consistency;
        out.timestamp_us = options.timestamp_us;
        out.now_in_seconds = options.now_in_seconds;
    };
    const auto take_values = [&](const protocol::query_parameters& parameters) {
        take_options(parameters);
        out.values = as_text(parameters.values);
        out.named_values = parameters.named_values;
    };
    switch (out.op()) {
    case opcode::query: {
        const auto query = protocol::parse_query(body, version, out.header.flags);
        if (!query) return false;
        out.text = query->text;
        take_values(query->parameters);
        return true;
    }
    case opcode::prepare: {
        const auto prepare = protocol::parse_prepare(body, version, out.header.flags);
        if (!prepare) return false;
        out.text = prepare->text;
        return true;
    }
    case opcode::execute: {
        const auto execute = protocol::parse_execute(body, version, out.header.flags);
        if (!execute) return false;
        out.id = as_text(execute->id);
        const auto found = prepared_.find(out.id);
        if (found != prepared_.end()) out.text = found->second;
        take_values(execute->parameters);
        return true;
    }
    case opcode::batch: {
        const auto batch = protocol::parse_batch(body, version, out.header.flags);
        if (!batch) return false;
        take_options(*batch);
        for (const auto& child : batch->children) {
            const auto found = prepared_.find(std::string(as_text(child.id)));
            const auto text = !child.prepared            ? std::string(child.text)
                              : found != prepared_.end() ? found->second
                                                         : std::string();
            if (child.prepared && found == prepared_.end()) out.id = as_text(child.id);
            out.children.push_back({child.prepared, text, std::string(as_text(child.values))});
        }
        if (!out.children.empty()) out.text = out.children.front().text;
        return true;
    }
    default:
        return true;
    }
}

void fake_cluster::send(connection& c, const record& request, const reply& how)
{
    if (how.piece != 0) c.piece = how.piece;
    const bool normal = how.what == reply::kind::normal || how.what == reply::kind::held;
    const bool executes = how.executes.value_or(normal && !how.close_before);
    if (executes && request->is_data()) request->executed = true;
    if (how.close_before) {
        c.broken = true;
        return;
    }
    if (how.close_after) c.closing = true;
    if (how.what == reply::kind::nothing) return;
    protocol::envelope_header header{
        .version = request->header.version,
        .response = true,
        .flags = how.flags,
        .stream = how.stream.value_or(request->header.stream),
        .op = how.op};
    auto body = how.body;
    if (normal)
        std::tie(header.op, body) = normal_answer(c, *request);
    else if (how.op == opcode::error && body.empty())
        body = error_body(how.code, how.text, how.write_type, request->header.version);
    header.body_size = static_cast<std::uint32_t>(body.size());
    if (header.op == opcode::error && request->op() == opcode::execute && normal)
        request->executed = false;  // UNPREPARED
    const bool reads_schema = request->text.find("system_schema.") != request->text.npos ||
                              asks_for_clock(request->text) || asks_for_nodes(*request);
    if (request->is_data() && !reads_schema) ++answers_;
    c.gathered.emplace_back(header, std::move(body));
    if (!c.segments_next) return;
    c.segments_next = false;
    flush(c);
    c.encoder.switch_to_segments(c.lz4);
    c.decoder.switch_to_segments(c.lz4);
}

std::pair<opcode, std::string> fake_cluster::normal_answer(connection& c, const seen_request& r)
{
    switch (r.op()) {
    case opcode::options: {
        byte_buffer out;
        protocol::string_list offered{"3/v3", "4/v4", "5/v5"};
        offered.resize(std::size_t{settings_.version_max} - 2);
        protocol::append_supported_body(
            out,
            {{"PROTOCOL_VERSIONS", offered},
             {"COMPRESSION", {"snappy", "lz4"}},
             {"CQL_VERSION", {"3.4.7"}}}
        );
        return {opcode::supported, text_of(out)};
    }
    case opcode::startup:
        return startup_answer(c, r);
    case opcode::auth_response:
        return auth_answer(r);
    case opcode::register_:
        return {opcode::ready, {}};
    case opcode::prepare:
        return prepare_answer(r);
    default:
        return data_answer(r);
    }
}

std::pair<opcode, std::string> fake_cluster::data_answer(const seen_request& r) const
{
    const bool by_id = r.op() == opcode::execute || (r.op() == opcode::batch && !r.id.empty());
    if (by_id && prepared_.find(r.id) == prepared_.end())
        return {opcode::error, error_body(error_code::unprepared, "unprepared", r.id, 4)};
    byte_buffer out;
    if (asks_for_clock(r.text)) return clock_answer();
    if (r.text.find("system_schema.columns") != r.text.npos) return schema_answer();
    if (r.text.find("system_schema.tables") != r.text.npos) return tables_answer();
    if (asks_for_nodes(r))
        return r.text.find("FROM system.local") != r.text.npos ? local_answer() : peers_answer();
    if (r.begins_with("SELECT")) return {opcode::result, rows_body({"row"})};
    if (r.begins_with("USE ")) {
        protocol::append_set_keyspace_body(out, std::string_view(r.text).substr(4));
        return {opcode::result, text_of(out)};
    }
    if (r.is_schema()) {
        protocol::append_schema_change_body(
            out,
            {.change = "CREATED", .target = "TABLE", .keyspace = "k", .name = "t", .arguments = {}}
        );
        return {opcode::result, text_of(out)};
    }
    if (r.text.find(" IF ") != r.text.npos) return {opcode::result, applied_body(true)};
    return {opcode::result, void_body()};
}

std::pair<opcode, std::string> fake_cluster::startup_answer(connection& c, const seen_request& r)
{
    const auto options = protocol::parse_startup(as_bytes(r.body));
    if (!options) return {opcode::error, error_body(error_code::protocol_error, "STARTUP", {}, 4)};
    const auto driver = protocol::find_option(*options, "DRIVER_NAME");
    c.started = true;
    c.own = driver && *driver == "dualwrite";
    if (!c.own) clients_.push_back(c.id);
    const auto name = protocol::find_option(*options, "COMPRESSION").value_or("");
    const auto kind = protocol::parse_compression(name).value_or(protocol::compression::none);
    if (r.header.version >= 5) {
        c.segments_next = true;
        c.lz4 = kind == protocol::compression::lz4;
    } else {
        c.encoder.set_compression(kind);
        c.decoder.set_compression(kind);
    }
    if (settings_.username.empty()) return {opcode::ready, {}};
    byte_buffer out;
    protocol::append_authenticate_body(out, "org.apache.cassandra.auth.PasswordAuthenticator");
    return {opcode::authenticate, text_of(out)};
}

std::pair<opcode, std::string> fake_cluster::auth_answer(const seen_request& r) const
{
    const auto token = protocol::parse_auth_token(as_bytes(r.body));
    if (token && *token)
        if (const auto plain = protocol::parse_plain_token(**token);
            plain && plain->username == settings_.username && plain->password == settings_.password)
            return {opcode::auth_success, std::string("\xff\xff\xff\xff", 4)};
    return {opcode::error, error_body(error_code::bad_credentials, "wrong password", {}, 4)};
}

std::pair<opcode, std::string> fake_cluster::prepare_answer(const seen_request& r)
{
    const auto id = name_ + '#' + std::to_string(std::hash<std::string>{}(r.text));
    prepared_[id] = r.text;
    protocol::prepared_result result;
    result.id = as_bytes(id);
    result.result_metadata_id = as_bytes("metadata");
    if (r.begins_with("SELECT")) {
        result.result.columns = {text_column("v")};
        result.result.column_count = 1;
    }
    for (std::int64_t n = std::count(r.text.begin(), r.text.end(), '?'); n > 0; --n)
        result.variables.push_back(text_column("p" + std::to_string(n)));
    byte_buffer out;
    protocol::append_prepared_body(out, r.header.version, result);
    return {opcode::result, text_of(out)};
}

std::pair<opcode, std::string> fake_cluster::schema_answer() const
{
    byte_buffer out;
    std::vector<protocol::column_spec> columns;
    for (const auto name :
         {"keyspace_name", "table_name", "column_name", "kind", "position", "type"})
        columns.push_back(text_column(name));
    columns[4].type.id = protocol::type_id::int_;
    protocol::rows_builder rows(out, columns);
    for (const auto& its : tables_) {
        for (const auto& text : {its.keyspace, its.table, its.name, its.kind})
            rows.add_cell(as_bytes(text));
        rows.add_cell(as_bytes(int_bytes(its.kind == "partition_key" ? 0 : -1)));
        rows.add_cell(as_bytes(its.type));
    }
    rows.finish();
    return {opcode::result, text_of(out)};
}

std::pair<opcode, std::string> fake_cluster::local_answer() const
{
    byte_buffer out;
    std::vector<protocol::column_spec> columns;
    for (const auto name :
         {"cluster_name", "release_version", "partitioner", "data_center", "tokens"})
        columns.push_back(text_column(name));
    protocol::rows_builder rows(out, columns);
    for (const auto value : {"fake", "5.0.8", "Murmur3Partitioner", "dc1", ""})
        rows.add_cell(as_bytes(std::string_view(value)));
    rows.finish();
    return {opcode::result, text_of(out)};
}

std::pair<opcode, std::string> fake_cluster::peers_answer() const
{
    byte_buffer out;
    std::vector<protocol::column_spec> columns;
    for (const auto name : {"native_address", "data_center", "tokens", "native_port"})
        columns.push_back(text_column(name));
    columns[0].type.id = protocol::type_id::inet;
    columns[3].type.id = protocol::type_id::int_;
    protocol::rows_builder rows(out, columns);
    for (const auto& [port, datacenter] : peers_) {
        rows.add_cell(as_bytes(std::string_view("\x7f\0\0\1", 4)));
        rows.add_cell(as_bytes(datacenter));
        rows.add_cell(as_bytes(std::string_view()));
        rows.add_cell(as_bytes(int_bytes(port)));
    }
    rows.finish();
    return {opcode::result, text_of(out)};
}

std::pair<opcode, std::string> fake_cluster::tables_answer() const
{
    byte_buffer out;
    std::vector<protocol::column_spec> columns;
    for (const auto name : {"keyspace_name", "table_name", "gc_grace_seconds"})
        columns.push_back(text_column(name));
    columns[2].type.id = protocol::type_id::int_;
    protocol::rows_builder rows(out, columns);
    std::set<std::pair<std::string, std::string>> named;
    for (const auto& its : tables_) {
        if (!named.emplace(its.keyspace, its.table).second) continue;
        rows.add_cell(as_bytes(its.keyspace));
        rows.add_cell(as_bytes(its.table));
        const auto known = grace_s_.find(its.keyspace + "." + its.table);
        rows.add_cell(as_bytes(int_bytes(known == grace_s_.end() ? 864'000 : known->second)));
    }
    rows.finish();
    return {opcode::result, text_of(out)};
}

}  // namespace dualwrite::test
