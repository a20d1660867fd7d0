#include <dualwrite/copy/schema_check.hpp>
#include <dualwrite/engine/check.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>
#include <dualwrite/protocol/response.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <set>

#include "asio_compat.hpp"
#include "check_hello.hpp"
#include "check_local.hpp"
#include "schema.hpp"

namespace dualwrite::engine {

namespace {

using protocol::cell;

// Beyond this a list of tables is a count.
constexpr std::size_t named_max = 20;
constexpr std::int64_t clock_distance_max_ms = 500;

std::string text_of(const cell& value)
{
    return value ? std::string(as_text(*value)) : std::string();
}

std::int64_t wall_now_ms()
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string uuid_text(bytes_view bytes)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
        const auto byte = std::to_integer<unsigned>(bytes[i]);
        (out += digits[byte >> 4]) += digits[byte & 15];
    }
    return out;
}

// What needs a login.
class inquiry {
public:
    inquiry(const check_request& request, check_report& report)
        : request_(request), report_(report),
          source_(context_.get_executor(), request.source, options_of("source"), quiet()),
          target_(context_.get_executor(), request.target, options_of("target"), quiet())
    {
    }

    void run()
    {
        std::exception_ptr thrown;
        asio::co_spawn(context_, all(), [&](std::exception_ptr error) {
            thrown = error;
            source_.stop();
            target_.stop();
        });
        context_.run();
        if (thrown) std::rethrow_exception(thrown);
    }

private:
    static log_sink quiet()
    {
        return [](log_level, std::string_view) {};
    }
    static cql_cluster_options options_of(const char* side)
    {
        cql_cluster_options options;
        options.side = side;
        options.connections_per_node = 1;
        options.retry_limit = std::chrono::milliseconds(5'000);
        return options;
    }

    asio::awaitable<void> all()
    {
        const bool source = co_await meet(source_, request_.source, report_.source);
        const bool target = co_await meet(target_, request_.target, report_.target);
        if (!source || !target) co_return;
        co_await compare_schemas();
    }

    // False: it cannot be logged in to.
    asio::awaitable<bool> meet(cql_cluster& cluster, const endpoint& to, check_side& side)
    {
        if (!side.failure.empty()) co_return false;
        if (!side.authenticator.empty() && to.username.empty()) co_return false;
        cql_failure why;
        if (const bool ok = co_await cluster.start(why); !ok) {
            side.failure = why.describe();
            co_return false;
        }
        const auto& facts = cluster.facts();
        side.username = to.username;
        side.release = facts.release.empty() ? "unknown" : facts.release;
        side.cluster = facts.name;
        side.datacenter = facts.datacenter;
        side.partitioner = facts.partitioner;
        side.protocol_version = facts.version;
        std::set<std::uint32_t> nodes;
        for (const auto& token : facts.ring) nodes.insert(token.node);
        side.nodes = nodes.size();
        co_await look_closer(cluster, side);
        co_return true;
    }

    // What not every server can tell: without it there is less to say.
    asio::awaitable<void> look_closer(cql_cluster& cluster, check_side& side)
    {
        const auto connection = cluster.connection(0);
        if (!connection) co_return;
        cql_failure ignored;
        const auto limit = cluster.request_limit();
        std::vector<cell> cells;
        const auto id = co_await query_on(
            connection,
            "SELECT host_id FROM system.local",
            protocol::consistency::one,
            limit,
            ignored
        );
        if (id && first_row(*id, cells) && cells[0]) side.host_id = uuid_text(*cells[0]);
        const auto before = wall_now_ms();
        const auto time = co_await query_on(
            connection,
            "SELECT toUnixTimestamp(now()) FROM system.local",
            protocol::consistency::one,
            limit,
            ignored
        );
        const auto after = wall_now_ms();
        if (!time || !first_row(*time, cells) || !cells[0] || cells[0]->size() != 8) co_return;
        const auto theirs = load_be<std::int64_t>(cells[0]->data());
        // Within the round trip nobody can tell.
        side.clock_ahead_ms =
            theirs > after ? theirs - after : std::min<std::int64_t>(theirs - before, 0);
    }

    static bool first_row(const cql_reply& reply, std::vector<cell>& cells)
    {
        const auto rows = protocol::parse_rows(reply.message.view());
        if (!rows || rows->size() == 0) return false;
        rows->front().read(cells);
        return !cells.empty();
    }

    asio::awaitable<void> compare_schemas()
    {
        std::set<std::string> at_source;
        std::set<std::string> at_target;
        bool known = co_await read_keyspaces(source_, at_source);
        if (known) known = co_await read_keyspaces(target_, at_target);
        if (!known) co_return;
        if (!request_.keyspace.empty()) at_source = {request_.keyspace};
        report_.tables = 0;
        for (const auto& keyspace : at_source) {
            if (!request_.selection.takes_some_of(keyspace)) continue;
            cql_failure why;
            const auto ours = co_await read_schema(source_, keyspace, why);
            if (!ours && why.error == make_error_code(errc::invalid_argument)) {
                if (!request_.keyspace.empty()) report_.problems.push_back(why.text);
                continue;  // a keyspace without tables
            }
            if (!ours) {
                report_.problems.push_back("the source's schema: " + why.describe());
                continue;
            }
            co_await compare_keyspace(keyspace, *ours, at_target.contains(keyspace));
        }
        if (!request_.selection.empty() && *report_.tables == 0)
            report_.problems.push_back("--tables-include and --tables-exclude leave no table");
        if (unnamed_ != 0)
            report_.problems.push_back("and " + std::to_string(unnamed_) + " more of these");
    }

    asio::awaitable<bool> read_keyspaces(cql_cluster& from, std::set<std::string>& into)
    {
        cql_failure why;
        const auto reply = co_await from.query(
            "SELECT keyspace_name FROM system_schema.keyspaces", protocol::consistency::one, why
        );
        if (!reply) {
            report_.problems.push_back("the " + from.side() + "'s schema: " + why.describe());
            co_return false;
        }
        const auto rows = protocol::parse_rows(reply->message.view());
        if (!rows) co_return false;
        std::vector<cell> cells;
        for (const auto row : *rows) {
            row.read(cells);
            const auto name = text_of(cells[0]);
            if (!replication::is_system_keyspace(name)) into.insert(name);
        }
        co_return true;
    }

    asio::awaitable<void>
    compare_keyspace(std::string keyspace, const keyspace_schema& ours, bool is_at_target)
    {
        if (!is_at_target) {
            say("the target has no keyspace " + keyspace + " (" +
                std::to_string(ours.tables.size()) + " tables at the source)");
            co_return;
        }
        cql_failure why;
        const auto theirs = co_await read_schema(target_, keyspace, why);
        if (!theirs && why.error != make_error_code(errc::invalid_argument)) {
            report_.problems.push_back("the target's schema: " + why.describe());
            co_return;
        }
        for (const auto& [name, table] : ours.tables) {
            if (!is_wanted(keyspace, name)) continue;
            ++*report_.tables;
            const auto* found = theirs ? find(theirs->tables, name) : nullptr;
            const auto where = keyspace + "." + name;
            if (found == nullptr) {
                say("the target has no table " + where);
                continue;
            }
            for (const auto& problem : copy::target_problems(table, *found))
                say(where + ": " + problem);
        }
        for (const auto& name : request_.tables)
            if (!ours.tables.contains(name))
                say("the source has no table " + keyspace + "." + name);
    }

    static const copy::table_model*
    find(const std::map<std::string, copy::table_model>& in, const std::string& name)
    {
        const auto found = in.find(name);
        return found == in.end() ? nullptr : &found->second;
    }

    bool is_wanted(const std::string& keyspace, const std::string& table) const
    {
        if (!request_.selection.takes(keyspace, table)) return false;
        const auto& asked = request_.tables;
        return asked.empty() || std::find(asked.begin(), asked.end(), table) != asked.end();
    }

    void say(std::string problem)
    {
        if (named_++ < named_max)
            report_.problems.push_back(std::move(problem));
        else
            ++unnamed_;
    }

    const check_request& request_;
    check_report& report_;
    asio::io_context context_;
    cql_cluster source_;
    cql_cluster target_;
    std::size_t named_{0};
    std::size_t unnamed_{0};
};

check_side side_of(const endpoint& to)
{
    check_side side;
    side.address = to.label();
    side.tls = to.tls;
    side.tls_verify = to.verify == tls_verify::full ? "full"
                      : to.verify == tls_verify::ca ? "ca"
                                                    : "none";
    return side;
}

// What follows from one side alone.
void judge(const std::string& name, const endpoint& to, const check_side& side, check_report& out)
{
    if (!side.failure.empty()) out.problems.push_back("the " + name + ": " + side.failure);
    if (to.tls && to.verify == tls_verify::none)
        out.notes.push_back("the " + name + " could be anybody: --" + name + "-tls-verify none");
    if (side.failure.empty() && side.release.empty())
        out.notes.push_back(
            "the " + name + " asks for credentials, which clients will bring; with --" + name +
            "-username and --" + name + "-password more can be looked at"
        );
    if (!side.clock_ahead_ms) return;
    const auto ahead = *side.clock_ahead_ms;
    if (ahead <= clock_distance_max_ms && ahead >= -clock_distance_max_ms) return;
    out.problems.push_back(
        "the " + name + "'s clock is " + std::to_string(ahead < 0 ? -ahead : ahead) + " ms " +
        (ahead < 0 ? "behind" : "ahead of") +
        " this machine's; writes get their times here, and the latest time wins: synchronize them"
    );
}

bool offers(const std::vector<std::string>& offered, std::uint8_t version)
{
    return std::any_of(offered.begin(), offered.end(), [&](const auto& text) {
        return text.starts_with(std::to_string(version) + "/") && !text.ends_with("beta");
    });
}

// What clients are to be told, against what the source then understands.
void judge_forced(const check_request& request, check_report& out)
{
    const auto& source = out.source;
    if (source.protocol_versions.empty()) return;
    for (const auto version : request.protocol_versions)
        if (!offers(source.protocol_versions, version))
            out.problems.push_back(
                "--protocol-version " + std::to_string(version) + ": the source does not speak it"
            );
    for (const auto& name : request.compressions)
        if (std::find(source.compressions.begin(), source.compressions.end(), name) ==
            source.compressions.end())
            out.problems.push_back("--compression " + name + ": the source does not know it");
}

}  // namespace

check_report check_clusters(const check_request& request)
{
    check_report report{side_of(request.source), side_of(request.target), {}, {}, {}};
    say_hello(request.source, "source", report.source);
    say_hello(request.target, "target", report.target);
    inquiry(request, report).run();
    judge("source", request.source, report.source, report);
    judge("target", request.target, report.target, report);
    if (!report.source.host_id.empty() && report.source.host_id == report.target.host_id)
        report.problems.emplace_back("source and target are the same node");
    judge_forced(request, report);
    check_this_machine(request, report);
    return report;
}

}  // namespace dualwrite::engine
