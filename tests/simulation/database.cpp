#include "database.hpp"

#include <algorithm>
#include <limits>

#include "values.hpp"

namespace sim {

namespace {

constexpr auto least = std::numeric_limits<std::int64_t>::min();
constexpr auto most = std::numeric_limits<std::int64_t>::max();

std::int64_t key_value(const cql_statement& s, const std::vector<bound>& values, const char* name)
{
    for (const auto& c : s.where)
        if (c.column == name && c.op == "=") return key_number(evaluate(c.value, values, {}));
    for (const auto& a : s.assignments)
        if (s.what == cql_statement::kind::insert && a.column == name)
            return key_number(evaluate(a.value, values, {}));
    throw cql_error{std::string(name) + " is missing"};
}

bool names(const cql_statement& s, const char* column)
{
    const auto is = [&](const auto& c) { return c.column == column; };
    return std::any_of(s.where.begin(), s.where.end(), is) ||
           std::any_of(s.assignments.begin(), s.assignments.end(), is);
}

}  // namespace

struct database::run {
    const cql_statement& s;
    const std::vector<bound>& values;
    const table& of;
    stored_partition& partition;
    std::int64_t time_us;
    std::int64_t deletion_us;
    std::int64_t now_s;
    std::int64_t expiry_s;
};

const stored_table& database::rows_of(const std::string& name) const
{
    static const stored_table none;
    const auto found = tables_.find(name);
    return found == tables_.end() ? none : found->second;
}

// Paths grow with the order of execution, as the time-UUIDs of a coordinator do.
std::string database::list_path(bool prepend)
{
    constexpr std::int64_t middle = 1'000'000'000'000'000'000;
    return long_bytes(prepend ? middle - next_path_++ : middle + next_path_++);
}

void database::note(const run& r, const std::string& bytes)
{
    if (bytes.size() == 4) written_[number_of(bytes)].insert(r.time_us);
}

void database::apply(const cql_statement& s, const std::vector<bound>& values, const execution& how)
{
    const auto* of = find_table(s.table);
    if (of == nullptr || s.keyspace != "ks") throw cql_error{"unconfigured table " + s.table};
    const auto own = evaluate(s.timestamp, values, {});
    const auto ttl = evaluate(s.ttl, values, {});
    const auto time_us = own.present ? number_of(own.bytes) : how.time_us;
    const auto ttl_s = ttl.present ? number_of(ttl.bytes) : 0;
    if (ttl_s < 0) throw cql_error{"A TTL must be greater or equal to 0"};
    run r{
        s,
        values,
        *of,
        tables_[s.table][key_value(s, values, "p")],
        time_us,
        how.ballot ? time_us - 1 : time_us,
        how.now_s,
        ttl_s > 0 ? how.now_s + ttl_s : 0};
    switch (s.what) {
    case cql_statement::kind::insert:
        return apply_insert(r);
    case cql_statement::kind::update:
        return apply_update(r);
    case cql_statement::kind::erase:
        return apply_delete(r);
    default:
        throw cql_error{"not a write"};
    }
}

void database::apply_insert(run& r)
{
    const bool has_row = !r.of.clustered || names(r.s, "c");
    stored_row* row = nullptr;
    if (has_row) {
        row = &r.partition.rows[r.of.clustered ? key_value(r.s, r.values, "c") : 0];
        merge(row->marker, {r.time_us, r.expiry_s});
    }
    for (const auto& a : r.s.assignments) {
        if (a.column == "p" || a.column == "c") continue;
        const auto column = r.of.find(a.column);
        if (column < 0) throw cql_error{"no column " + a.column};
        auto* into = r.of.at(column).is_static ? &r.partition.statics : row;
        if (into == nullptr) throw cql_error{"c is missing"};
        assign(r, *into, column, a);
    }
}

void database::apply_update(run& r)
{
    for (const auto& a : r.s.assignments) {
        const auto column = r.of.find(a.column);
        if (column < 0) throw cql_error{"no column " + a.column};
        if (r.of.at(column).is_static)
            assign(r, r.partition.statics, column, a);
        else
            assign(
                r, r.partition.rows[r.of.clustered ? key_value(r.s, r.values, "c") : 0], column, a
            );
    }
}

void database::assign(run& r, stored_row& row, int column, const assignment& a)
{
    const auto type = r.of.at(column).type;
    if (is_collection(type)) return assign_collection(r, row, column, a);
    const auto value = evaluate(a.value, r.values, type);
    if (value.unset) return;
    if (type == column_type::counter) {
        auto& sum = row.cells[{column, {}}];
        const auto before = sum.value.empty() ? 0 : number_of(sum.value);
        const auto delta = number_of(value.bytes);
        const bool adds = a.what == assignment::kind::add;
        sum = {1, false, 0, long_bytes(adds ? before + delta : before - delta)};
        return;
    }
    if (!value.present) return row.put(column, {}, {r.deletion_us, true, r.now_s, {}});
    note(r, value.bytes);
    row.put(column, {}, {r.time_us, false, r.expiry_s, value.bytes});
}

void database::add_elements(
    run& r, stored_row& row, int column, const std::string& value, bool prepend
)
{
    const auto type = r.of.at(column).type;
    auto elements = elements_of(value, type == column_type::map);
    if (prepend) std::reverse(elements.begin(), elements.end());
    for (const auto& [first, second] : elements) {
        const bool list = type == column_type::list;
        note(r, type == column_type::map ? second : first);
        row.put(
            column,
            list ? list_path(prepend) : first,
            {r.time_us, false, r.expiry_s, list ? first : second}
        );
    }
}

void database::assign_collection(run& r, stored_row& row, int column, const assignment& a)
{
    const auto type = r.of.at(column).type;
    const auto value =
        evaluate(a.value, r.values, a.what == assignment::kind::element ? column_type::int_ : type);
    if (value.unset) return;
    const auto index = evaluate(a.index, r.values, column_type::int_);
    switch (a.what) {
    case assignment::kind::set:
        row.delete_column(column, r.time_us - 1);
        if (value.present) add_elements(r, row, column, value.bytes, false);
        return;
    case assignment::kind::add:
    case assignment::kind::prepend:
        if (value.present)
            add_elements(r, row, column, value.bytes, a.what == assignment::kind::prepend);
        return;
    case assignment::kind::subtract:
        if (!value.present) return;
        for (const auto& [first, second] : elements_of(value.bytes, false)) {
            if (type != column_type::list) {
                row.put(column, first, {r.deletion_us, true, r.now_s, {}});
                continue;
            }
            for (const auto& path : list_paths(row, column, r.partition, r.now_s))
                if (row.cells[{column, path}].value == first)
                    row.put(column, path, {r.deletion_us, true, r.now_s, {}});
        }
        return;
    case assignment::kind::element:
        break;
    }
    auto path = index.bytes;
    if (type == column_type::list) {
        const auto paths = list_paths(row, column, r.partition, r.now_s);
        const auto at = number_of(index.bytes);
        if (at < 0 || at >= static_cast<std::int64_t>(paths.size()))
            throw cql_error{"List index out of bound"};
        path = paths[static_cast<std::size_t>(at)];
    }
    if (!value.present) return row.put(column, path, {r.deletion_us, true, r.now_s, {}});
    note(r, value.bytes);
    row.put(column, path, {r.time_us, false, r.expiry_s, value.bytes});
}

void database::apply_delete(run& r)
{
    auto low = least;
    auto high = most;
    for (const auto& c : r.s.where) {
        if (c.column != "c") continue;
        const auto value = key_number(evaluate(c.value, r.values, {}));
        if (c.op == "=") low = high = value;
        if (c.op == ">") low = value + 1;
        if (c.op == ">=") low = value;
        if (c.op == "<") high = value - 1;
        if (c.op == "<=") high = value;
    }
    if (r.s.deletions.empty()) {
        if (low == least && high == most) {
            r.partition.deleted_us = std::max(r.partition.deleted_us, r.deletion_us);
        } else if (low == high) {
            auto& row = r.partition.rows[low];
            row.deleted_us = std::max(row.deleted_us, r.deletion_us);
        } else {
            r.partition.ranges.push_back({low, high, r.deletion_us});
        }
        return;
    }
    for (const auto& one : r.s.deletions) {
        const auto column = r.of.find(one.column);
        if (column < 0) throw cql_error{"no column " + one.column};
        auto& row = r.of.at(column).is_static ? r.partition.statics
                                              : r.partition.rows[r.of.clustered ? low : 0];
        const auto element = evaluate(one.element, r.values, column_type::int_);
        if (one.element.what != term::kind::none)
            row.put(column, element.bytes, {r.deletion_us, true, r.now_s, {}});
        else if (is_collection(r.of.at(column).type))
            row.delete_column(column, r.deletion_us);
        else
            row.put(column, {}, {r.deletion_us, true, r.now_s, {}});
    }
}

bool database::holds(const cql_statement& s, const std::vector<bound>& values, std::int64_t now_s)
    const
{
    const auto* of = find_table(s.table);
    if (of == nullptr) throw cql_error{"unconfigured table " + s.table};
    stored_row live;
    const auto& rows = rows_of(s.table);
    const auto clustering = of->clustered ? key_value(s, values, "c") : 0;
    if (const auto found = rows.find(key_value(s, values, "p")); found != rows.end())
        if (const auto row = found->second.rows.find(clustering); row != found->second.rows.end())
            live = live_part(row->second, found->second.deleted_at(clustering), now_s);
    switch (s.cas) {
    case cql_statement::conditional::no:
        return true;
    case cql_statement::conditional::if_not_exists:
        return !exists(live);
    case cql_statement::conditional::if_exists:
        return exists(live);
    case cql_statement::conditional::if_values:
        break;
    }
    return std::all_of(s.ifs.begin(), s.ifs.end(), [&](const condition& c) {
        const auto wanted = evaluate(c.value, values, column_type::int_);
        const auto cell = live.cells.find({of->find(c.column), {}});
        if (cell == live.cells.end()) return !wanted.present;
        return wanted.present && cell->second.value == wanted.bytes;
    });
}

}  // namespace sim
