#pragma once

#include <dualwrite/base/assert.hpp>
#include <dualwrite/copy/table_model.hpp>

// Can the rows of one table be kept in, or compared with, those of another?

namespace dualwrite::copy {

namespace detail {

inline bool same_type(const cql_type& source, const cql_type& target)
{
    // Whether an inner type is written as frozen differs between versions and means nothing.
    if (source.id != target.id || source.dimension != target.dimension) return false;
    if (source.parameters.size() > target.parameters.size()) return false;
    // A user type of the target may have more fields: those stay null.
    if (source.parameters.size() < target.parameters.size() && source.id != type_id::udt)
        return false;
    if (source.id == type_id::custom && source.custom_class != target.custom_class) return false;
    for (std::size_t i = 0; i < source.parameters.size(); ++i) {
        if (!same_type(source.parameters[i], target.parameters[i])) return false;
        if (source.id == type_id::udt && source.field_names[i] != target.field_names[i])
            return false;
    }
    return true;
}

inline std::string type_name(const cql_type& type)
{
    std::string out;
    protocol::append_type_text(out, type);
    return out;
}

}  // namespace detail

// Sentences, one for each reason why rows of `source` cannot be kept in `target`; empty: they can.
inline std::vector<std::string>
target_problems(const table_model& source, const table_model& target)
{
    std::vector<std::string> problems;
    using detail::type_name;
    const auto say = [&](std::string what) { problems.push_back(std::move(what)); };
    if (source.partition_count != target.partition_count ||
        source.clustering_count != target.clustering_count)
        say("the primary keys have different columns");
    if (source.counter != target.counter) say("only one of the two is a counter table");
    if (target.compact) say("the target's table has COMPACT STORAGE");
    for (std::size_t i = 0; i < source.columns.size(); ++i) {
        const auto& column = source.columns[i];
        const auto* other = target.find(column.name);
        const auto name = cql_identifier(column.name);
        if (other == nullptr) {
            say("the target has no column " + name);
            continue;
        }
        if (other->kind != column.kind) say("column " + name + " has another kind at the target");
        if (!detail::same_type(column.type, other->type) ||
            is_multi_cell(column.type) != is_multi_cell(other->type))
            say("column " + name + " has another type at the target: " + type_name(other->type) +
                ", not " + type_name(column.type));
        if (column.is_key() && i < target.columns.size() && target.columns[i].name != column.name)
            say("column " + name + " has another place in the target's key");
    }
    return problems;
}

// Columns of `source` that `target` lacks and that rows could be kept without.
inline std::vector<std::string>
missing_columns(const table_model& source, const table_model& target)
{
    std::vector<std::string> out;
    for (const auto& column : source.columns)
        if (!column.is_key() && target.find(column.name) == nullptr) out.push_back(column.name);
    return out;
}

// As if the table never had that column, which is none of its key.
inline void leave_out(table_model& table, const std::string& column)
{
    const auto* found = table.find(column);
    DW_ASSERT(found != nullptr && !found->is_key());
    if (found->kind == column_kind::static_) --table.static_count;
    table.columns.erase(table.columns.begin() + (found - table.columns.data()));
}

// The same for a comparison, which needs both tables in the same order.
inline std::vector<std::string>
comparison_problems(const table_model& source, const table_model& target)
{
    auto problems = target_problems(source, target);
    for (const auto& column : source.columns) {
        const auto* other = target.find(column.name);
        if (other != nullptr && other->reversed != column.reversed)
            problems.push_back(
                "column " + cql_identifier(column.name) +
                " has another clustering order at the target"
            );
    }
    return problems;
}

}  // namespace dualwrite::copy
