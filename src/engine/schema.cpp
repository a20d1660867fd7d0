#include "schema.hpp"

#include <dualwrite/protocol/response.hpp>
#include <dualwrite/protocol/value.hpp>

#include <charconv>

namespace dualwrite::engine {

namespace {

using protocol::cell;

// A string literal of CQL.
std::string literal(std::string_view text)
{
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') out += '\'';
        out += c;
    }
    return out + '\'';
}

std::string text_of(const cell& value)
{
    return value ? std::string(as_text(*value)) : std::string();
}

std::int32_t int_of(const cell& value)
{
    return value && value->size() == 4 ? load_be<std::int32_t>(value->data()) : 0;
}

// list<text> or set<text>.
std::vector<std::string> texts_of(const cell& value)
{
    std::vector<std::string> out;
    if (!value) return out;
    protocol::cursor in(*value);
    for (auto left = in.int_(); left > 0 && in.ok(); --left) {
        const auto text = in.long_string();
        if (in.ok()) out.emplace_back(text);
    }
    return out;
}

std::string hex_of(const cell& value)
{
    std::string out;
    if (value) protocol::detail::append_hex(out, *value);
    return out;
}

// Runs a query whose rows `on_row(cells)` takes.
template <class F>
asio::awaitable<bool> for_each_row(cql_cluster& from, std::string text, F on_row, cql_failure& why)
{
    const auto reply = co_await from.query(std::move(text), protocol::consistency::one, why);
    if (!reply) co_return false;
    const auto rows = protocol::parse_rows(reply->message.view());
    if (!rows) {
        why = {.error = rows.error(), .code = 0, .text = {}, .write_type = {}};
        co_return false;
    }
    std::vector<cell> cells;
    for (const auto& row : *rows) {
        row.read(cells);
        on_row(cells);
    }
    co_return true;
}

asio::awaitable<bool>
read_tables(cql_cluster& from, std::string keyspace, schema_rows& raw, cql_failure& why)
{
    const auto add_table = [&](const std::vector<cell>& c) {
        raw.tables.push_back(
            {.keyspace = keyspace,
             .name = text_of(c[0]),
             .id = hex_of(c[1]),
             .flags = texts_of(c[2]),
             .default_ttl_s = int_of(c[3])}
        );
    };
    const auto add_column = [&](const std::vector<cell>& c) {
        raw.columns[text_of(c[0])].push_back(
            {.name = text_of(c[1]),
             .kind = text_of(c[2]),
             .position = int_of(c[3]),
             .clustering_order = text_of(c[4]),
             .type = text_of(c[5])}
        );
    };
    const auto where = " WHERE keyspace_name = " + literal(keyspace);
    const auto tables =
        "SELECT table_name, id, flags, default_time_to_live FROM system_schema.tables" + where;
    const auto columns = "SELECT table_name, column_name, kind, position, clustering_order, type "
                         "FROM system_schema.columns" +
                         where;
    if (const bool ok = co_await for_each_row(from, tables, add_table, why); !ok) co_return false;
    co_return co_await for_each_row(from, columns, add_column, why);
}

asio::awaitable<bool>
read_types(cql_cluster& from, std::string keyspace, schema_rows& raw, cql_failure& why)
{
    const auto add_type = [&](const std::vector<cell>& c) {
        raw.types.push_back(
            {.keyspace = keyspace,
             .name = text_of(c[0]),
             .field_names = texts_of(c[1]),
             .field_types = texts_of(c[2])}
        );
    };
    const auto types = "SELECT type_name, field_names, field_types FROM system_schema.types WHERE "
                       "keyspace_name = ";
    co_return co_await for_each_row(from, types + literal(keyspace), add_type, why);
}

}  // namespace

asio::awaitable<std::optional<keyspace_schema>>
read_schema(cql_cluster& from, std::string keyspace, cql_failure& why)
{
    keyspace_schema out;
    auto& raw = out.rows;
    if (const bool ok = co_await read_tables(from, keyspace, raw, why); !ok) co_return std::nullopt;
    if (const bool ok = co_await read_types(from, keyspace, raw, why); !ok) co_return std::nullopt;
    const auto add_view = [&](const std::vector<cell>& c) { out.views.push_back(text_of(c[0])); };
    const auto views = "SELECT view_name FROM system_schema.views WHERE keyspace_name = ";
    if (const bool ok = co_await for_each_row(from, views + literal(keyspace), add_view, why); !ok)
        co_return std::nullopt;

    if (raw.tables.empty()) {
        why = {
            .error = errc::invalid_argument,
            .code = 0,
            .text = "the " + from.side() + " has no keyspace " + keyspace + " with tables",
            .write_type = {}};
        co_return std::nullopt;
    }
    for (const auto& table : raw.tables) {
        auto model = copy::make_table_model(table, raw.columns[table.name], raw.types);
        if (model)
            out.tables.emplace(table.name, *std::move(model));
        else
            out.unreadable.emplace(table.name, "a column has a type that is not known");
    }
    co_return out;
}

asio::awaitable<std::vector<copy::size_estimate>>
read_size_estimates(cql_cluster& from, std::string keyspace, std::string table)
{
    std::vector<copy::size_estimate> out;
    const auto add = [&](const std::vector<cell>& c) {
        copy::size_estimate estimate;
        const auto number = [](const cell& value, auto& into) {
            const auto text = text_of(value);
            std::from_chars(text.data(), text.data() + text.size(), into);
        };
        number(c[0], estimate.range.start.value);
        number(c[1], estimate.range.end.value);
        if (c[2] && c[2]->size() == 8) estimate.partitions = load_be<std::int64_t>(c[2]->data());
        if (c[3] && c[3]->size() == 8)
            estimate.partition_size_mean = load_be<std::int64_t>(c[3]->data());
        out.push_back(estimate);
    };
    cql_failure why;
    const auto text = "SELECT range_start, range_end, partitions_count, mean_partition_size "
                      "FROM system.size_estimates WHERE keyspace_name = " +
                      literal(keyspace) + " AND table_name = " + literal(table);
    // Estimates only shape the plan: without them it is as good for small tables.
    if (const bool ok = co_await for_each_row(from, text, add, why); !ok) out.clear();
    co_return out;
}

}  // namespace dualwrite::engine
