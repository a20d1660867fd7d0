#include "job_tables.hpp"

#include <dualwrite/copy/ledger_plan.hpp>
#include <dualwrite/copy/schema_check.hpp>

#include <algorithm>
#include <cctype>

namespace dualwrite::engine {

namespace {

bool contains(const std::vector<std::string>& list, const std::string& text)
{
    return std::find(list.begin(), list.end(), text) != list.end();
}

void add_problem(std::string& why, const std::string& table, const std::string& problem)
{
    if (!why.empty()) why += "; ";
    why += "table " + table + ": " + problem;
}

// The partitioner decides what a token is.
bool check_partitioners(
    const cql_cluster& source, const cql_cluster& target, table_use use, std::string& why
)
{
    const auto usable = [&](const cql_cluster& side) {
        if (side.facts().partitioner.ends_with("Murmur3Partitioner")) return true;
        why = "the " + side.side() + " uses " + side.facts().partitioner +
              "; only Murmur3Partitioner is supported";
        return false;
    };
    return usable(source) && (use == table_use::copy || usable(target));
}

void add_table(
    const std::string& name,
    const keyspace_schema& source,
    const keyspace_schema& target,
    table_use use,
    bool leave_out_missing,
    std::vector<job_table>& out,
    std::string& why
)
{
    const auto at_source = source.tables.find(name);
    if (at_source == source.tables.end()) {
        const auto unreadable = source.unreadable.find(name);
        if (unreadable != source.unreadable.end())
            add_problem(why, name, unreadable->second);
        else if (contains(source.views, name))
            add_problem(why, name, "a materialized view; the target makes it from its base table");
        else
            add_problem(why, name, "the source has no such table");
        return;
    }
    const auto at_target = target.tables.find(name);
    if (at_target == target.tables.end())
        return add_problem(
            why,
            name,
            "the target has no such table; create it first, dualwrite check --cql prints how"
        );
    if (at_source->second.compact)
        return add_problem(
            why, name, "has COMPACT STORAGE; run ALTER TABLE ... DROP COMPACT STORAGE first"
        );
    job_table table{at_source->second, at_target->second, {}};
    for (const auto& column : copy::missing_columns(table.source, table.target)) {
        if (!leave_out_missing) continue;
        copy::leave_out(table.source, column);
        table.notes.push_back("column " + column + " is left out: the target lacks it");
    }
    const auto problems = use == table_use::copy
                              ? copy::target_problems(table.source, table.target)
                              : copy::comparison_problems(table.source, table.target);
    for (const auto& problem : problems) add_problem(why, name, problem);
    for (const auto& column : at_target->second.columns)
        if (at_source->second.find(column.name) == nullptr)
            table.notes.push_back("column " + column.name + " exists at the target only");
    out.push_back(std::move(table));
}

// Those that --table names, else all; of these the selected ones.
std::vector<std::string>
wanted_names(const job_options& options, const keyspace_schema& source, std::string& why)
{
    auto names = options.tables;
    for (const auto& name : names)
        if (!options.selection.takes(options.keyspace, name))
            add_problem(why, name, "left out by --tables-include or --tables-exclude");
    if (!names.empty()) return names;
    for (const auto& [name, model] : source.tables) names.push_back(name);
    for (const auto& [name, reason] : source.unreadable) names.push_back(name);
    const bool had_some = !names.empty();
    std::erase_if(names, [&](const std::string& name) {
        return !options.selection.takes(options.keyspace, name);
    });
    if (had_some && names.empty())
        why =
            "--tables-include and --tables-exclude leave no table of keyspace " + options.keyspace;
    return names;
}

}  // namespace

asio::awaitable<std::optional<std::vector<job_table>>> find_tables(
    cql_cluster& source,
    cql_cluster& target,
    const job_options& options,
    table_use use,
    std::string& why
)
{
    if (!check_partitioners(source, target, use, why)) co_return std::nullopt;
    cql_failure failure;
    const auto at_source = co_await read_schema(source, options.keyspace, failure);
    if (!at_source) {
        why = "cannot read the schema of the source: " + failure.describe();
        co_return std::nullopt;
    }
    const auto at_target = co_await read_schema(target, options.keyspace, failure);
    if (!at_target) {
        why = "cannot read the schema of the target: " + failure.describe();
        co_return std::nullopt;
    }
    std::vector<job_table> out;
    const auto names = wanted_names(options, *at_source, why);
    for (const auto& name : names)
        add_table(name, *at_source, *at_target, use, options.leave_out_missing_columns, out, why);
    if (!why.empty()) co_return std::nullopt;
    co_return out;
}

asio::awaitable<std::vector<copy::planned_range>>
plan_table(cql_cluster& source, const copy::table_model& table, std::uint32_t ranges)
{
    const auto estimates = co_await read_size_estimates(source, table.keyspace, table.name);
    const auto size = copy::estimate_table(estimates);
    co_return copy::plan_ranges(source.facts().ring, size, {.ranges = ranges});
}

std::string
state_file_name(const std::string& job, const job_options& options, const std::string& suffix)
{
    const auto part = [](const std::string& text) {
        std::string out = "-";
        for (const char c : text)
            out += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' ? c : '_';
        return out;
    };
    return job + part(options.source.text()) + part(options.target.text()) +
           part(options.keyspace) + suffix;
}

bool check_job_options(const job_options& options, std::string& why)
{
    if (options.keyspace.empty()) {
        why = "which keyspace? give --keyspace";
        return false;
    }
    if (options.page_size == 0 || options.page_size > 100'000) {
        why = "the page size is a number of rows from 1 to 100000";
        return false;
    }
    for (const auto& level : {options.read_consistency, options.write_consistency})
        if (!protocol::parse_consistency(level)) {
            why = level + " is no consistency level";
            return false;
        }
    return true;
}

}  // namespace dualwrite::engine
