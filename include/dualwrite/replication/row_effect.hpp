#pragma once

#include <dualwrite/policy/cql_lexer.hpp>
#include <dualwrite/policy/statement_facts.hpp>
#include <dualwrite/protocol/query_parameters.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Whether a write can take the last cell of a row.
//
// A row that INSERT made has a marker and stays without cells; one that UPDATE made is gone with
// its last cell. CQL does not show the marker, so a copy gives one to every row (copy/row_writes),
// and a row that has lost its last cell may be gone at the source and not at the target. After such
// a write the delivery asks the source whether the row is still there.

namespace dualwrite::replication {

struct row_effect {
    bool may_empty{false};  // as far as the text says
    // A refresh writes a list with a time above its own: this deletion may stand below it.
    bool deletes_beside_lists{false};
    // Not so if one of these is bound to a value: it goes to a cell of the row.
    std::vector<std::uint16_t> cell_markers;
};

namespace detail {

inline bool is_null_or_empty(std::string_view term) noexcept
{
    if (policy::detail::equals_folded(term, "null")) return true;
    return term.find_first_not_of("{}[] \t\r\n") == std::string_view::npos;
}

enum class assigned : std::uint8_t { cell, nothing, unknown };

inline assigned judge(const policy::assignment& a, std::string_view cql)
{
    using policy::assignment_kind;
    using policy::term_kind;
    if (a.kind == assignment_kind::delta && a.adds) return assigned::nothing;
    const bool writes = a.kind == assignment_kind::value || a.kind == assignment_kind::element ||
                        a.kind == assignment_kind::field;
    if (!writes) return assigned::unknown;
    const bool constant =
        a.source.kind == term_kind::literal || a.source.kind == term_kind::composite;
    if (!constant) return assigned::unknown;
    return is_null_or_empty(cql.substr(a.source.text.offset, a.source.text.size))
               ? assigned::unknown
               : assigned::cell;
}

}  // namespace detail

inline row_effect effect_of(
    const policy::statement_facts& f,
    std::string_view cql,
    const std::string& connection_keyspace,
    const table_shapes& shapes
)
{
    row_effect out;
    if (f.kind == policy::statement_kind::batch) {
        for (const auto& child : f.children) {
            const auto its = effect_of(child, cql, connection_keyspace, shapes);
            out.may_empty |= its.may_empty;
            out.deletes_beside_lists |= its.deletes_beside_lists;
        }
        return out;
    }
    if (f.kind == policy::statement_kind::insert) return out;
    const auto* shape = find_shape(shapes, f.qualified ? f.keyspace : connection_keyspace, f.table);
    out.deletes_beside_lists =
        f.kind == policy::statement_kind::delete_ && shape != nullptr && !shape->lists.empty();
    bool leaves_cell = false;
    for (const auto& a : f.assignments) {
        // A static column is no cell of a row.
        if (shape != nullptr && shape->is_static(a.column)) continue;
        const auto what = detail::judge(a, cql);
        out.may_empty |= what == detail::assigned::unknown;
        if (shape == nullptr) continue;  // each may be static
        leaves_cell |= what == detail::assigned::cell;
        const bool bound =
            a.kind == policy::assignment_kind::value && a.source.kind == policy::term_kind::marker;
        // An empty collection looks like a zero.
        if (bound && !shape->is_multi_cell(a.column)) out.cell_markers.push_back(a.source.marker);
    }
    out.may_empty &= !leaves_cell;
    return out;
}

// The same for one execution, which binds `values`.
inline bool may_empty(const row_effect& effect, bytes_view values, bool named)
{
    if (!effect.may_empty || named || effect.cell_markers.empty()) return effect.may_empty;
    std::uint16_t marker = 0;
    bool leaves_cell = false;
    (void)protocol::for_each_value(values, false, [&](std::string_view, const auto& value) {
        const auto& cells = effect.cell_markers;
        if (value.is == protocol::bound_value::state::present)
            leaves_cell |= std::find(cells.begin(), cells.end(), marker) != cells.end();
        ++marker;
    });
    return !leaves_cell;
}

}  // namespace dualwrite::replication
