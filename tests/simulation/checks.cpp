#include "checks.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "values.hpp"

namespace sim {

namespace {

constexpr std::int64_t keys = 6;  // beyond what the workload uses

struct comparison {
    const table& of;
    std::int64_t now_s;
    std::int64_t expiry_slack_s;
};

std::string show(std::int64_t time_us)
{
    return time_us == never ? "never" : std::to_string(time_us);
}

std::string show(const stored_row& row, const table& of)
{
    std::ostringstream out;
    out << "{deleted " << show(row.deleted_us);
    if (row.marker.time_us != never)
        out << "; marker at " << row.marker.time_us << " until " << row.marker.expiry_s;
    for (const auto& [column, time_us] : row.column_deleted_us)
        out << "; " << of.at(column).name << " deleted at " << time_us;
    for (const auto& [name, cell] : row.cells) {
        out << "; " << of.at(name.first).name;
        if (name.second.size() == 4) out << '[' << number_of(name.second) << ']';
        out << " = ";
        if (cell.tombstone)
            out << "deleted";
        else if (cell.value.size() == 4 || cell.value.size() == 8)
            out << number_of(cell.value);
        else
            out << '\'' << cell.value << '\'';
        out << " at " << cell.time_us;
        if (!cell.tombstone && cell.expiry_s != 0) out << " until " << cell.expiry_s;
    }
    return out.str() + "}";
}

// A target of version 4 is told how long, not until when. What is over is over on both sides: it
// was given one more second when it was late.
bool near(std::int64_t a, std::int64_t b, const comparison& c)
{
    if ((a == 0) != (b == 0)) return false;
    if (c.expiry_slack_s != 0 && a != 0 && a <= c.now_s + 1 && b <= c.now_s + 1) return true;
    return std::abs(a - b) <= c.expiry_slack_s;
}

bool same(const stored_cell& a, const stored_cell& b, const comparison& c)
{
    if (a.time_us != b.time_us || a.tombstone != b.tombstone) return false;
    if (a.tombstone) return true;
    // With equal times the one that lives longer wins: not told apart when both are over.
    const bool over = c.expiry_slack_s != 0 && a.expiry_s != 0 && b.expiry_s != 0 &&
                      a.expiry_s <= c.now_s + 1 && b.expiry_s <= c.now_s + 1;
    if (over) return true;
    return a.value == b.value && near(a.expiry_s, b.expiry_s, c);
}

// All that merges: values, times, expiry, tombstones and markers.
bool same_exactly(const stored_row& a, const stored_row& b, const comparison& c)
{
    if (a.deleted_us != b.deleted_us || a.column_deleted_us != b.column_deleted_us) return false;
    if (a.marker.time_us != b.marker.time_us) return false;
    if (!near(a.marker.expiry_s, b.marker.expiry_s, c)) return false;
    return std::equal(
        a.cells.begin(),
        a.cells.end(),
        b.cells.begin(),
        b.cells.end(),
        [&](const auto& x, const auto& y) {
            return x.first == y.first && same(x.second, y.second, c);
        }
    );
}

// A cell that expires within the slack may be gone on one side.
void leave_out_expiring(stored_row& row, const comparison& c)
{
    if (c.expiry_slack_s == 0) return;
    std::erase_if(row.cells, [&](const auto& its) {
        const auto& cell = its.second;
        return cell.expiry_s != 0 && cell.expiry_s <= c.now_s + c.expiry_slack_s;
    });
}

// What a client can read: rows, values, their times and expiry. List elements have no name, and
// their times are those of the last writer; counters have no times.
bool same_to_read(stored_row a, stored_row b, const comparison& c)
{
    leave_out_expiring(a, c);
    leave_out_expiring(b, c);
    for (std::size_t i = 0; i < c.of.columns.size(); ++i) {
        const auto column = static_cast<int>(i);
        const auto type = c.of.at(column).type;
        const auto cells_of = [&](const stored_row& row) {
            std::vector<std::pair<std::string, stored_cell>> out;
            for (const auto& [name, cell] : row.cells) {
                if (name.first != column) continue;
                auto& added = out.emplace_back(name.second, cell);
                if (type == column_type::list) added.first.clear();
                if (type == column_type::list || type == column_type::counter)
                    added.second.time_us = 0;
                if (type == column_type::counter && number_of(cell.value) == 0) out.pop_back();
            }
            return out;
        };
        const auto x = cells_of(a);
        const auto y = cells_of(b);
        const bool equal =
            std::equal(x.begin(), x.end(), y.begin(), y.end(), [&](const auto& l, const auto& r) {
                return l.first == r.first && same(l.second, r.second, c);
            });
        if (!equal) return false;
    }
    return c.of.columns.front().type == column_type::counter || exists(a) == exists(b);
}

std::string compare_row(
    const stored_partition& a,
    const stored_partition& b,
    std::int64_t clustering,
    const comparison& c
)
{
    static const stored_row none;
    const auto row_of = [&](const stored_partition& p) -> const stored_row& {
        const auto found = p.rows.find(clustering);
        return found == p.rows.end() ? none : found->second;
    };
    auto deleted_a = a.deleted_at(clustering);
    const auto deleted_b = b.deleted_at(clustering);
    // A row of the target that seems to have lost its last cell is deleted with the time of the
    // write that took it: nothing of the row was written later.
    if (row_of(a).tombstones.count(deleted_b) != 0) deleted_a = std::max(deleted_a, deleted_b);
    auto x = visible_part(row_of(a), deleted_a);
    auto y = visible_part(row_of(b), deleted_b);
    bool equal = !c.of.exact || same_exactly(x, y, c);
    if (equal && !c.of.exact) {
        x = live_part(row_of(a), a.deleted_at(clustering), c.now_s);
        y = live_part(row_of(b), b.deleted_at(clustering), c.now_s);
        equal = same_to_read(x, y, c);
    }
    if (equal) return {};
    return "c = " + std::to_string(clustering) + ": source " + show(x, c.of) + ", target " +
           show(y, c.of);
}

std::string compare_tables(const stored_table& a, const stored_table& b, const comparison& c)
{
    static const stored_partition none;
    for (std::int64_t p = 0; p < keys; ++p) {
        const auto found_a = a.find(p);
        const auto found_b = b.find(p);
        const auto& x = found_a == a.end() ? none : found_a->second;
        const auto& y = found_b == b.end() ? none : found_b->second;
        const auto where = "ks." + c.of.name + " p = " + std::to_string(p) + ", ";
        for (std::int64_t clustering = 0; clustering < keys; ++clustering) {
            const auto text = compare_row(x, y, clustering, c);
            if (!text.empty()) return "the sides differ: " + where + text;
        }
        const auto statics_a = visible_part(x.statics, x.deleted_us);
        const auto statics_b = visible_part(y.statics, y.deleted_us);
        if (c.of.exact && !same_exactly(statics_a, statics_b, c))
            return "the sides differ: " + where + "statics: source " + show(statics_a, c.of) +
                   ", target " + show(statics_b, c.of);
    }
    return {};
}

// What clients were told is true: acknowledged writes are there, under one time each, and nothing
// is there that was not asked for.
std::string check_promises(const scenario& s, const database& source, const database& target)
{
    for (const auto& op : s.operations) {
        for (const auto number : op.numbers) {
            const auto at_source = source.written().find(number);
            const auto at_target = target.written().find(number);
            const auto what = "value " + std::to_string(number) + " of operation " +
                              std::to_string(op.number) + " (" + describe(op) + ")";
            const bool acknowledged = op.what == operation::state::done && op.applied;
            // UNAVAILABLE, OVERLOADED and IS_BOOTSTRAPPING of one partition: nothing was done.
            const bool untouched = op.what == operation::state::refused && op.steps.size() == 1 &&
                                   op.error >= 0x1000 && op.error <= 0x1002;
            if (untouched && at_source != source.written().end())
                return "refused, and at the source: " + what;
            if (acknowledged && at_source == source.written().end())
                return "acknowledged, and not at the source: " + what;
            if (at_target != target.written().end() && at_source == source.written().end())
                return "at the target, and not at the source: " + what;
            if (at_source == source.written().end()) continue;
            const auto table = op.steps.front().text;
            const bool list = table.find("ks.lists") != table.npos;
            if (at_source->second.size() > 1 && !op.transaction && !list)
                return "written at the source under two times: " + what;
            if (list || at_target == target.written().end()) continue;
            for (const auto time_us : at_target->second)
                if (at_source->second.count(time_us) == 0 && find_table("plain") != nullptr &&
                    table.find("ks.plain") != table.npos)
                    return "written at the target under another time: " + what;
        }
    }
    return {};
}

// A client that has its answer and writes again writes later, whatever has happened to the proxy
// and its clock.
std::string check_order(const scenario& s, const database& source)
{
    struct written {
        const operation* op;
        std::int64_t time_us;
    };
    std::vector<written> all;
    const bool skewed = std::any_of(s.faults.begin(), s.faults.end(), [](const fault& f) {
        return f.what == fault::kind::clock_back;
    });
    for (const auto& op : s.operations) {
        if (op.what != operation::state::done || !op.applied || op.time_us || op.time_in_text ||
            op.numbers.empty())
            continue;
        // The source takes the time of a transaction from its own clock.
        if (op.transaction && skewed) continue;
        const auto found = source.written().find(op.numbers.front());
        if (found != source.written().end() &&
            op.steps.front().text.find("ks.lists") == std::string::npos)
            all.push_back({&op, *found->second.begin()});
    }
    for (const auto& before : all)
        for (const auto& after : all)
            if (!after.op->transaction && before.op->ended_us < after.op->sent_us &&
                before.time_us >= after.time_us)
                return "a later write has an earlier time: " + describe(*before.op) + " at " +
                       std::to_string(before.time_us) + ", then " + describe(*after.op) + " at " +
                       std::to_string(after.time_us);
    return {};
}

}  // namespace

std::string check_all(
    const scenario& s,
    const database& source,
    const database& target,
    std::int64_t now_s,
    std::uint64_t
)
{
    auto problem = check_promises(s, source, target);
    if (problem.empty()) problem = check_order(s, source);
    if (!problem.empty()) return problem;
    const bool exact = s.source.version_max >= 5 && s.target.version_max >= 5;
    for (const auto& of : all_tables()) {
        problem = compare_tables(
            source.rows_of(of.name), target.rows_of(of.name), {of, now_s, exact ? 0 : 2}
        );
        if (!problem.empty()) return problem;
    }
    return {};
}

}  // namespace sim
