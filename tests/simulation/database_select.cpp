#include <algorithm>

#include "database.hpp"
#include "values.hpp"

namespace sim {

namespace {

struct found_row {
    std::int64_t p;
    std::optional<std::int64_t> c;
    stored_row row;  // what is live of it
};

answer_cell
times_of(const std::vector<const stored_cell*>& cells, bool ttl, bool many, std::int64_t now_s)
{
    if (cells.empty()) return {};
    std::string list = int_bytes(static_cast<std::int64_t>(cells.size()));
    for (const auto* cell : cells) {
        answer_cell one;
        if (!ttl) one = long_bytes(cell->time_us);
        if (ttl && cell->expiry_s != 0) one = int_bytes(cell->expiry_s - now_s);
        if (!many) return one;
        list += int_bytes(one ? static_cast<std::int64_t>(one->size()) : -1) + one.value_or("");
    }
    return list;
}

answer_cell value_of(
    const stored_row& row,
    const std::vector<const stored_cell*>& cells,
    int column,
    column_type type
)
{
    if (cells.empty()) return {};
    if (!is_collection(type)) return cells.front()->value;
    std::vector<std::string> parts;
    for (const auto& [name, cell] : row.cells) {
        if (name.first != column) continue;
        if (type != column_type::list) parts.push_back(name.second);
        if (type != column_type::set) parts.push_back(cell.value);
    }
    return collection_bytes(parts, cells.size());
}

answer_cell read(
    const table& of,
    const selection& wanted,
    const found_row& found,
    const stored_row& statics,
    std::int64_t now_s
)
{
    if (wanted.column == "p") return int_bytes(found.p);
    if (wanted.column == "c") return found.c ? answer_cell(int_bytes(*found.c)) : answer_cell();
    const auto column = of.find(wanted.column);
    if (column < 0) throw cql_error{"no column " + wanted.column};
    const auto& row = of.at(column).is_static ? statics : found.row;
    const auto type = of.at(column).type;
    std::vector<const stored_cell*> cells;
    for (const auto& [name, cell] : row.cells)
        if (name.first == column) cells.push_back(&cell);
    if (wanted.what != selection::kind::value)
        return times_of(cells, wanted.what == selection::kind::ttl, is_collection(type), now_s);
    return value_of(row, cells, column, type);
}

}  // namespace

std::vector<std::vector<answer_cell>>
database::select(const cql_statement& s, const std::vector<bound>& values, std::int64_t now_s) const
{
    const auto* of = find_table(s.table);
    if (of == nullptr) throw cql_error{"unconfigured table " + s.table};
    std::optional<std::int64_t> p;
    std::optional<std::int64_t> c;
    for (const auto& where : s.where)
        (where.column == "p" ? p : c) = key_number(evaluate(where.value, values, {}));
    if (!p) throw cql_error{"p is missing"};
    const auto& rows = rows_of(s.table);
    const auto partition = rows.find(*p);
    if (partition == rows.end()) return {};
    const auto& its = partition->second;
    const auto statics = live_part(its.statics, its.deleted_us, now_s);
    std::vector<found_row> found;
    for (const auto& [clustering, row] : its.rows) {
        if (of->clustered && c && clustering != *c) continue;
        auto live = live_part(row, its.deleted_at(clustering), now_s);
        if (!exists(live)) continue;
        found.push_back(
            {*p, of->clustered ? std::optional(clustering) : std::nullopt, std::move(live)}
        );
    }
    if (found.empty() && !c && exists(statics)) found.push_back({*p, {}, {}});
    const bool statics_only =
        std::none_of(s.selected.begin(), s.selected.end(), [&](const selection& wanted) {
            const auto column = of->find(wanted.column);
            return wanted.column == "c" || (column >= 0 && !of->at(column).is_static);
        });
    if (statics_only && found.size() > 1) found.resize(1);
    std::vector<std::vector<answer_cell>> out;
    for (const auto& one : found) {
        out.emplace_back();
        for (const auto& wanted : s.selected)
            out.back().push_back(read(*of, wanted, one, statics, now_s));
    }
    return out;
}

}  // namespace sim
