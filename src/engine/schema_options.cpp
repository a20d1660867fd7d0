#include "schema_options.hpp"

#include <dualwrite/protocol/rows.hpp>

namespace dualwrite::engine {

namespace {

using protocol::cell;

std::string text_of(const cell& value)
{
    return value ? std::string(as_text(*value)) : std::string();
}

std::int32_t int_of(const cell& value, std::int32_t otherwise)
{
    return value && value->size() == 4 ? load_be<std::int32_t>(value->data()) : otherwise;
}

// map<text, text>, and map<text, blob> of texts.
std::map<std::string, std::string> texts_of(const cell& value)
{
    std::map<std::string, std::string> out;
    if (!value) return out;
    protocol::cursor in(*value);
    for (auto left = in.int_(); left > 0 && in.ok(); --left) {
        std::string key(in.long_string());
        const auto entry = in.long_string();
        if (in.ok()) out.emplace(std::move(key), entry);
    }
    return out;
}

// Shown as a text, or as a Boolean of one byte.
std::string flag_text(const cell& value)
{
    if (!value) return "false";
    if (value->size() == 1) return std::to_integer<int>(value->front()) == 0 ? "false" : "true";
    return text_of(value);
}

void take_option(std::string_view name, const cell& value, copy::table_options& into)
{
    if (name == "comment") into.comment = text_of(value);
    if (name == "default_time_to_live") into.default_ttl_s = int_of(value, 0);
    if (name == "gc_grace_seconds") into.gc_grace_s = int_of(value, into.gc_grace_s);
    if (name == "compaction") into.compaction = texts_of(value);
    for (const auto flag : copy::cell_level_flags)
        if (name == flag) into.cell_level[std::string(flag)] = flag_text(value);
    if (name != "extensions") return;
    for (const auto& [key, text] : texts_of(value))
        for (const auto flag : copy::cell_level_flags)
            if (key == flag) into.cell_level[key] = text;
}

}  // namespace

asio::awaitable<std::optional<keyspace_replication>>
read_replication(cql_cluster& from, cql_failure& why)
{
    const auto reply = co_await from.query(
        "SELECT keyspace_name, replication FROM system_schema.keyspaces",
        protocol::consistency::one,
        why
    );
    if (!reply) co_return std::nullopt;
    const auto rows = protocol::parse_rows(reply->message.view());
    if (!rows) {
        why.error = rows.error();
        co_return std::nullopt;
    }
    keyspace_replication out;
    std::vector<cell> cells;
    for (const auto& row : *rows) {
        row.read(cells);
        out.emplace(text_of(cells[0]), texts_of(cells[1]));
    }
    co_return out;
}

asio::awaitable<std::map<std::string, copy::table_options>>
read_table_options(cql_cluster& from, std::string keyspace)
{
    std::map<std::string, copy::table_options> out;
    cql_failure ignored;
    // All columns: which there are differs between servers and versions.
    const auto reply = co_await from.query(
        "SELECT * FROM system_schema.tables WHERE keyspace_name = " + copy::cql_literal(keyspace),
        protocol::consistency::one,
        ignored
    );
    if (!reply) co_return out;
    const auto rows = protocol::parse_rows(reply->message.view());
    if (!rows) co_return out;
    std::vector<cell> cells;
    for (const auto& row : *rows) {
        row.read(cells);
        std::string table;
        copy::table_options options;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const auto& name = rows->columns()[i].name;
            if (name == "table_name") table = text_of(cells[i]);
            take_option(name, cells[i], options);
        }
        out.emplace(std::move(table), std::move(options));
    }
    co_return out;
}

}  // namespace dualwrite::engine
