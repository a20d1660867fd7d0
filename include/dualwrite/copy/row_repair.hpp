#pragma once

#include <dualwrite/copy/row_compare.hpp>
#include <dualwrite/copy/row_writes.hpp>

#include <deque>
#include <string>

// From a row at the source and the row of the same key at the target to the writes that make the
// target's equal.
//
// What is written has the source's times. What is deleted is deleted at the target's own write
// time, so that anything newer survives. Only where the target holds something newer than the
// source, its time is passed by one microsecond: the caller has read the target first, so the
// source really does not have it.

namespace dualwrite::copy {

enum class repair_kind : std::uint8_t {
    insert,
    update,
    update_static,
    delete_row,
    delete_column,
    delete_element,
    delete_field,
};

struct repair_write {
    repair_kind kind{repair_kind::update};
    std::uint32_t column{0};  // of the deletions
    std::uint32_t field{0};
    std::vector<const atom*> atoms;
    std::int64_t writetime_us{0};
    std::int64_t expiry_s{no_expiry};
};

struct repair_options {
    compare_options compare;
    marker_policy markers{marker_policy::with_oldest_cells};
    // The write that made the repair necessary; 0: not known. Stands in for times that a side
    // cannot tell, and is what a second attempt goes up to: the first was hidden by a deletion that
    // nothing can read.
    std::int64_t writetime_us{0};
    // Of markers that no cell brings, and of deletions of rows that have no cells: see above, or a
    // time before anything that may be happening now.
    std::int64_t marker_writetime_us{0};
    std::int64_t marker_expiry_s{no_expiry};
    std::uint32_t attempt{0};
};

// Views the two rows and, where a time had to change, itself.
class repair_plan {
public:
    const std::vector<repair_write>& writes() const noexcept { return writes_; }
    // Not empty: a difference that no write can mend, in words.
    const std::string& problem() const noexcept { return problem_; }
    // The target has a cell of the source's value that was written later: no write makes it older.
    bool newer_at_target() const noexcept { return newer_at_target_; }

    // Null rows do not exist. With `is_static` only the static columns are looked at, and the rows
    // always exist.
    void assign(
        const table_model& table,
        const row* source,
        const row* target,
        bool is_static,
        const repair_options& options
    )
    {
        writes_.clear();
        atoms_.clear();
        problem_.clear();
        newer_at_target_ = false;
        table_ = &table;
        options_ = options;
        is_static_ = is_static;
        const std::span<const atom> none;
        const auto cells = [&](const row* r) {
            return r == nullptr ? none
                                : std::span<const atom>(is_static ? r->statics : r->regulars);
        };
        if (!is_static && source == nullptr) {
            if (target != nullptr) delete_row(*target);
            return;
        }
        if (!is_static && target == nullptr)
            write_row(*source);
        else
            mend_cells(cells(source), cells(target));
        mend_lists(cells(source), cells(target));
    }

private:
    bool is_list(const atom& a) const
    {
        const auto& type = table_->columns[a.column].type;
        return type.id == type_id::list && is_multi_cell(type);
    }

    // The time that a cell of the source is written with; what hid an earlier attempt is passed.
    std::int64_t source_time(const atom& a)
    {
        auto time = a.writetime_us;
        if (time == no_writetime) time = known_or_problem(a);
        return options_.attempt > 0 ? std::max(time, options_.writetime_us) : time;
    }
    std::int64_t target_time(const atom& a)
    {
        return a.writetime_us == no_writetime ? known_or_problem(a) : a.writetime_us;
    }
    std::int64_t known_or_problem(const atom& a)
    {
        if (options_.writetime_us == 0)
            problem_ =
                "nothing tells when column " + table_->columns[a.column].name + " was written";
        return options_.writetime_us;
    }

    const atom* keep(atom a) { return &atoms_.emplace_back(a); }

    void delete_row(const row& target)
    {
        auto time = no_writetime;
        for (const auto& a : target.regulars) time = std::max(time, target_time(a));
        // The second time round, what is left is a marker that is newer than the cells were.
        if (time == no_writetime || options_.attempt > 0)
            time = std::max(time, options_.marker_writetime_us);
        writes_.push_back({.kind = repair_kind::delete_row, .atoms = {}, .writetime_us = time});
    }

    void write_row(const row& source)
    {
        std::vector<atom> timed;
        for (const auto& a : source.regulars) {
            timed.push_back(a);
            if (!is_list(a)) timed.back().writetime_us = source_time(a);
        }
        row copy;
        copy.keys = source.keys;
        copy.has_row = true;
        copy.regulars = std::move(timed);
        const row_write_options how{
            .markers = options_.markers,
            .marker_writetime_us = options_.marker_writetime_us,
            .marker_expiry_s = options_.marker_expiry_s,
            .unknown_writetime_us = std::nullopt};
        planner_.plan(
            *table_,
            copy,
            false,
            how,
            [&](write_kind kind,
                std::span<const bytes_view>,
                std::span<const atom* const> atoms,
                std::int64_t writetime_us,
                std::int64_t expiry_s) {
                repair_write write{
                    .kind = kind == write_kind::insert ? repair_kind::insert : repair_kind::update,
                    .atoms = {},
                    .writetime_us = writetime_us,
                    .expiry_s = expiry_s};
                for (const auto* a : atoms) write.atoms.push_back(keep(*a));
                writes_.push_back(std::move(write));
            }
        );
    }

