#include <dualwrite/engine/job.hpp>

#include <nlohmann/json.hpp>

#include "job_tables.hpp"
#include "ledger.hpp"

// What other jobs have done of a copy, on other machines say, comes into the ledger of the whole.

namespace dualwrite::engine {

namespace {

using nlohmann::json;

// "users": [[start, end, rows, cells], ...], as job_base writes it. Throws on anything else.
std::vector<done_range> read_done(const json& from)
{
    std::vector<done_range> out;
    for (const auto& one : from) {
        const copy::token_range range{
            {one.at(0).get<std::int64_t>()}, {one.at(1).get<std::int64_t>()}};
        if (range.wraps()) throw std::invalid_argument("a range that ends before it starts");
        out.push_back({range, one.at(2).get<std::uint64_t>(), one.at(3).get<std::uint64_t>()});
    }
    return out;
}

// The parts that the ledger lacks; the first one carries the counts.
bool add_done(ledger& into, const std::string& table, std::vector<done_range> all, std::string& why)
{
    auto known = into.done_of(table, why);
    if (!known) return false;
    for (auto& [range, rows, cells] : all) {
        for (const auto& piece : known->missing_from(range)) {
            const done_range part{piece, std::exchange(rows, 0), std::exchange(cells, 0)};
            if (into.record_done(table, part)) continue;
            why = "the ledger " + into.path() + " cannot be written: " + into.error();
            return false;
        }
        known->add(range);
    }
    return true;
}

bool add_failed(ledger& into, const json& from, std::string& why)
{
    for (const auto& one : from) {
        const failed_range its{
            one.at("table").get<std::string>(),
            {{one.at("start").get<std::int64_t>()}, {one.at("end").get<std::int64_t>()}},
            one.at("error").get<std::string>()};
        if (into.record_failed(its)) continue;
        why = "the ledger " + into.path() + " cannot be written: " + into.error();
        return false;
    }
    return true;
}

}  // namespace

result<void> job::merge(const copy_options& options, std::string_view report_json, std::string& why)
{
    const auto path = options.state_dir + "/" + state_file_name("copy", options, ".sqlite");
    const auto opened = ledger::open(path, std::nullopt, false, why);
    if (!opened) return fail(opened.error());
    try {
        const auto report = json::parse(report_json);
        if (report.at("job") != "copy" || report.at("keyspace") != options.keyspace) {
            why = "this is the report of another job than the copy of " + options.keyspace;
            return fail(errc::invalid_argument);
        }
        if (!add_failed(**opened, report.at("failed_ranges"), why)) return fail(errc::spool_full);
        for (const auto& table : report.at("tables"))
            if (table.contains("done") &&
                !add_done(**opened, table.at("table"), read_done(table.at("done")), why))
                return fail(errc::spool_full);
        return {};
    } catch (const std::exception& error) {
        why = std::string("this is no report of a copy: ") + error.what();
        return fail(errc::invalid_argument);
    }
}

}  // namespace dualwrite::engine
