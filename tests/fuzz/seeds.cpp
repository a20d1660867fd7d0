#include <dualwrite/protocol/compression.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response_build.hpp>

#include <initializer_list>

#include "../policy/corpus.hpp"
#include "fuzz.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using dualwrite::fuzz::seed;

namespace {

std::string text_of(const byte_buffer& buffer)
{
    return std::string(as_text(buffer.view()));
}

// The choices that a target takes from the front of its input.
std::string choices(std::initializer_list<int> values)
{
    std::string out;
    for (const auto value : values) out += static_cast<char>(value);
    return out;
}

value_list sample_values()
{
    value_list values;
    values.add(as_bytes("some text"));
    values.add(std::nullopt);
    values.add_unset();
    values.add(bytes_view{});
    return values;
}

write_parameters full_parameters(std::uint8_t version, const value_list& values)
{
    write_parameters p{.value_count = values.count(), .values = values.bytes()};
    p.page_size = 5000;
    p.paging_state = as_bytes("state");
    p.serial_consistency = consistency::local_serial;
    p.timestamp_us = 1700000000000000;
    if (version >= 5) p.keyspace = "ks";
    if (version >= 5) p.now_in_seconds = 1700000000;
    return p;
}

void append_sample_batch(byte_buffer& out, std::uint8_t version, const value_list& values)
{
    batch_builder batch(out, version, batch_type::unlogged);
    batch.add_query("INSERT INTO t (a) VALUES (1)");
    batch.add_prepared(as_bytes("id"), values.count(), values.bytes());
    batch.finish({.timestamp_us = 5});
}

std::vector<seed> request_seeds()
{
    std::vector<seed> out;
    const auto full = sample_values();
    const value_list none;
    for (const std::uint8_t version : {std::uint8_t{3}, std::uint8_t{4}, std::uint8_t{5}}) {
        // Version 3 knows no unset value.
        const auto& values = version < 4 ? none : full;
        const auto p = full_parameters(version, values);
        byte_buffer body;
        const auto add = [&](opcode op, const char* name) {
            out.push_back(
                {name + std::to_string(version),
                 choices({static_cast<int>(op), version - 3, 0}) + text_of(body)}
            );
            body.clear();
        };
        append_query_body(body, version, "UPDATE t SET a = ? WHERE k = ?", p);
        add(opcode::query, "query");
        append_query_body(body, version, "SELECT", {});
        add(opcode::query, "plain_query");
        append_execute_body(body, version, as_bytes("id"), as_bytes("rid"), p);
        add(opcode::execute, "execute");
        append_prepare_body(body, version, "SELECT * FROM t");
        add(opcode::prepare, "prepare");
        append_sample_batch(body, version, values);
        add(opcode::batch, "batch");
    }
    const auto payload = std::string("\0\1\0\1k\0\0\0\1v", 10);
    out.push_back({"payload", choices({7, 1, 4}) + payload + std::string("\0\0\0\1q\0\1\0", 8)});
    return out;
}

std::vector<column_spec> sample_columns()
{
    std::vector<column_spec> out;
    for (const std::string_view text :
         {"ascii",
          "bigint",
          "blob",
          "boolean",
          "decimal",
          "double",
          "float",
          "int",
          "timestamp",
          "uuid",
          "text",
          "varint",
          "inet",
          "date",
          "time",
          "smallint",
          "tinyint",
          "duration",
          "list<int>",
          "map<text, frozen<set<int>>>",
          "tuple<int, text>",
          "vector<float, 3>"})
        out.push_back({"ks", "t", std::string(text), *parse_type_text(text)});
    return out;
}

void append_sample_rows(byte_buffer& out)
{
    rows_builder rows(out, sample_columns());
    for (std::size_t i = 0; i < 2 * sample_columns().size(); ++i) {
        const std::string_view cells[] = {"", "\1", "\0\0\0\1"};
        if (i % 5 == 4)
            rows.add_cell(std::nullopt);
        else
            rows.add_cell(as_bytes(cells[i % 3]));
    }
    rows.finish();
}

std::vector<seed> response_seeds()
{
    std::vector<seed> out;
    byte_buffer body;
    const auto add = [&](const char* name, int version, int flags = 0) {
        out.push_back({name, choices({version - 3, flags}) + text_of(body)});
        body.clear();
    };
    prepared_result prepared;
    prepared.id = as_bytes("id");
    prepared.result_metadata_id = as_bytes("rid");
    prepared.pk_indexes = {0};
    prepared.variables = sample_columns();
    prepared.result.columns = sample_columns();
    prepared.result.column_count = static_cast<std::uint32_t>(sample_columns().size());
    append_prepared_body(body, 5, prepared);
    add("prepared", 5);
    append_set_keyspace_body(body, "ks");
    add("set_keyspace", 4);
    append_schema_change_body(body, {"CREATED", "FUNCTION", "ks", "f", {"int"}});
    add("schema_change", 4);
    event_view event;
    event.change = "UP";
    append_event_body(body, event);
    add("event", 4);
    append_supported_body(body, {{"COMPRESSION", {"lz4", "snappy"}}});
    add("supported", 4);
    append_authenticate_body(body, "PasswordAuthenticator");
    add("authenticate", 4);
    append_error_body(body, error_code::write_failure, "why");
    body.append(as_bytes(std::string_view("\0\4\0\0\0\1\0\0\0\2\0\0\0\1\4abcd\0\1\0\6SIMPLE", 29)));
    add("write_failure", 5);
    append_string_list(body, string_list{"warning"});
    append_void_body(body);
    add("warning", 4, flag_warning);
    return out;
}

std::vector<seed> message_seeds()
{
    auto out = response_seeds();
    for (auto& its : out) its.bytes.erase(1, 1);  // the flags
    byte_buffer body;
    const auto add = [&](const char* name) {
        out.push_back({name, choices({1}) + text_of(body)});
        body.clear();
    };
    append_startup_body(body, {{"CQL_VERSION", "3.0.0"}, {"COMPRESSION", "lz4"}});
    add("startup");
    append_register_body(body, std::vector<std::string_view>{"STATUS_CHANGE", "SCHEMA_CHANGE"});
    add("register");
    append_auth_response_body(body, as_bytes(std::string_view("\0user\0password", 14)));
    add("auth_response");
    append_unprepared_body(body, as_bytes("id"), "unprepared");
    add("unprepared");
    return out;
}

std::vector<seed> decoder_seeds()
{
    std::vector<seed> out;
    byte_buffer body, plain;
    append_query_body(body, 5, std::string(200, 'q'), {});
    append_envelope(plain, {.version = 5, .op = opcode::query}, body.view());
    append_envelope(plain, {.version = 5, .response = true, .op = opcode::ready}, {});
    for (int mode = 0; mode < 5; ++mode)
        out.push_back({"mode" + std::to_string(mode), choices({mode, 6, 0}) + text_of(plain)});
    for (int mode = 1; mode < 3; ++mode) {
        byte_buffer packed, wire;
        if (!compress_body(static_cast<compression>(mode), body.view(), packed)) std::abort();
        append_envelope(wire, {.flags = flag_compressed, .op = opcode::query}, packed.view());
        out.push_back({"packed" + std::to_string(mode), choices({mode, 6, 0}) + text_of(wire)});
    }
    return out;
}

std::vector<seed> compression_seeds()
{
    std::vector<seed> out;
    for (int kind = 0; kind < 2; ++kind)
        for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{1000}}) {
            byte_buffer packed;
            const std::string body(size, 'x');
            const auto with = kind == 0 ? compression::lz4 : compression::snappy;
            if (!compress_body(with, as_bytes(body), packed)) std::abort();
            out.push_back(
                {"body" + std::to_string(out.size()), choices({kind, 19}) + text_of(packed)}
            );
        }
    return out;
}

