#pragma once

#include <dualwrite/policy/statement_facts.hpp>
#include <dualwrite/protocol/query_parameters.hpp>
#include <dualwrite/replication/literal.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dualwrite::replication {

// A partition whose state at the target is to be made that of the source.
struct partition_ref {
    std::string keyspace;
    std::string table;
    std::vector<std::string> key;  // as bound values, in the order of the partition key
    friend bool operator==(const partition_ref&, const partition_ref&) = default;
};

// The values of a request by the place of their marker.
class bound_values {
public:
    explicit bound_values(bytes_view values, bool named = false)
    {
        if (named) return;  // the place of a named value is not known without the statement
        (void)protocol::for_each_value(values, false, [&](std::string_view, const auto& value) {
            if (value.is == protocol::bound_value::state::present)
                values_.emplace_back(as_text(value.bytes));
            else
                values_.emplace_back();
        });
    }
    std::optional<std::string_view> operator()(std::uint16_t marker) const
    {
        return marker < values_.size() ? values_[marker] : std::nullopt;
    }

private:
    std::vector<std::optional<std::string_view>> values_;
};

// Where a write that cannot be replayed wrote. `value_of(marker)` gives the bytes of a bound value
// as std::optional<std::string_view>, empty for null and unset. Empty if the statement does not say
// it completely: a function in the key, IN, an unknown table, a literal of a rare type.
template <class ValueOf>
std::optional<partition_ref> find_partition(
    const policy::statement_facts& f,
    std::string_view cql,
    const std::string& connection_keyspace,
    const table_shapes& shapes,
    ValueOf&& value_of
)
{
    partition_ref out{f.qualified ? f.keyspace : connection_keyspace, f.table, {}};
    const auto* shape = find_shape(shapes, out.keyspace, out.table);
    if (shape == nullptr) return {};
    for (const auto& column : shape->partition_key) {
        const policy::key_relation* found = nullptr;
        for (const auto& relation : f.key_relations)
            if (relation.column == column.name && !relation.multiple) found = &relation;
        if (found == nullptr) return {};
        const auto& source = found->source;
        std::optional<std::string> bytes;
        if (source.kind == policy::term_kind::marker) {
            const std::optional<std::string_view> bound = value_of(source.marker);
            if (bound) bytes = std::string(*bound);
        } else if (source.kind == policy::term_kind::literal) {
            bytes = literal_bytes(column.type, cql.substr(source.text.offset, source.text.size));
        }
        if (!bytes) return {};
        out.key.push_back(std::move(*bytes));
    }
    return out;
}

// True if the schema has every table that the statement writes.
inline bool tables_known(
    const policy::statement_facts& f,
    const std::string& connection_keyspace,
    const table_shapes& shapes
)
{
    if (f.kind == policy::statement_kind::batch)
        return std::all_of(f.children.begin(), f.children.end(), [&](const auto& child) {
            return tables_known(child, connection_keyspace, shapes);
        });
    return find_shape(shapes, f.qualified ? f.keyspace : connection_keyspace, f.table) != nullptr;
}

// Every partition that a statement writes; empty if it does not say all of them.
template <class ValueOf>
std::vector<partition_ref> partitions_of(
    const policy::statement_facts& f,
    std::string_view cql,
    const std::string& connection_keyspace,
    const table_shapes& shapes,
    ValueOf&& value_of
)
{
    std::vector<partition_ref> out;
    const auto add = [&](const policy::statement_facts& one) {
        auto found = find_partition(one, cql, connection_keyspace, shapes, value_of);
        if (!found) return false;
        if (std::find(out.begin(), out.end(), *found) == out.end())
            out.push_back(std::move(*found));
        return true;
    };
    if (f.kind != policy::statement_kind::batch) {
        if (!add(f)) out.clear();
        return out;
    }
    for (const auto& child : f.children)
        if (!add(child)) return {};
    return out;
}

}  // namespace dualwrite::replication
