#include <dualwrite/engine/cql_client_cluster.hpp>
#include <dualwrite/policy/retry.hpp>
#include <dualwrite/protocol/response.hpp>

#include "asio_compat.hpp"

namespace dualwrite::engine {

using protocol::consistency;
using protocol::opcode;

namespace {

// Between two attempts of one request.
constexpr policy::retry_schedule request_schedule{
    std::chrono::milliseconds(20), std::chrono::milliseconds(2000)};
constexpr auto retry_report_pause = std::chrono::seconds(10);

std::int64_t unix_seconds()
{
    using namespace std::chrono;
    return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

asio::awaitable<std::optional<cql_reply>>
cql_cluster::query(std::string text, consistency level, cql_failure& why)
{
    attempt_plan plan;
    plan.body = [text = std::move(text), level](byte_buffer& out, std::uint8_t version) {
        protocol::append_query_body(out, version, text, {.consistency = level});
    };
    co_return co_await ask_with_retry(std::move(plan), why);
}

asio::awaitable<cql_prepared_ptr> cql_cluster::prepare(std::string text, cql_failure& why)
{
    if (const auto known = prepared_.find(text); known != prepared_.end()) co_return known->second;
    attempt_plan plan{.op = opcode::prepare, .body = {}, .statements = {}};
    plan.body = [text](byte_buffer& out, std::uint8_t version) {
        protocol::append_prepare_body(out, version, text);
    };
    const auto reply = co_await ask_with_retry(std::move(plan), why);
    if (!reply) co_return nullptr;
    const auto parsed = protocol::parse_prepared(reply->message.view(), facts_.version);
    if (!parsed) {
        why.error = parsed.error();
        co_return nullptr;
    }
    auto statement = std::make_shared<cql_prepared>();
    statement->text = text;
    statement->id.append(parsed->id);
    statement->result_metadata_id.append(parsed->result_metadata_id);
    statement->columns = parsed->result.columns;
    prepared_.insert_or_assign(std::move(text), statement);
    co_return statement;
}

asio::awaitable<bool> cql_cluster::prepare_on(
    std::shared_ptr<cql_connection> connection, cql_prepared_ptr statement, cql_failure& why
)
{
    byte_buffer body;
    protocol::append_prepare_body(body, connection->version(), statement->text);
    const auto reply =
        co_await ask(connection, opcode::prepare, std::move(body), options_.request_limit, why);
    if (!reply) co_return false;
    const auto parsed = protocol::parse_prepared(reply->message.view(), connection->version());
    if (!parsed) {
        why.error = parsed.error();
        co_return false;
    }
    // Requests that are built already carry the old ids. They can only be the same ones.
    if (!equal(parsed->id, statement->id.view())) {
        why = {
            .error = errc::unsupported,
            .code = 0,
            .text = "the schema changed while it was in use",
            .write_type = {}};
        co_return false;
    }
    co_return true;
}

asio::awaitable<bool> cql_cluster::prepare_all(
    std::shared_ptr<cql_connection> connection,
    const std::vector<cql_prepared_ptr>& statements,
    cql_failure& why
)
{
    for (const auto& statement : statements) {
        const bool prepared = co_await prepare_on(connection, statement, why);
        if (!prepared) co_return false;
    }
    co_return true;
}

asio::awaitable<std::optional<cql_reply>> cql_cluster::execute(
    cql_prepared_ptr statement,
    protocol::write_parameters parameters,
    std::uint32_t number,
    cql_failure& why
)
{
    attempt_plan plan{.op = opcode::execute, .body = {}, .node = number, .statements = {}};
    plan.statements.push_back(statement);
    plan.body = [statement, parameters](byte_buffer& out, std::uint8_t version) {
        protocol::append_execute_body(
            out, version, statement->id.view(), statement->result_metadata_id.view(), parameters
        );
    };
    co_return co_await ask_with_retry(std::move(plan), why);
}

asio::awaitable<std::optional<cql_reply>> cql_cluster::send(cql_request request, cql_failure& why)
{
    attempt_plan plan{
        .op = request.op,
        .body = {},
        .node = request.node,
        .statements = request.statements,
        .repeatable = request.repeatable};
    plan.body = [&request](byte_buffer& out, std::uint8_t version) {
        // Version 5 sends the time that the TTLs count from along with them.
        if (version < 5) copy::patch_ttls(request.body, request.ttl_patches, unix_seconds());
        out.append(request.body.view());
    };
    co_return co_await ask_with_retry(std::move(plan), why);
}

void cql_cluster::count_retry(const cql_failure& why)
{
    ++retries_;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_report_) return;
    next_report_ = now + retry_report_pause;
    log_(log_level::warning, options_.side + ": " + why.describe() + "; trying again");
}

asio::awaitable<std::optional<cql_reply>>
cql_cluster::ask_with_retry(attempt_plan plan, cql_failure& why)
{
    using policy::target_action;
    const auto give_up = std::chrono::steady_clock::now() + options_.retry_limit;
    for (std::uint32_t attempt = 1;; ++attempt) {
        why = {};
        policy::target_verdict verdict{target_action::retry};
        const auto connection = this->connection(plan.node);
        if (connection) {
            byte_buffer bytes;
            plan.body(bytes, connection->version());
            auto reply =
                co_await ask(connection, plan.op, std::move(bytes), options_.request_limit, why);
            if (reply) co_return reply;
            if (!plan.repeatable) verdict.action = target_action::reread;
        } else {
            why = {
                .error = errc::connect_failed,
                .code = 0,
                .text = "no connection to the " + options_.side,
                .write_type = {}};
        }
        if (why.error == make_error_code(errc::server_error))
            verdict = policy::judge_target_error(why.code, why.text, plan.repeatable);
        if (verdict.action == target_action::reprepare && attempt < 10) {
            const bool prepared = co_await prepare_all(connection, plan.statements, why);
            if (!prepared) co_return std::nullopt;
            continue;
        }
        const auto delay = verdict.action == target_action::retry_after
                               ? verdict.delay
                               : policy::delay(request_schedule, attempt, random_());
        const bool again =
            verdict.action == target_action::retry || verdict.action == target_action::retry_after;
        if (!again || stopped_ || std::chrono::steady_clock::now() + delay > give_up)
            co_return std::nullopt;
        count_retry(why);
        co_await pause(delay);
    }
}

}  // namespace dualwrite::engine
