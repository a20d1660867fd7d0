#pragma once

// What the null server knows: one node, one table, and as much of the system tables as drivers and
// proxies read before they serve.

#include <dualwrite/protocol/response_build.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dualwrite::bench {

inline constexpr std::string_view bench_keyspace = "bench";
inline constexpr std::string_view bench_table = "kv";  // (key bigint PRIMARY KEY, value blob)

struct null_column {
    std::string name;
    protocol::type_id type;
    std::vector<protocol::cell> values;  // one per row
};

struct null_table {
    std::vector<null_column> columns;
    std::size_t rows{0};
};

inline std::string lower(std::string_view text)
{
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return out;
}

// The cells are views of text that lives as long as the program.
class null_tables {
public:
    explicit null_tables(long port)
    {
        using protocol::type_id;
        const auto address = keep(std::string("\x7f\0\0\1", 4));
        const auto id = keep(std::string(16, '\x42'));
        const auto number = [this](std::int32_t value) {
            byte_buffer buffer;
            protocol::append_int(buffer, value);
            return keep(std::string(as_text(buffer.view())));
        };
        byte_buffer tokens;
        protocol::append_int(tokens, 1);
        protocol::append_bytes(tokens, as_bytes("0"));
        const auto token_set = keep(std::string(as_text(tokens.view())));

        add_row(
            "system.local",
            {
                {"key", type_id::text, keep("local")},
                {"bootstrapped", type_id::text, keep("COMPLETED")},
                {"broadcast_address", type_id::inet, address},
                {"cluster_name", type_id::text, keep("null")},
                {"cql_version", type_id::text, keep("3.4.5")},
                {"data_center", type_id::text, keep("dc1")},
                {"host_id", type_id::uuid, id},
                {"listen_address", type_id::inet, address},
                {"native_protocol_version", type_id::text, keep("5")},
                {"partitioner", type_id::text, keep("org.apache.cassandra.dht.Murmur3Partitioner")},
                {"rack", type_id::text, keep("rack1")},
                {"release_version", type_id::text, keep("4.0.18")},
                {"rpc_address", type_id::inet, address},
                {"rpc_port", type_id::int_, number(static_cast<std::int32_t>(port))},
                {"schema_version", type_id::uuid, id},
                {"tokens", type_id::set, token_set},
            }
        );
        for (const auto* name : {"system.peers", "system.peers_v2"}) {
            tables_[name] = tables_["system.local"];
            auto& peers = tables_[name];
            peers.rows = 0;
            peers.columns[0] = {"peer", type_id::inet, {}};
            for (auto& column : peers.columns) column.values.clear();
        }
        for (const auto& [name, kind, position, type] :
             {std::tuple{"key", "partition_key", 0, "bigint"},
              std::tuple{"value", "regular", -1, "blob"}})
            add_row(
                "system_schema.columns",
                {
                    {"keyspace_name", type_id::text, as_bytes(bench_keyspace)},
                    {"table_name", type_id::text, as_bytes(bench_table)},
                    {"column_name", type_id::text, keep(name)},
                    {"clustering_order", type_id::text, keep("none")},
                    {"kind", type_id::text, keep(kind)},
                    {"position", type_id::int_, number(position)},
                    {"type", type_id::text, keep(type)},
                }
            );
        add_row(
            "system_schema.keyspaces",
            {
                {"keyspace_name", type_id::text, as_bytes(bench_keyspace)},
                {"durable_writes", type_id::boolean, keep(std::string(1, '\1'))},
            }
        );
        add_row(
            "system_schema.tables",
            {
                {"keyspace_name", type_id::text, as_bytes(bench_keyspace)},
                {"table_name", type_id::text, as_bytes(bench_table)},
            }
        );
    }

    // The answer to a SELECT of a system table; nothing if `text` is none.
    bool append_answer(byte_buffer& out, std::string_view text) const
    {
        const auto query = lower(text);
        const auto from = query.find(" from system");
        if (!query.starts_with("select ") || from == std::string::npos) return false;
        const auto begin = from + 6;
        const auto name = query.substr(begin, query.find_first_of(" ;", begin) - begin);
        const auto found = tables_.find(name);
        static const null_table none;
        append_rows(
            out,
            name,
            found == tables_.end() ? none : found->second,
            std::string_view(query).substr(7, from - 7)
        );
        return true;
    }

private:
    struct field {
        std::string name;
        protocol::type_id type;
        protocol::cell value;
    };

    bytes_view keep(std::string text)
    {
        kept_.push_back(std::make_unique<std::string>(std::move(text)));
        return as_bytes(*kept_.back());
    }

    void add_row(const std::string& name, const std::vector<field>& row)
    {
        auto& table = tables_[name];
        if (table.rows == 0)
            for (const auto& cell : row) table.columns.push_back({cell.name, cell.type, {}});
        for (std::size_t i = 0; i < row.size(); ++i)
            table.columns[i].values.push_back(row[i].value);
        ++table.rows;
    }

    static void append_rows(
        byte_buffer& out, const std::string& name, const null_table& table, std::string_view wanted
    )
    {
        std::vector<const null_column*> chosen;
        for (const auto& column : table.columns)
            if (wanted.find('*') != std::string_view::npos || names(wanted, column.name))
                chosen.push_back(&column);
        std::vector<protocol::column_spec> specs;
        const auto dot = name.find('.');
        for (const auto* column : chosen) {
            protocol::cql_type type{column->type};
            if (column->type == protocol::type_id::set)
                type.parameters.push_back({protocol::type_id::text});
            specs.push_back({name.substr(0, dot), name.substr(dot + 1), column->name, type});
        }
        protocol::rows_builder rows(out, specs);
        for (std::size_t row = 0; row < table.rows; ++row)
            for (const auto* column : chosen) rows.add_cell(column->values[row]);
        rows.finish();
    }

    // True if `name` is one of the comma-separated `list`. Rows keep the table's order of columns,
    // which is the order in which everybody asks for them.
    static bool names(std::string_view list, std::string_view name)
    {
        for (std::size_t at = 0; (at = list.find(name, at)) != std::string_view::npos; ++at) {
            const auto end = at + name.size();
            const bool begins = at == 0 || list[at - 1] == ' ' || list[at - 1] == ',';
            if (begins && (end == list.size() || list[end] == ' ' || list[end] == ',')) return true;
        }
        return false;
    }

    std::map<std::string, null_table> tables_;
    std::vector<std::unique_ptr<std::string>> kept_;
};

}  // namespace dualwrite::bench
