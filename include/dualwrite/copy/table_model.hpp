#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/protocol/types.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

// What copying and comparing needs to know of a table, made from the rows of system_schema.

namespace dualwrite::copy {

using protocol::cql_type;
using protocol::is_multi_cell;
using protocol::type_id;

enum class column_kind : std::uint8_t { partition_key, clustering, static_, regular };

struct column_model {
    std::string name;
    cql_type type;
    column_kind kind{column_kind::regular};
    bool reversed{false};  // clustering order DESC

    bool is_key() const noexcept
    {
        return kind == column_kind::partition_key || kind == column_kind::clustering;
    }
    friend bool operator==(const column_model&, const column_model&) = default;
};

// Columns in one list: partition key, clustering key, static, regular; a column is known by its
// place in it.
struct table_model {
    std::string keyspace;
    std::string name;
    std::string id;  // a new one when the table is made anew
    std::vector<column_model> columns;
    std::size_t partition_count{0};
    std::size_t clustering_count{0};
    std::size_t static_count{0};
    std::int32_t default_ttl_s{0};
    bool counter{false};
    bool compact{false};

    std::size_t key_count() const noexcept { return partition_count + clustering_count; }
    std::size_t first_regular() const noexcept { return key_count() + static_count; }
    bool has_statics() const noexcept { return static_count != 0; }

    // As it is written in a statement.
    std::string cql_name() const
    {
        std::string out;
        protocol::append_identifier(out, keyspace);
        out += '.';
        protocol::append_identifier(out, name);
        return out;
    }

    const column_model* find(std::string_view column) const noexcept
    {
        for (const auto& c : columns)
            if (c.name == column) return &c;
        return nullptr;
    }
    template <class Predicate> bool any_column(Predicate&& p) const
    {
        return std::any_of(columns.begin(), columns.end(), p);
    }
    bool has_multi_cell_list() const
    {
        return any_column([](const column_model& c) {
            return c.type.id == type_id::list && is_multi_cell(c.type);
        });
    }
};

inline std::string cql_identifier(std::string_view name)
{
    std::string out;
    protocol::append_identifier(out, name);
    return out;
}

// A row of system_schema.types.
struct user_type_row {
    std::string keyspace;
    std::string name;
    std::vector<std::string> field_names;
    std::vector<std::string> field_types;
};

// A row of system_schema.columns.
struct column_row {
    std::string name;
    std::string kind;  // partition_key, clustering, static, regular
    std::int32_t position{-1};
    std::string clustering_order;  // asc, desc, none
    std::string type;
};

struct table_row {
    std::string keyspace;
    std::string name;
    std::string id;
    std::vector<std::string> flags;  // compound, dense, counter, super
    std::int32_t default_ttl_s{0};
};

namespace detail {

class user_type_resolver {
public:
    explicit user_type_resolver(const std::vector<user_type_row>& known) noexcept : known_(known) {}

    result<cql_type> parse(std::string_view text, int depth = 0) const
    {
        if (depth > protocol::type_depth_max) return fail(errc::malformed);
        return protocol::parse_type_text(text, [&](std::string_view name) {
            return find(name, depth);
        });
    }

private:
    std::optional<cql_type> find(std::string_view name, int depth) const
    {
        for (const auto& row : known_) {
            if (row.name != name) continue;
            cql_type type{.id = type_id::udt, .keyspace = row.keyspace, .name = row.name};
            type.field_names = row.field_names;
            for (const auto& text : row.field_types) {
                auto field = parse(text, depth + 1);
                if (!field) return std::nullopt;
                type.parameters.push_back(*std::move(field));
            }
            return type;
        }
        return std::nullopt;
    }

    const std::vector<user_type_row>& known_;
};

inline result<column_kind> parse_column_kind(std::string_view text) noexcept
{
    if (text == "partition_key") return column_kind::partition_key;
    if (text == "clustering") return column_kind::clustering;
    if (text == "static") return column_kind::static_;
    if (text == "regular") return column_kind::regular;
    return fail(errc::malformed);
}

}  // namespace detail

// Fails with errc::unsupported for a user type that `types` lacks, with errc::malformed for what
// system_schema never holds.
inline result<table_model> make_table_model(
    const table_row& table,
    const std::vector<column_row>& columns,
    const std::vector<user_type_row>& types
)
{
    const auto has_flag = [&](std::string_view flag) {
        return std::find(table.flags.begin(), table.flags.end(), flag) != table.flags.end();
    };
    table_model model;
    model.keyspace = table.keyspace;
    model.name = table.name;
    model.id = table.id;
    model.default_ttl_s = table.default_ttl_s;
    model.counter = has_flag("counter");
    model.compact = !table.flags.empty() && (!has_flag("compound") || has_flag("dense"));

    const detail::user_type_resolver resolver(types);
    struct placed {
        column_model column;
        std::int32_t position;
    };
    std::vector<placed> all;
    for (const auto& row : columns) {
        placed next;
        next.column.name = row.name;
        DW_TRY(kind, detail::parse_column_kind(row.kind));
        next.column.kind = kind;
        next.column.reversed = row.clustering_order == "desc";
        next.position = row.position;
        DW_TRY(type, resolver.parse(row.type));
        next.column.type = std::move(type);
        all.push_back(std::move(next));
    }
    std::sort(all.begin(), all.end(), [](const placed& a, const placed& b) {
        if (a.column.kind != b.column.kind) return a.column.kind < b.column.kind;
        if (a.position != b.position) return a.position < b.position;
        return a.column.name < b.column.name;
    });
    for (auto& next : all) {
        if (next.column.kind == column_kind::partition_key) ++model.partition_count;
        if (next.column.kind == column_kind::clustering) ++model.clustering_count;
        if (next.column.kind == column_kind::static_) ++model.static_count;
        model.columns.push_back(std::move(next.column));
    }
    if (model.partition_count == 0) return fail(errc::malformed);
    return model;
}

}  // namespace dualwrite::copy
