#include <dualwrite/engine/check.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <algorithm>
#include <set>

#include "check_hello.hpp"
#include "check_local.hpp"
#include "check_nodes.hpp"
#include "check_probe.hpp"
#include "check_schema.hpp"

namespace dualwrite::engine {

namespace {

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
        co_await compare_schemas(request_, source_, target_, report_);
        if (request_.probe) co_await probe_target(request_.probe_keyspace, target_, report_);
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
        co_await look_at_nodes(context_.get_executor(), to, cluster, side);
        side.charges = cluster.charges().answers != 0;
        co_return true;
    }

    const check_request& request_;
    check_report& report_;
    asio::io_context context_;
    cql_cluster source_;
    cql_cluster target_;
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
    judge_nodes(name, side, out);
}

// What one side takes and the other does not.
void judge_limits(check_report& out)
{
    const auto ours = out.source.mutation_size_max;
    const auto theirs = out.target.mutation_size_max;
    if (!ours || !theirs || *ours <= *theirs) return;
    out.notes.push_back(
        "the target refuses mutations above " + std::to_string(*theirs) +
        " bytes, the source above " + std::to_string(*ours) +
        "; raise max_mutation_size at the target"
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
    check_report report;
    report.source = side_of(request.source);
    report.target = side_of(request.target);
    say_hello(request.source, "source", report.source);
    say_hello(request.target, "target", report.target);
    inquiry(request, report).run();
    judge("source", request.source, report.source, report);
    judge("target", request.target, report.target, report);
    if (!report.source.host_id.empty() && report.source.host_id == report.target.host_id)
        report.problems.emplace_back("source and target are the same node");
    judge_limits(report);
    judge_forced(request, report);
    check_this_machine(request, report);
    return report;
}

}  // namespace dualwrite::engine
