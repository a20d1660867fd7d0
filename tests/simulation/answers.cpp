#include <dualwrite/protocol/response_build.hpp>

#include "cluster.hpp"
#include "values.hpp"

// What a node says.

namespace sim {

namespace protocol = dualwrite::protocol;
using dualwrite::as_bytes;
using dualwrite::byte_buffer;
using protocol::column_spec;
using protocol::cql_type;
using protocol::error_code;
using protocol::opcode;
using protocol::type_id;

namespace {

node_answer result_of(const byte_buffer& out)
{
    return {opcode::result, std::string(dualwrite::as_text(out.view()))};
}

cql_type plain_type(column_type type)
{
    const cql_type number{.id = type_id::int_};
    switch (type) {
    case column_type::int_:
        return number;
    case column_type::text:
        return {.id = type_id::text};
    case column_type::set:
        return {.id = type_id::set, .parameters = {number}};
    case column_type::map:
        return {.id = type_id::map, .parameters = {number, number}};
    case column_type::list:
        return {.id = type_id::list, .parameters = {number}};
    case column_type::counter:
        return {.id = type_id::counter};
    }
    return number;
}

column_spec spec_of(const table& of, const selection& wanted)
{
    column_spec out{"ks", of.name, wanted.column, {.id = type_id::int_}};
    const auto column = of.find(wanted.column);
    if (column < 0) return out;
    const auto type = of.at(column).type;
    out.type = plain_type(type);
    if (wanted.what == selection::kind::value) return out;
    const bool ttl = wanted.what == selection::kind::ttl;
    out.type = {.id = ttl ? type_id::int_ : type_id::bigint};
    if (is_collection(type)) out.type = {.id = type_id::list, .parameters = {out.type}};
    out.name = (ttl ? "ttl(" : "writetime(") + wanted.column + ")";
    return out;
}

std::vector<column_spec> columns_of(const cql_statement& s)
{
    std::vector<column_spec> out;
    const auto* of = find_table(s.table);
    for (const auto& wanted : s.selected) out.push_back(spec_of(*of, wanted));
    return out;
}

// Rows of texts and numbers for the system's tables.
node_answer
texts_answer(const std::vector<cql_type>& types, const std::vector<std::vector<answer_cell>>& rows)
{
    std::vector<column_spec> columns;
    for (std::size_t i = 0; i < types.size(); ++i)
        columns.push_back({"system", "t", "c" + std::to_string(i), types[i]});
    byte_buffer out;
    protocol::rows_builder built(out, columns);
    for (const auto& row : rows)
        for (const auto& cell : row)
            built.add_cell(cell ? protocol::cell(as_bytes(*cell)) : protocol::cell());
    built.finish();
    return result_of(out);
}

const cql_type text_type{.id = type_id::text};
const cql_type number_type{.id = type_id::int_};
const cql_type time_type{.id = type_id::bigint};
const cql_type texts_type{.id = type_id::set, .parameters = {text_type}};

std::vector<std::vector<answer_cell>> schema_columns()
{
    std::vector<std::vector<answer_cell>> rows;
    const auto add = [&](const table& of,
                         const std::string& name,
                         const char* kind,
                         int position,
                         const char* order,
                         std::string_view type) {
        rows.push_back({of.name, name, kind, int_bytes(position), order, std::string(type)});
    };
    for (const auto& of : all_tables()) {
        add(of, "p", "partition_key", 0, "none", "int");
        if (of.clustered) add(of, "c", "clustering", 0, "asc", "int");
        for (const auto& column : of.columns)
            add(of,
                column.name,
                column.is_static ? "static" : "regular",
                -1,
                "none",
                cql_name(column.type));
    }
    return rows;
}

std::vector<std::vector<answer_cell>> schema_tables()
{
    std::vector<std::vector<answer_cell>> rows;
    for (const auto& of : all_tables()) {
        const bool counter = of.columns.front().type == column_type::counter;
        std::vector<std::string> flags{"compound"};
        if (counter) flags.push_back("counter");
        rows.push_back(
            {of.name, std::string(16, 'i'), collection_bytes(flags, flags.size()), int_bytes(0)}
        );
    }
    return rows;
}

}  // namespace

node_answer void_answer()
{
    byte_buffer out;
    protocol::append_void_body(out);
    return result_of(out);
}

node_answer applied_answer(bool applied)
{
    byte_buffer out;
    const column_spec column{"ks", "t", "[applied]", {.id = type_id::boolean}};
    protocol::rows_builder rows(out, std::vector<column_spec>{column});
    rows.add_cell(as_bytes(applied ? "\1" : std::string_view("\0", 1)));
    rows.finish();
    return result_of(out);
}

node_answer error_answer(
    error_code code, std::string_view text, std::string_view write_type, std::uint8_t version
)
{
    byte_buffer out;
    protocol::append_error_body(out, code, text);
    const bool replicas = code == error_code::unavailable || code == error_code::write_timeout ||
                          code == error_code::write_failure;
    if (replicas) {
        protocol::append_consistency(out, protocol::consistency::quorum);
        protocol::append_int(out, 1);
        protocol::append_int(out, 2);
    }
    if (code == error_code::write_failure) protocol::append_int(out, version >= 5 ? 0 : 1);
    if (code == error_code::write_timeout || code == error_code::write_failure)
        protocol::append_string(out, write_type);
    if (code == error_code::write_timeout && version >= 5 && write_type == "CAS")
        protocol::append_short(out, 1);
    return {opcode::error, std::string(dualwrite::as_text(out.view()))};
}

node_answer unprepared_answer(std::string_view id)
{
    byte_buffer out;
    protocol::append_unprepared_body(out, as_bytes(id), "unprepared");
    return {opcode::error, std::string(dualwrite::as_text(out.view()))};
}

node_answer prepared_answer(std::uint8_t version, std::string_view id, const cql_statement& s)
{
    protocol::prepared_result result;
    result.id = as_bytes(id);
    result.result_metadata_id = as_bytes("0123456789abcdef");
    if (s.what == cql_statement::kind::select) {
        result.result.columns = columns_of(s);
        result.result.column_count = static_cast<std::uint32_t>(s.selected.size());
    }
    for (int i = 0; i < s.markers; ++i)
        result.variables.push_back({"ks", s.table, "v" + std::to_string(i), {.id = type_id::blob}});
    byte_buffer out;
    protocol::append_prepared_body(out, version, result);
    return result_of(out);
}

node_answer rows_answer(const cql_statement& s, const std::vector<std::vector<answer_cell>>& rows)
{
    byte_buffer out;
    protocol::rows_builder built(out, columns_of(s));
    for (const auto& row : rows)
        for (const auto& cell : row)
            built.add_cell(cell ? protocol::cell(as_bytes(*cell)) : protocol::cell());
    built.finish();
    return result_of(out);
}

std::optional<node_answer> system_answer(std::string_view text, std::int64_t now_us)
{
    const auto asks = [&](std::string_view what) { return text.find(what) != text.npos; };
    if (asks("toUnixTimestamp(now())"))
        return texts_answer({time_type}, {{long_bytes(now_us / 1000)}});
    if (asks("FROM system.local"))
        return texts_answer(
            {text_type, text_type, text_type, text_type, texts_type},
            {{"model",
              "5.0.8",
              "org.apache.cassandra.dht.Murmur3Partitioner",
              "dc1",
              collection_bytes({"0"}, 1)}}
        );
    if (asks("FROM system.peers"))
        return texts_answer({text_type, text_type, texts_type, number_type}, {});
    if (asks("FROM system_schema.tables"))
        return texts_answer({text_type, text_type, texts_type, number_type}, schema_tables());
    if (asks("FROM system_schema.columns"))
        return texts_answer(
            {text_type, text_type, text_type, number_type, text_type, text_type}, schema_columns()
        );
    if (asks("FROM system_schema.types"))
        return texts_answer({text_type, texts_type, texts_type}, {});
    if (asks("FROM system_schema.views")) return texts_answer({text_type}, {});
    return {};
}

}  // namespace sim
