#pragma once

#include <dualwrite/copy/cell_groups.hpp>

#include <optional>

// From a row to the statements that write it: one for each (write time, expiry) of its cells.

namespace dualwrite::copy {

// A row lives as long as its marker or one of its cells lives; only INSERT writes a marker, and
// nothing can read its write time or TTL.
enum class marker_policy : std::uint8_t {
    // The oldest cells of a row are written by INSERT, so the marker has their time and expiry:
    // what
    // a row has that was made by one INSERT. A row never outlives its last cell.
    with_oldest_cells,
    // Cells are written by UPDATE; only rows without any cell get a marker.
    rows_without_cells,
};

struct row_write_options {
    marker_policy markers{marker_policy::with_oldest_cells};
    // Of the marker of a row without cells: older than anything that may happen from now on, so
    // that no later deletion is undone; never "now".
    std::int64_t marker_writetime_us{0};
    std::int64_t marker_expiry_s{no_expiry};
    // For atoms whose write time the source cannot tell.
    std::optional<std::int64_t> unknown_writetime_us;
    // For all atoms, whatever the source tells.
    std::optional<std::int64_t> constant_writetime_us{};
};

enum class write_kind : std::uint8_t { insert, update, update_static };

// Keeps its memory between rows.
class row_writes {
public:
    // Calls write(kind, keys, atoms, writetime_us, expiry_s) for each statement. Multi-cell lists
    // are left out: appending is not repeatable, see has_list(). `with_statics` for the first row
    // of each partition.
    template <class F>
    void plan(
        const table_model& table,
        const row& r,
        bool with_statics,
        const row_write_options& options,
        F&& write
    )
    {
        if (with_statics && !r.statics.empty()) {
            select(table, r.statics, options);
            for (const auto& group : groups_.groups())
                write(
                    write_kind::update_static,
                    partition_values(table, r),
                    std::span<const atom* const>(group.atoms),
                    group.writetime_us,
                    group.expiry_s
                );
        }
        if (r.has_row) plan_row(table, r, options, write);
    }

private:
    template <class F>
    void
    plan_row(const table_model& table, const row& r, const row_write_options& options, F& write)
    {
        const std::span<const bytes_view> keys = r.keys;
        select(table, r.regulars, options);
        const auto groups = groups_.groups();
        if (r.regulars.empty()) {
            const std::span<const atom* const> none;
            write(
                write_kind::insert, keys, none, options.marker_writetime_us, options.marker_expiry_s
            );
            return;
        }
        bool marker = options.markers == marker_policy::with_oldest_cells;
        for (const auto& group : groups) {
            const std::span<const atom* const> atoms = group.atoms;
            const auto send = [&](write_kind kind) {
                write(kind, keys, atoms, group.writetime_us, group.expiry_s);
            };
            const auto cells = static_cast<std::size_t>(std::count_if(
                atoms.begin(),
                atoms.end(),
                [&](const atom* a) { return !is_multi_cell(table.columns[a->column].type); }
            ));
            if (marker) send(write_kind::insert);
            // The INSERT has written the group's cells, but no elements.
            if (!marker || cells != atoms.size()) send(write_kind::update);
            marker = false;
        }
    }

    void
    select(const table_model& table, std::span<const atom> atoms, const row_write_options& options)
    {
        selected_.clear();
        for (const auto& a : atoms) {
            if (is_list(table, a)) continue;
            selected_.push_back(a);
            if (a.writetime_us == no_writetime)
                selected_.back().writetime_us = options.unknown_writetime_us.value_or(0);
            if (options.constant_writetime_us)
                selected_.back().writetime_us = *options.constant_writetime_us;
        }
        groups_.assign(selected_);
    }

    static bool is_list(const table_model& table, const atom& a)
    {
        const auto& type = table.columns[a.column].type;
        return type.id == type_id::list && is_multi_cell(type);
    }

    std::vector<atom> selected_;
    cell_groups groups_;
};

// True when the row has elements of a multi-cell list.
inline bool has_list(const table_model& table, std::span<const atom> atoms)
{
    return std::any_of(atoms.begin(), atoms.end(), [&](const atom& a) {
        const auto& type = table.columns[a.column].type;
        return type.id == type_id::list && is_multi_cell(type);
    });
}

}  // namespace dualwrite::copy