    // True if `s`, written with its own time, is what a merge with `t` keeps.
    static bool wins(const atom& s, const atom& t, std::int64_t s_time, std::int64_t t_time)
    {
        if (s_time != t_time) return s_time > t_time;
        const bool s_expires = s.expiry_s != no_expiry;
        const bool t_expires = t.expiry_s != no_expiry;
        if (s_expires != t_expires) return s_expires;
        if (s.expiry_s != t.expiry_s) return s.expiry_s > t.expiry_s;
        return as_text(s.value) > as_text(t.value);
    }

    void mend_cells(std::span<const atom> source, std::span<const atom> target)
    {
        changed_.clear();
        for_each_pair(*table_, source, target, [&](const atom* s, const atom* t) {
            if (is_list(s != nullptr ? *s : *t)) return;
            const auto& type = table_->columns[s != nullptr ? s->column : t->column].type;
            const auto kind = compare_atoms(type, s, t, options_.compare);
            if (!kind) return;
            if (s == nullptr) return delete_atom(*t);
            atom write = *s;
            write.writetime_us = source_time(*s);
            if (t != nullptr && !wins(*s, *t, write.writetime_us, target_time(*t))) {
                if (*kind == difference_kind::writetime && s->expiry_s == t->expiry_s) {
                    newer_at_target_ = true;
                    return;
                }
                write.writetime_us = target_time(*t) + 1;
            }
            changed_.push_back(write);
        });
        groups_.assign(changed_);
        for (const auto& group : groups_.groups()) {
            repair_write write{
                .kind = is_static_ ? repair_kind::update_static : repair_kind::update,
                .atoms = {},
                .writetime_us = group.writetime_us,
                .expiry_s = group.expiry_s};
            for (const auto* a : group.atoms) write.atoms.push_back(keep(*a));
            writes_.push_back(std::move(write));
        }
    }

    void delete_atom(const atom& extra)
    {
        const auto& type = table_->columns[extra.column].type;
        auto kind = repair_kind::delete_column;
        if (is_multi_cell(type))
            kind =
                type.id == type_id::udt ? repair_kind::delete_field : repair_kind::delete_element;
        writes_.push_back(
            {.kind = kind,
             .column = extra.column,
             .field = extra.index,
             .atoms = {keep(extra)},
             .writetime_us = target_time(extra)}
        );
    }

    void mend_lists(std::span<const atom> source, std::span<const atom> target)
    {
        const auto part = [](std::span<const atom> atoms, std::uint32_t column) {
            const auto begin = std::find_if(atoms.begin(), atoms.end(), [&](const atom& a) {
                return a.column == column;
            });
            auto end = begin;
            while (end != atoms.end() && end->column == column) ++end;
            return std::span<const atom>(begin, end);
        };
        for (std::uint32_t i = 0; i < table_->columns.size(); ++i) {
            const auto& column = table_->columns[i];
            const bool wanted =
                column.kind == (is_static_ ? column_kind::static_ : column_kind::regular);
            if (!wanted || column.type.id != type_id::list || !is_multi_cell(column.type)) continue;
            const auto s = part(source, i);
            const auto t = part(target, i);
            if (!same_list(column.type, s, t)) mend_list(i, s, t);
        }
    }

    bool same_list(const cql_type& type, std::span<const atom> s, std::span<const atom> t) const
    {
        if (s.size() != t.size()) return false;
        for (std::size_t i = 0; i < s.size(); ++i)
            if (compare_atoms(type, &s[i], &t[i], options_.compare)) return false;
        return true;
    }

    // An element's place cannot be written, only appended to: into an empty list with the source's
    // times, else the list is deleted just below the time that its new elements get.
    void mend_list(std::uint32_t column, std::span<const atom> s, std::span<const atom> t)
    {
        auto fence = no_writetime;
        for (const auto& a : t) fence = std::max(fence, target_time(a));
        if (s.empty()) {
            writes_.push_back(
                {.kind = repair_kind::delete_column,
                 .column = column,
                 .atoms = {keep(t.front())},
                 .writetime_us = std::max(fence, options_.attempt > 0 ? options_.writetime_us : 0)}
            );
            return;
        }
        const bool rewrite = !t.empty() || options_.attempt > 0;
        if (rewrite) {
            for (const auto& a : s) fence = std::max(fence, source_time(a));
            fence = std::max(fence, options_.writetime_us) + options_.attempt;
            writes_.push_back(
                {.kind = repair_kind::delete_column,
                 .column = column,
                 .atoms = {keep(s.front())},
                 .writetime_us = fence}
            );
        }
        for (const auto& a : s) {
            const auto time = rewrite ? fence + 1 : source_time(a);
            const bool joins =
                !writes_.empty() && writes_.back().kind == append_kind() &&
                !writes_.back().atoms.empty() && writes_.back().atoms.back()->column == column &&
                writes_.back().writetime_us == time && writes_.back().expiry_s == a.expiry_s;
            if (!joins)
                writes_.push_back(
                    {.kind = append_kind(),
                     .atoms = {},
                     .writetime_us = time,
                     .expiry_s = a.expiry_s}
                );
            writes_.back().atoms.push_back(keep(a));
        }
    }
    repair_kind append_kind() const noexcept
    {
        return is_static_ ? repair_kind::update_static : repair_kind::update;
    }

    const table_model* table_{nullptr};
    repair_options options_;
    bool is_static_{false};
    std::vector<repair_write> writes_;
    std::deque<atom> atoms_;  // stay where they are
    std::string problem_;
    bool newer_at_target_{false};
    std::vector<atom> changed_;
    cell_groups groups_;
    row_writes planner_;
};

}  // namespace dualwrite::copy
