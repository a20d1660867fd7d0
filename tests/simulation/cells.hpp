#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

// What a cluster stores, merged as Cassandra 5.0 merges it: Cells.resolveRegular,
// LivenessInfo.supersedes, DeletionTime.deletes. Written from those rules, without any of the
// product's code, so that a mistake there does not hide here.

namespace sim {

inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();

struct stored_cell {
    std::int64_t time_us{never};
    bool tombstone{false};
    std::int64_t expiry_s{0};  // 0: lives for ever; of a tombstone: when it was written
    std::string value;

    bool mortal() const noexcept { return tombstone || expiry_s != 0; }
    bool is_live(std::int64_t now_s) const noexcept
    {
        return !tombstone && (expiry_s == 0 || expiry_s > now_s);
    }
    friend bool operator==(const stored_cell&, const stored_cell&) = default;
};

// Keeps in `into` what a merge keeps.
inline void merge(stored_cell& into, const stored_cell& other)
{
    const auto rank = [](const stored_cell& c) {
        return std::tuple(
            c.time_us, c.mortal(), c.tombstone, c.expiry_s, c.tombstone ? std::string() : c.value
        );
    };
    if (rank(other) > rank(into)) into = other;
}

// Of a row that INSERT made.
struct stored_marker {
    std::int64_t time_us{never};
    std::int64_t expiry_s{0};

    bool is_live(std::int64_t now_s) const noexcept
    {
        return time_us != never && (expiry_s == 0 || expiry_s > now_s);
    }
    friend bool operator==(const stored_marker&, const stored_marker&) = default;
};

inline void merge(stored_marker& into, const stored_marker& other)
{
    const auto rank = [](const stored_marker& m) {
        return std::tuple(m.time_us, m.expiry_s != 0, m.expiry_s);
    };
    if (rank(other) > rank(into)) into = other;
}

using cell_name = std::pair<int, std::string>;  // column, path of an element

struct stored_row {
    stored_marker marker;
    std::int64_t deleted_us{never};
    std::map<cell_name, stored_cell> cells;
    std::map<int, std::int64_t> column_deleted_us;  // collections
    std::set<std::int64_t> tombstones;              // times of all that cells ever got

    void put(int column, const std::string& path, const stored_cell& cell)
    {
        if (cell.tombstone) tombstones.insert(cell.time_us);
        merge(cells[{column, path}], cell);
    }
    void delete_column(int column, std::int64_t time_us)
    {
        auto& deleted = column_deleted_us.try_emplace(column, never).first->second;
        deleted = std::max(deleted, time_us);
        tombstones.insert(time_us);
    }
};

struct stored_range {
    std::int64_t first{0};  // clustering values, both included
    std::int64_t last{0};
    std::int64_t deleted_us{never};
};

struct stored_partition {
    std::int64_t deleted_us{never};
    stored_row statics;
    std::map<std::int64_t, stored_row> rows;  // by the clustering value
    std::vector<stored_range> ranges;

    // The newest deletion of the partition, of a range, of the row.
    std::int64_t deleted_at(std::int64_t clustering) const
    {
        auto out = deleted_us;
        for (const auto& range : ranges)
            if (range.first <= clustering && clustering <= range.last)
                out = std::max(out, range.deleted_us);
        if (const auto found = rows.find(clustering); found != rows.end())
            out = std::max(out, found->second.deleted_us);
        return out;
    }
};

// Without what deletions hide.
inline stored_row visible_part(const stored_row& row, std::int64_t deleted_us)
{
    stored_row out;
    out.deleted_us = deleted_us;
    if (row.marker.time_us > deleted_us) out.marker = row.marker;
    for (const auto& [column, time_us] : row.column_deleted_us)
        if (time_us > deleted_us) out.column_deleted_us[column] = time_us;
    for (const auto& [name, cell] : row.cells) {
        const auto found = out.column_deleted_us.find(name.first);
        const auto limit = found == out.column_deleted_us.end() ? deleted_us : found->second;
        if (cell.time_us > limit) out.cells[name] = cell;
    }
    return out;
}

// What a SELECT at `now_s` sees of it. Empty cells and no marker: no such row.
inline stored_row live_part(const stored_row& row, std::int64_t deleted_us, std::int64_t now_s)
{
    auto out = visible_part(row, deleted_us);
    out.deleted_us = never;
    out.column_deleted_us.clear();
    if (!out.marker.is_live(now_s)) out.marker = {};
    std::erase_if(out.cells, [&](const auto& its) { return !its.second.is_live(now_s); });
    return out;
}

inline bool exists(const stored_row& live) noexcept
{
    return live.marker.time_us != never || !live.cells.empty();
}

using stored_table = std::map<std::int64_t, stored_partition>;  // by the partition key

}  // namespace sim
