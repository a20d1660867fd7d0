#pragma once

#include <dualwrite/copy/cql_order.hpp>
#include <dualwrite/copy/row.hpp>

#include <cstdlib>

// Two streams of rows in ring order, joined; and what differs between two rows of one key.

namespace dualwrite::copy {

// The order of rows inside a partition; a partition's static row comes first.
inline std::strong_ordering compare_clustering(
    const table_model& table, std::span<const bytes_view> a, std::span<const bytes_view> b
)
{
    for (std::size_t i = 0; i < table.clustering_count; ++i) {
        const auto& column = table.columns[table.partition_count + i];
        const auto order = compare_values(column.type, a[i], b[i]);
        if (order != 0) return column.reversed ? 0 <=> order : order;
    }
    return std::strong_ordering::equal;
}

// The place of a row in its stream. `is_static` stands for the static columns of the partition.
struct row_place {
    token at;
    bytes_view partition_key{};
    std::span<const bytes_view> clustering{};
    bool is_static{false};
};

inline std::strong_ordering
compare_places(const table_model& table, const row_place& a, const row_place& b)
{
    const auto order = compare_partitions(a.at, a.partition_key, b.at, b.partition_key);
    if (order != 0) return order;
    if (a.is_static || b.is_static) return b.is_static <=> a.is_static;
    return compare_clustering(table, a.clustering, b.clustering);
}

enum class difference_kind : std::uint8_t { missing, extra, value, writetime, ttl };

constexpr std::string_view difference_name(difference_kind kind) noexcept
{
    switch (kind) {
    case difference_kind::missing:
        return "missing";
    case difference_kind::extra:
        return "extra";
    case difference_kind::value:
        return "value";
    case difference_kind::writetime:
        return "writetime";
    case difference_kind::ttl:
        return "ttl";
    }
    return "unknown";
}

// The worst that is wrong with one column. The atoms are null where a side has none.
struct cell_difference {
    difference_kind kind{difference_kind::value};
    std::uint32_t column{0};
    const atom* source{nullptr};
    const atom* target{nullptr};
};

struct compare_options {
    std::int64_t ttl_tolerance_s{1};
    bool times{true};  // compare write times and TTLs too
    bool writetimes{true};
};

namespace detail {

inline std::strong_ordering order_of_elements(const cql_type& type, const atom& a, const atom& b)
{
    if (type.id == type_id::set || type.id == type_id::map)
        return compare_values(type.parameters.front(), a.path, b.path);
    return a.index <=> b.index;
}

}  // namespace detail

// Calls f(source atom or null, target atom or null) for each pair of the same column and element.
// Both lists are in the server's order, which one walk can follow.
template <class F>
void for_each_pair(
    const table_model& table, std::span<const atom> source, std::span<const atom> target, F&& f
)
{
    std::size_t s = 0;
    std::size_t t = 0;
    while (s < source.size() || t < target.size()) {
        auto order = std::strong_ordering::equal;
        if (s == source.size())
            order = std::strong_ordering::greater;
        else if (t == target.size())
            order = std::strong_ordering::less;
        else if (source[s].column != target[t].column)
            order = source[s].column <=> target[t].column;
        else
            order = detail::order_of_elements(
                table.columns[source[s].column].type, source[s], target[t]
            );
        f(order <= 0 ? &source[s] : nullptr, order >= 0 ? &target[t] : nullptr);
        s += order <= 0 ? 1 : 0;
        t += order >= 0 ? 1 : 0;
    }
}

// Compares two atoms of one place; empty: they are equal. A list's write times are not compared:
// its elements are written anew as a whole where they cannot be told apart (docs/operations.md).
inline std::optional<difference_kind> compare_atoms(
    const cql_type& type, const atom* source, const atom* target, const compare_options& options
)
{
    if (source == nullptr || target == nullptr) return difference_kind::value;
    // Keys that compare as equal, such as the decimals 1.0 and 1.00, keep the bytes of the first.
    if (!equal(source->value, target->value)) return difference_kind::value;
    if (!options.times) return std::nullopt;
    if (source->writetime_us == no_writetime || target->writetime_us == no_writetime)
        return std::nullopt;
    const bool list = type.id == type_id::list && is_multi_cell(type);
    if (options.writetimes && !list && source->writetime_us != target->writetime_us)
        return difference_kind::writetime;
    const bool both_expire = (source->expiry_s == no_expiry) == (target->expiry_s == no_expiry);
    if (!both_expire || std::abs(source->expiry_s - target->expiry_s) > options.ttl_tolerance_s)
        return difference_kind::ttl;
    return std::nullopt;
}

// Appends at most one difference for each column, the worst: value before write time before TTL.
inline void compare_cells(
    const table_model& table,
    std::span<const atom> source,
    std::span<const atom> target,
    const compare_options& options,
    std::vector<cell_difference>& out
)
{
    const auto begin = out.size();
    for_each_pair(table, source, target, [&](const atom* s, const atom* t) {
        const auto column = s != nullptr ? s->column : t->column;
        const auto kind = compare_atoms(table.columns[column].type, s, t, options);
        if (!kind) return;
        if (out.size() > begin && out.back().column == column) {
            if (*kind < out.back().kind) out.back() = {*kind, column, s, t};
        } else {
            out.push_back({*kind, column, s, t});
        }
    });
}

}  // namespace dualwrite::copy
