#pragma once

#include <dualwrite/policy/statement_facts.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What becomes of a statement at the target. The rules and their sources: docs/architecture.md,
// "Which write goes which way"; Cassandra's side of it in reliability anchors B.1.

namespace dualwrite::replication {

// What replication has to know of a table.
struct key_column {
    std::string name;
    std::string type;  // as system_schema spells it
};

struct table_shape {
    std::vector<key_column> partition_key;
    std::vector<key_column> clustering{};
    std::vector<std::string> lists{};       // unfrozen ones
    std::vector<std::string> multi_cell{};  // all that is more than one cell, lists included
    std::vector<std::string> statics{};
    std::map<std::string, std::string, std::less<>> types{};  // of all columns, by name
    bool counter{false};

    bool is_list(std::string_view column) const { return has(lists, column); }
    bool is_multi_cell(std::string_view column) const { return has(multi_cell, column); }
    bool is_static(std::string_view column) const { return has(statics, column); }

private:
    static bool has(const std::vector<std::string>& names, std::string_view column)
    {
        return std::find(names.begin(), names.end(), column) != names.end();
    }
};

// (keyspace, table) -> shape. Empty until the source's schema has been read.
using table_shapes = std::map<std::pair<std::string, std::string>, table_shape, std::less<>>;

inline const table_shape*
find_shape(const table_shapes& shapes, const std::string& keyspace, const std::string& table)
{
    const auto found = shapes.find(std::pair{keyspace, table});
    return found == shapes.end() ? nullptr : &found->second;
}

enum class plan : std::uint8_t {
    pass,          // changes no user data: the source alone
    replay,        // the same mutation with the same write time
    undecided,     // one or the other: the table is not known yet
    refresh,       // the source's state is read and written to the target
    schema,        // DDL and TRUNCATE: the same text, behind a barrier
    unreplicated,  // the source alone; counted, reported and kept, because the target now differs
};

struct decision {
    plan what{plan::pass};
    std::string_view reason;  // of refresh and unreplicated; of pass where it is worth counting
    friend bool operator==(const decision&, const decision&) = default;
};

namespace detail {

inline decision decide_by_shape(const policy::statement_facts& f, const table_shape& shape)
{
    if (shape.counter) return {plan::refresh, "counter"};
    for (const auto& a : f.assignments) {
        if (shape.is_list(a.column) && a.kind != policy::assignment_kind::delete_value)
            return {plan::refresh, "list"};
    }
    // INSERT JSON names its columns in the document.
    if (f.json && !shape.lists.empty()) return {plan::refresh, "list"};
    return {plan::replay, {}};
}

inline decision decide_one(const policy::statement_facts& f, const table_shape* shape)
{
    if (f.conditional) return {plan::refresh, "lightweight transaction"};
    if (f.nondeterministic) return {plan::refresh, "non-deterministic function"};
    if (f.other_function) return {plan::refresh, "user-defined function"};
    if (shape == nullptr) return {plan::undecided, "unknown table"};
    return decide_by_shape(f, *shape);
}

}  // namespace detail

// True for the server's own keyspaces, which differ between clusters by nature.
inline bool is_system_keyspace(std::string_view keyspace) noexcept
{
    return keyspace == "system" || keyspace.starts_with("system_");
}

// `keyspace` is the connection's, for statements that name none.
inline decision
decide(const policy::statement_facts& f, const std::string& keyspace, const table_shapes& shapes)
{
    using policy::statement_kind;
    const auto& where = f.keyspace.empty() ? keyspace : f.keyspace;
    const bool of_system = is_system_keyspace(where);
    switch (f.kind) {
    case statement_kind::select:
    case statement_kind::use:
    case statement_kind::other_read:
        return {};
    case statement_kind::role:
        return {plan::pass, "roles and permissions stay at the source"};
    case statement_kind::unknown:
        return {plan::unreplicated, "unknown statement"};
    case statement_kind::ddl:
        if (of_system) return {};
        if (f.ddl_object == policy::schema_object::trigger)
            return {plan::unreplicated, "triggers run code of the source's server"};
        return {plan::schema, {}};
    case statement_kind::truncate:
        if (of_system) return {};
        if (f.unparsed) return {plan::unreplicated, "statement not understood"};
        return {plan::schema, {}};
    case statement_kind::batch: {
        if (f.unparsed) return {plan::unreplicated, "statement not understood"};
        if (f.batch == policy::batch_type::counter) return {plan::refresh, "counter"};
        decision all{plan::replay, {}};
        for (const auto& child : f.children) {
            const auto one = decide(child, keyspace, shapes);
            if (one.what > all.what) all = one;
        }
        return all;
    }
    case statement_kind::insert:
    case statement_kind::update:
    case statement_kind::delete_:
        break;
    }
    if (of_system) return {};
    if (f.unparsed) return {plan::unreplicated, "statement not understood"};
    return detail::decide_one(f, find_shape(shapes, where, f.table));
}

}  // namespace dualwrite::replication
