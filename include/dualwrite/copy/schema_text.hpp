#pragma once

#include <dualwrite/copy/table_model.hpp>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

// CQL that makes what system_schema describes: what the data needs, and nothing that another
// version refuses. Compression, caching and their like are the operator's.

namespace dualwrite::copy {

// Of a row of system_schema.tables, what shapes the data or its life.
struct table_options {
    std::string comment;
    std::int32_t default_ttl_s{0};
    std::int32_t gc_grace_s{864'000};
    std::map<std::string, std::string> compaction;
    // cosmosdb_cell_level_timestamp and its like, where the server shows them.
    std::map<std::string, std::string> cell_level;
};

// Without them Azure Cosmos DB keeps one write time and one TTL for a whole row. They cannot be
// added to a table later.
inline constexpr std::string_view cell_level_flags[] = {
    "cosmosdb_cell_level_timestamp",
    "cosmosdb_cell_level_timestamp_tombstones",
    "cosmosdb_cell_level_timetolive"};

// For whom a statement is made.
struct create_target {
    bool cell_level{false};         // it needs the flags above, and sets most of the rest itself
    bool unified_compaction{true};  // it knows UnifiedCompactionStrategy: Cassandra 5.0
};

inline std::string cql_literal(std::string_view text)
{
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') out += '\'';
        out += c;
    }
    return out + '\'';
}

inline std::string cql_map(const std::map<std::string, std::string>& entries)
{
    std::string out = "{";
    for (const auto& [key, value] : entries)
        out += (out.size() == 1 ? "" : ", ") + cql_literal(key) + ": " + cql_literal(value);
    return out + '}';
}

// Replication factors by datacenter, as it stands in the map of system_schema.keyspaces.
inline std::string
create_keyspace(std::string_view name, const std::map<std::string, std::string>& replication)
{
    return "CREATE KEYSPACE IF NOT EXISTS " + cql_identifier(name) +
           " WITH replication = " + cql_map(replication) + ';';
}

inline std::string create_type(const user_type_row& type)
{
    auto out = "CREATE TYPE IF NOT EXISTS " + cql_identifier(type.keyspace) + '.' +
               cql_identifier(type.name) + " (";
    for (std::size_t i = 0; i < type.field_names.size(); ++i)
        out += (i == 0 ? "\n    " : ",\n    ") + cql_identifier(type.field_names[i]) + ' ' +
               type.field_types[i];
    return out + "\n);";
}

namespace detail {

// Does the text of a type name the user type `name`?
inline bool names_type(std::string_view text, const std::string& name)
{
    const auto written = cql_identifier(name);
    const auto is_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '"';
    };
    for (auto at = text.find(written); at != text.npos; at = text.find(written, at + 1)) {
        const auto end = at + written.size();
        const bool begins = at == 0 || !is_word(text[at - 1]);
        if (begins && (end == text.size() || !is_word(text[end]))) return true;
    }
    return false;
}

inline std::vector<column_row> in_order(std::vector<column_row> columns)
{
    const auto rank = [](const column_row& c) {
        return c.kind == "partition_key" ? 0
               : c.kind == "clustering"  ? 1
               : c.kind == "static"      ? 2
                                         : 3;
    };
    std::sort(columns.begin(), columns.end(), [&](const auto& a, const auto& b) {
        if (rank(a) != rank(b)) return rank(a) < rank(b);
        if (a.position != b.position) return a.position < b.position;
        return a.name < b.name;
    });
    return columns;
}

inline std::string key_text(const std::vector<column_row>& columns)
{
    std::string partition;
    std::string clustering;
    for (const auto& c : columns) {
        if (c.kind == "partition_key")
            partition += (partition.empty() ? "" : ", ") + cql_identifier(c.name);
        if (c.kind == "clustering") clustering += ", " + cql_identifier(c.name);
    }
    return "PRIMARY KEY ((" + partition + ')' + clustering + ')';
}

// Only where the order is not the usual one.
inline std::string order_text(const std::vector<column_row>& columns)
{
    std::string out;
    bool reversed = false;
    for (const auto& c : columns) {
        if (c.kind != "clustering") continue;
        const bool descends = c.clustering_order == "desc";
        reversed = reversed || descends;
        out += (out.empty() ? "" : ", ") + cql_identifier(c.name) + (descends ? " DESC" : " ASC");
    }
    return reversed ? "CLUSTERING ORDER BY (" + out + ')' : "";
}

inline std::vector<std::string> option_texts(
    const std::vector<column_row>& columns, const table_options& o, const create_target& to
)
{
    std::vector<std::string> out;
    if (auto order = order_text(columns); !order.empty()) out.push_back(std::move(order));
    if (!o.comment.empty()) out.push_back("comment = " + cql_literal(o.comment));
    if (o.default_ttl_s != 0)
        out.push_back("default_time_to_live = " + std::to_string(o.default_ttl_s));
    if (to.cell_level) {
        for (const auto flag : cell_level_flags) out.push_back(std::string(flag) + " = true");
        return out;
    }
    out.push_back("gc_grace_seconds = " + std::to_string(o.gc_grace_s));
    const auto strategy = o.compaction.find("class");
    const bool unified =
        strategy != o.compaction.end() && strategy->second.ends_with("UnifiedCompactionStrategy");
    if (!o.compaction.empty() && (!unified || to.unified_compaction))
        out.push_back("compaction = " + cql_map(o.compaction));
    return out;
}

}  // namespace detail

// Types that others use come before these.
inline std::vector<user_type_row> in_order_of_use(const std::vector<user_type_row>& types)
{
    std::vector<user_type_row> out;
    std::set<std::string> placed;
    const auto is_ready = [&](const user_type_row& type) {
        for (const auto& other : types) {
            if (other.name == type.name || placed.contains(other.name)) continue;
            for (const auto& field : type.field_types)
                if (detail::names_type(field, other.name)) return false;
        }
        return true;
    };
    for (std::size_t before = types.size() + 1;
         out.size() < types.size() && before != out.size();) {
        before = out.size();
        for (const auto& type : types) {
            if (placed.contains(type.name) || !is_ready(type)) continue;
            placed.insert(type.name);
            out.push_back(type);
        }
    }
    return out;
}

inline std::string create_table(
    const table_row& table,
    const std::vector<column_row>& unordered,
    const table_options& options,
    const create_target& to
)
{
    const auto columns = detail::in_order(unordered);
    auto out = "CREATE TABLE IF NOT EXISTS " + cql_identifier(table.keyspace) + '.' +
               cql_identifier(table.name) + " (\n";
    for (const auto& c : columns)
        out += "    " + cql_identifier(c.name) + ' ' + c.type +
               (c.kind == "static" ? " static" : "") + ",\n";
    out += "    " + detail::key_text(columns) + "\n)";
    const char* joint = " WITH ";
    for (const auto& option : detail::option_texts(columns, options, to))
        out += std::exchange(joint, "\n    AND ") + option;
    return out + ';';
}

}  // namespace dualwrite::copy
