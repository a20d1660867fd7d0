#pragma once

#include <dualwrite/policy/cql_words.hpp>
#include <dualwrite/policy/statement_facts.hpp>
#include <dualwrite/protocol/query_parameters.hpp>
#include <dualwrite/protocol/value_codec.hpp>
#include <dualwrite/replication/literal.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dualwrite::replication {

// What is to be made equal at the target: a partition, or the rows of it that begin with
// `clustering`. Values as a bound marker carries them, in the order of the key's columns.
struct partition_ref {
    std::string keyspace;
    std::string table;
    std::vector<std::string> key;
    std::vector<std::string> clustering{};
    friend bool operator==(const partition_ref&, const partition_ref&) = default;
};

// The values of one request.
class bound_values {
public:
    explicit bound_values(bytes_view values, bool named = false)
    {
        (void)protocol::for_each_value(values, named, [&](std::string_view name, const auto& v) {
            const bool present = v.is == protocol::bound_value::state::present;
            values_.push_back({name, present ? std::optional(as_text(v.bytes)) : std::nullopt});
        });
        named_ = named;
    }

    // What is bound to this marker, which stands for `column`; empty for null and unset. Where the
    // request names its values, `?` goes by the name that the server gives it: the column's.
    std::optional<std::string_view> operator()(
        const policy::term_source& marker, std::string_view column, std::string_view cql
    ) const
    {
        if (!named_) {
            const bool there = marker.marker < values_.size();
            return there ? values_[marker.marker].bytes : std::nullopt;
        }
        const auto name = name_of(marker, column, cql);
        for (const auto& value : values_)
            if (value.name == name) return value.bytes;
        return {};
    }

private:
    struct named_value {
        std::string_view name;
        std::optional<std::string_view> bytes;
    };

    static std::string
    name_of(const policy::term_source& marker, std::string_view column, std::string_view cql)
    {
        policy::cql_lexer lexer(cql.substr(marker.text.offset, marker.text.size));
        const auto first = lexer.next();
        if (first.kind == policy::token_kind::marker) return std::string(column);
        return policy::detail::unquote(lexer.next());
    }

    std::vector<named_value> values_;
    bool named_{false};
};

namespace detail {

// A statement that names more rows than this by IN is taken as one that does not name them.
inline constexpr std::size_t refs_max = 1000;

class ref_finder {
public:
    ref_finder(
        const policy::statement_facts& facts, std::string_view cql, const bound_values& bound
    ) noexcept
        : facts_(facts), cql_(cql), bound_(bound)
    {
    }

    // All refs of the statement; empty if it does not say its partitions completely.
    std::vector<partition_ref> find(partition_ref begin, const table_shape& shape) const
    {
        std::vector<partition_ref> out{std::move(begin)};
        for (const auto& column : shape.partition_key)
            if (!extend(out, &partition_ref::key, column)) return {};
        // Cassandra takes leading columns only, and so does a refresh.
        for (const auto& column : shape.clustering)
            if (!extend(out, &partition_ref::clustering, column)) break;
        return out;
    }

private:
    using key_part = std::vector<std::string> partition_ref::*;

    // Gives each ref the value of one more column, or one copy of it for each value of an IN.
    bool extend(std::vector<partition_ref>& refs, key_part part, const key_column& column) const
    {
        const auto values = values_of(column);
        if (values.empty() || refs.size() * values.size() > refs_max) return false;
        std::vector<partition_ref> longer;
        for (const auto& ref : refs) {
            for (const auto& value : values) {
                longer.push_back(ref);
                (longer.back().*part).push_back(value);
            }
        }
        refs = std::move(longer);
        return true;
    }

    std::vector<std::string> values_of(const key_column& column) const
    {
        const policy::key_relation* found = nullptr;
        for (const auto& relation : facts_.key_relations)
            if (relation.column == column.name) found = &relation;
        if (found == nullptr) return {};
        if (found->multiple && found->source.kind == policy::term_kind::marker)
            return values_of_list(*found);
        std::vector<std::string> out;
        const auto add = [&](const policy::term_source& term) {
            auto bytes = bytes_of(term, column);
            if (bytes) out.push_back(std::move(*bytes));
            return bytes.has_value();
        };
        if (!found->multiple) {
            add(found->source);
            return out;
        }
        if (!std::all_of(found->list.begin(), found->list.end(), add)) return {};
        return out;
    }

    std::vector<std::string> values_of_list(const policy::key_relation& relation) const
    {
        const auto list = bound_(relation.source, "in(" + relation.column + ")", cql_);
        if (!list) return {};
        std::vector<std::string> out;
        const auto read = protocol::for_each_element(as_bytes(*list), [&](const auto& element) {
            out.emplace_back(element ? as_text(*element) : std::string_view{});
        });
        return read ? out : std::vector<std::string>{};
    }

    std::optional<std::string>
    bytes_of(const policy::term_source& term, const key_column& column) const
    {
        if (term.kind == policy::term_kind::marker) {
            const auto bound = bound_(term, column.name, cql_);
            return bound ? std::optional<std::string>(*bound) : std::nullopt;
        }
        if (term.kind != policy::term_kind::literal) return {};
        return literal_bytes(column.type, cql_.substr(term.text.offset, term.text.size));
    }

    const policy::statement_facts& facts_;
    std::string_view cql_;
    const bound_values& bound_;
};

}  // namespace detail

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

// Where a write wrote, each place once. Empty if the statement does not say all of it: a function
// in the key, an unknown table, a literal of a rare type.
inline std::vector<partition_ref> partitions_of(
    const policy::statement_facts& f,
    std::string_view cql,
    const std::string& connection_keyspace,
    const table_shapes& shapes,
    const bound_values& bound
)
{
    std::vector<partition_ref> out;
    const auto add = [&](const policy::statement_facts& one) {
        partition_ref begin{one.qualified ? one.keyspace : connection_keyspace, one.table, {}, {}};
        const auto* shape = find_shape(shapes, begin.keyspace, begin.table);
        if (shape == nullptr) return false;
        auto found = detail::ref_finder(one, cql, bound).find(std::move(begin), *shape);
        for (auto& ref : found)
            if (std::find(out.begin(), out.end(), ref) == out.end()) out.push_back(std::move(ref));
        return !found.empty();
    };
    if (f.kind != policy::statement_kind::batch) {
        add(f);
        return out;
    }
    for (const auto& child : f.children)
        if (!add(child)) return {};
    return out;
}

}  // namespace dualwrite::replication