std::vector<seed> handshake_seeds()
{
    byte_buffer supported;
    append_supported_body(supported, {{"PROTOCOL_VERSIONS", {"4/v4", "5/v5"}}});
    const auto size = static_cast<int>(supported.size());
    const auto begin = choices({2, 1, 0, 6, size, 0}) + text_of(supported);
    const auto authenticate = choices({0, 3, 3, 0}) + std::string("\0\1A", 3);
    // A server that never has enough of challenges.
    const std::string_view dse = "com.datastax.bdp.cassandra.auth.DseAuthenticator";
    auto challenges = begin + choices({0, 3, 50, 0, 0, 48}) + std::string(dse);
    for (int i = 0; i < 5; ++i) challenges += choices({0, 14, 15, 0, 0, 0, 0, 11}) + "PLAIN-START";
    return {
        {"ready", begin + choices({0, 2, 0, 0})},
        {"auth", begin + authenticate + choices({0, 16, 0, 0})},
        {"challenges", challenges},
    };
}

std::vector<seed> statement_seeds()
{
    std::vector<seed> out;
    for (const auto& row : policy::read_corpus(DW_STATEMENTS_FILE))
        out.push_back({"line" + std::to_string(row.line), row.cql});
    return out;
}

// Of session_script.hpp: every text in every kind of request, and answers of the source of every
// kind.
std::vector<seed> session_seeds()
{
    constexpr int texts = 10, kinds = 6, answers = 7;
    std::vector<seed> out;
    for (int head = 0; head < 4; ++head)
        for (int kind = 0; kind < kinds; ++kind) {
            auto bytes = choices({head});
            if (kind % 2 == 1)
                for (int i = 0; i < answers; ++i) bytes += choices({224 + i, i});
            for (int i = 0; i < texts; ++i)
                bytes += choices({1 + i * 5, i, 7, kind == 0 ? 250 : i, kind});
            if (kind == 5) bytes += choices({200, 9}) + "GET / HTT";
            out.push_back({"head" + std::to_string(head) + "_" + std::to_string(kind), bytes});
        }
    return out;
}

