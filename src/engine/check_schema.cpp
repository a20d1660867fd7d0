#include "check_schema.hpp"

#include <dualwrite/copy/schema_check.hpp>
#include <dualwrite/copy/schema_text.hpp>
#include <dualwrite/protocol/response.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include <algorithm>
#include <set>

#include "schema.hpp"
#include "schema_options.hpp"

namespace dualwrite::engine {

namespace {

// Beyond this a list of tables is a count.
constexpr std::size_t named_max = 20;

bool contains(const std::vector<std::string>& list, const std::string& text)
{
    return std::find(list.begin(), list.end(), text) != list.end();
}

template <class Value>
const Value* find(const std::map<std::string, Value>& in, const std::string& name)
{
    const auto found = in.find(name);
    return found == in.end() ? nullptr : &found->second;
}

// What one side has of a keyspace.
struct side_schema {
    keyspace_schema schema;
    std::map<std::string, copy::table_options> options;  // by table
};

class comparison {
public:
    comparison(
        const check_request& request, cql_cluster& source, cql_cluster& target, check_report& report
    )
        : request_(request), source_(source), target_(target), report_(report)
    {
    }

    asio::awaitable<void> run()
    {
        bool known = co_await read_keyspaces(source_, at_source_);
        if (known) known = co_await read_keyspaces(target_, at_target_);
        if (!known) co_return;
        if (!request_.keyspace.empty())
            std::erase_if(at_source_, [&](const auto& k) { return k.first != request_.keyspace; });
        report_.tables = 0;
        if (!request_.keyspace.empty() && at_source_.empty())
            report_.problems.push_back(
                "the source has no keyspace " + request_.keyspace + " with tables"
            );
        for (const auto& [keyspace, replication] : at_source_)
            if (request_.selection.takes_some_of(keyspace)) co_await compare_keyspace(keyspace);
        if (!request_.selection.empty() && *report_.tables == 0)
            report_.problems.push_back("--tables-include and --tables-exclude leave no table");
        if (unnamed_ != 0)
            report_.problems.push_back("and " + std::to_string(unnamed_) + " more of these");
    }

private:
    asio::awaitable<bool> read_keyspaces(cql_cluster& from, keyspace_replication& into)
    {
        cql_failure why;
        auto read = co_await read_replication(from, why);
        if (!read) {
            report_.problems.push_back("the " + from.side() + "'s schema: " + why.describe());
            co_return false;
        }
        into = *std::move(read);
        std::erase_if(into, [](const auto& k) { return replication::is_system_keyspace(k.first); });
        co_return true;
    }

    // False: there are no tables, or a problem has been told.
    asio::awaitable<bool> read_side(cql_cluster& from, std::string keyspace, side_schema& into)
    {
        cql_failure why;
        auto schema = co_await read_schema(from, keyspace, why);
        if (!schema) {
            if (why.error != make_error_code(errc::invalid_argument))
                report_.problems.push_back("the " + from.side() + "'s schema: " + why.describe());
            co_return false;
        }
        into.schema = *std::move(schema);
        // A server that does not show them has none that could be compared.
        into.options = co_await read_table_options(from, keyspace);
        co_return true;
    }

    asio::awaitable<void> compare_keyspace(std::string keyspace)
    {
        side_schema ours;
        if (const bool ok = co_await read_side(source_, keyspace, ours); !ok) {
            if (!request_.keyspace.empty() && report_.problems.empty())
                report_.problems.push_back(
                    "the source has no keyspace " + keyspace + " with tables"
                );
            co_return;
        }
        side_schema theirs;
        const bool is_at_target = at_target_.contains(keyspace);
        if (is_at_target) co_await read_side(target_, keyspace, theirs);
        if (!is_at_target) {
            say("the target has no keyspace " + keyspace + " (" +
                std::to_string(ours.schema.tables.size()) + " tables at the source)");
            report_.statements.push_back(copy::create_keyspace(keyspace, replication_for(keyspace))
            );
        }
        create_types(ours, theirs);
        for (const auto& [name, table] : ours.schema.tables)
            if (is_wanted(keyspace, name)) compare_table(table, ours, theirs, is_at_target);
        for (const auto& [name, why] : ours.schema.unreadable)
            if (is_wanted(keyspace, name)) say(keyspace + "." + name + ": " + why);
        for (const auto& name : request_.tables)
            if (!ours.schema.tables.contains(name))
                say("the source has no table " + keyspace + "." + name);
    }

    void compare_table(
        const copy::table_model& table,
        const side_schema& ours,
        const side_schema& theirs,
        bool is_keyspace_there
    )
    {
        ++*report_.tables;
        check_table out;
        out.name = table.keyspace + "." + table.name;
        out.columns = table.columns.size();
        if (table.compact) {
            out.differences.emplace_back(
                "COMPACT STORAGE; run ALTER TABLE ... DROP COMPACT STORAGE at the source first"
            );
            say(out.name + ": " + out.differences.back());
        }
        if (const auto* other = find(theirs.schema.tables, table.name)) {
            for (const auto& problem : copy::target_problems(table, *other)) {
                out.differences.push_back(problem);
                say(out.name + ": " + problem);
            }
            compare_further(table, *other, ours, theirs, out);
        } else {
            out.missing = true;
            if (is_keyspace_there) say("the target has no table " + out.name);
            create(table, ours);
        }
        report_.schema.push_back(std::move(out));
    }