std::vector<seed> plain_seeds(std::initializer_list<std::string_view> texts)
{
    std::vector<seed> out;
    for (const auto text : texts)
        out.push_back({"text" + std::to_string(out.size()), std::string(text)});
    return out;
}

}  // namespace

namespace dualwrite::fuzz {

std::vector<std::string_view> targets_with_seeds()
{
    return {
        "compression",
        "envelope_decoder",
        "handshake",
        "keystore",
        "messages",
        "request",
        "response",
        "rows",
        "segment",
        "session",
        "statement",
        "types"};
}

std::vector<seed> seeds_of(std::string_view target)
{
    if (target == "compression") return compression_seeds();
    if (target == "envelope_decoder") return decoder_seeds();
    if (target == "handshake") return handshake_seeds();
    if (target == "keystore") return keystore_seeds();
    if (target == "messages") return message_seeds();
    if (target == "request") return request_seeds();
    if (target == "response") return response_seeds();
    if (target == "rows") {
        byte_buffer body;
        append_sample_rows(body);
        return {{"rows", text_of(body)}};
    }
    if (target == "segment")
        return plain_seeds(
            {std::string_view(
                 "\1\3\0\0\0\x30"
                 "abc",
                 9
             ),
             std::string(300, 'a'),
             "\0\0\0\0\0"}
        );
    if (target == "session") return session_seeds();
    if (target == "statement") return statement_seeds();
    if (target == "types")
        return plain_seeds(
            {"map<text, frozen<list<vector<float, 3>>>>",
             "\"My Type\"",
             "MapType(UTF8Type,FrozenType(TupleType(Int32Type,VectorType(FloatType , 3))))",
             "UserType(ks,61646472,6e616d65:UTF8Type)",
             std::string_view("\0\x21\0\x0d\0\x20\0\x09", 8),
             std::string_view("\0\x30\0\1k\0\1u\0\1\0\1a\0\x09", 16)}
        );
    return {};
}

}  // namespace dualwrite::fuzz