    // What loses no row, but is seen.
    void compare_further(
        const copy::table_model& table,
        const copy::table_model& other,
        const side_schema& ours,
        const side_schema& theirs,
        check_table& out
    )
    {
        for (const auto& column : table.columns) {
            const auto* found = other.find(column.name);
            if (found != nullptr && found->reversed != column.reversed)
                out.notes.push_back(
                    "column " + copy::cql_identifier(column.name) +
                    " has another clustering order; copied it can be, compared not"
                );
        }
        for (const auto& column : other.columns)
            if (table.find(column.name) == nullptr)
                out.notes.push_back(
                    "column " + copy::cql_identifier(column.name) + " exists at the target only"
                );
        const auto* from = find(ours.options, table.name);
        const auto* to = find(theirs.options, table.name);
        if (from != nullptr && to != nullptr) compare_options(*from, *to, out);
        for (const auto& note : out.notes) report_.notes.push_back(out.name + ": " + note);
    }

    void compare_options(
        const copy::table_options& from, const copy::table_options& to, check_table& out
    )
    {
        const auto say_both = [](const char* name, std::int64_t a, std::int64_t b) {
            return std::string(name) + " is " + std::to_string(a) + " at the source, " +
                   std::to_string(b) + " at the target";
        };
        if (from.default_ttl_s != to.default_ttl_s) {
            out.differences.push_back(
                say_both("default_time_to_live", from.default_ttl_s, to.default_ttl_s) +
                "; what the proxy writes without a TTL would not expire alike"
            );
            say(out.name + ": " + out.differences.back());
        }
        for (const auto& [flag, value] : to.cell_level) {
            if (value == "true" || value == "True") continue;
            out.differences.push_back(
                flag + " is " + value +
                " at the target, which then keeps one time for a whole "
                "row; make the table anew with it, it cannot be altered"
            );
            say(out.name + ": " + out.differences.back());
        }
        // Azure Cosmos DB demands 0.
        if (to.cell_level.empty() && from.gc_grace_s != to.gc_grace_s)
            out.notes.push_back(say_both("gc_grace_seconds", from.gc_grace_s, to.gc_grace_s));
    }

    copy::create_target statements_target() const
    {
        const auto& release = target_.facts().release;
        const bool cassandra_5 = release.size() > 1 && release[0] >= '5' && release[1] == '.';
        return {.cell_level = report_.target.charges, .unified_compaction = cassandra_5};
    }

    void create(const copy::table_model& table, const side_schema& ours)
    {
        if (table.compact) return;
        for (const auto& row : ours.schema.rows.tables) {
            if (row.name != table.name) continue;
            const auto* columns = find(ours.schema.rows.columns, table.name);
            copy::table_options options;
            options.default_ttl_s = table.default_ttl_s;
            if (const auto* shown = find(ours.options, table.name)) options = *shown;
            report_.statements.push_back(
                copy::create_table(row, *columns, options, statements_target())
            );
        }
    }

    void create_types(const side_schema& ours, const side_schema& theirs)
    {
        std::set<std::string> there;
        for (const auto& type : theirs.schema.rows.types) there.insert(type.name);
        for (const auto& type : copy::in_order_of_use(ours.schema.rows.types))
            if (!there.contains(type.name)) report_.statements.push_back(copy::create_type(type));
    }

    // As many replicas as at the source, or as there are nodes, in the target's own datacenter.
    std::map<std::string, std::string> replication_for(const std::string& keyspace) const
    {
        const auto& ours = at_source_.at(keyspace);
        const auto* factor = find(ours, source_.facts().datacenter);
        if (factor == nullptr) factor = find(ours, "replication_factor");
        auto replicas = factor == nullptr ? std::string("1") : factor->substr(0, factor->find('/'));
        const auto nodes = std::max<std::size_t>(1, report_.target.nodes);
        if (replicas.size() > 3 || std::atoi(replicas.c_str()) > static_cast<int>(nodes))
            replicas = std::to_string(nodes);
        return {
            {"class", "NetworkTopologyStrategy"},
            {target_.facts().datacenter, std::move(replicas)}};
    }

    bool is_wanted(const std::string& keyspace, const std::string& table) const
    {
        if (!request_.selection.takes(keyspace, table)) return false;
        return request_.tables.empty() || contains(request_.tables, table);
    }

    void say(std::string problem)
    {
        if (named_++ < named_max)
            report_.problems.push_back(std::move(problem));
        else
            ++unnamed_;
    }

    const check_request& request_;
    cql_cluster& source_;
    cql_cluster& target_;
    check_report& report_;
    keyspace_replication at_source_;
    keyspace_replication at_target_;
    std::size_t named_{0};
    std::size_t unnamed_{0};
};

}  // namespace

asio::awaitable<void> compare_schemas(
    const check_request& request, cql_cluster& source, cql_cluster& target, check_report& report
)
{
    comparison work(request, source, target, report);
    co_await work.run();
}

}  // namespace dualwrite::engine
