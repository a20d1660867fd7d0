#include <dualwrite/policy/outcome.hpp>

#include <algorithm>

#include "delivery.hpp"

namespace dualwrite::engine {

using namespace delivery_limits;
using protocol::error_code;
using replication::mutation_kind;
using replication::mutation_view;

namespace {

// What an error says of a write that was sent to the source again: refused now, but perhaps not the
// first time. Only a verdict on the text itself is final.
policy::outcome outcome_again(const protocol::error_view& error, const mutation_view& m) noexcept
{
    switch (error.code) {
    case error_code::already_exists:
        return policy::outcome::applied;
    case error_code::invalid:
    case error_code::config_error:
        // DDL cannot be executed twice: the column is there now, or the table is gone. The target
        // finds out for itself.
        if (m.header.kind == mutation_kind::schema) return policy::outcome::applied;
        break;
    case error_code::unavailable:
    case error_code::overloaded:
    case error_code::is_bootstrapping:
    case error_code::unauthorized:  // our own connection; the client's may have been let
    case error_code::bad_credentials:
        return policy::outcome::unknown;
    default:
        break;
    }
    return policy::outcome_of(error, !m.has(replication::mutation_flags::several));
}

}  // namespace

void delivery::on_answer(
    cluster_link& from,
    const link_request& request,
    const protocol::envelope_header& header,
    bytes_view message
)
{
    if (header.op != protocol::opcode::error) return target_answered(request.lsn, from, nullptr);
    const auto error = protocol::parse_error(message, header.version);
    const protocol::error_view unreadable{.code = error_code::server_error};
    target_answered(request.lsn, from, error ? &*error : &unreadable);
}

void delivery::on_lost(const link_request& request)
{
    retry_later(request.lsn, -1);
}

void delivery::on_prepared(std::uint64_t lsn)
{
    if (window_.state_of(lsn) == replication::window::state::taken) window_.put_back(lsn);
}

void delivery::source_user::on_answer(
    cluster_link& from,
    const link_request& request,
    const protocol::envelope_header& header,
    bytes_view message
)
{
    if (header.op != protocol::opcode::error)
        return its.source_answered(request.lsn, from, nullptr);
    const auto error = protocol::parse_error(message, header.version);
    const protocol::error_view unreadable{.code = error_code::server_error};
    its.source_answered(request.lsn, from, error ? &*error : &unreadable);
}

void delivery::source_user::on_lost(const link_request& request)
{
    its.redrive_later(request.lsn);
}

void delivery::target_answered(
    std::uint64_t lsn, cluster_link& link, const protocol::error_view* error
)
{
    if (error == nullptr) {
        link.speed_up();
        return replayed(lsn);
    }
    if (send_unlogged(lsn, error->message)) return window_.put_back(lsn);
    const auto verdict = policy::judge_target(*error, true);
    switch (verdict.action) {
    case policy::target_action::done:
        return replayed(lsn);
    case policy::target_action::reprepare:
        forget_prepared(link, view_of(lsn));
        // Twice: not without a pause, it may never come to know it.
        return prepared_anew_.insert(lsn).second ? window_.put_back(lsn) : retry_later(lsn, -1);
    case policy::target_action::permanent:
        if (ask_schema(link, lsn, *error)) return;
        return target_refused(lsn, error->code, error->message);
    case policy::target_action::retry:
    case policy::target_action::retry_after:
    case policy::target_action::reread:
        break;
    }
    tools_.counters.target_errors.add();
    if (error->code == error_code::unavailable && lower_level(lsn)) return retry_later(lsn, 0);
    tools_.shared.log_limited(
        log_level::warning,
        "target: " + std::string(protocol::error_code_name(error->code)) + ", a write to " +
            table_of(view_of(lsn)) + "; trying again"
    );
    link.slow_down();
    retry_later(lsn, verdict.delay.count() > 0 ? verdict.delay.count() : -1);
}

// The source may have more replicas than the target: what needs two of one would never get there.
// True: it is sent again with the level that refreshes use.
bool delivery::lower_level(std::uint64_t lsn)
{
    using protocol::consistency;
    const auto view = view_of(lsn);
    const auto level = static_cast<consistency>(view.header.consistency);
    if (level < consistency::two || level == consistency::local_quorum ||
        level > consistency::each_quorum)
        return false;
    if (!lowered_.insert(lsn).second) return false;
    tools_.shared.log_limited(
        log_level::warning,
        "the target cannot reach the client's consistency level for " + table_of(view) +
            ": LOCAL_QUORUM is used"
    );
    return true;
}

// The same text will be refused again, unless a table or keyspace is still to come.
void delivery::target_refused(std::uint64_t lsn, error_code code, std::string_view message)
{
    if (send_unlogged(lsn, message)) return window_.put_back(lsn);
    tools_.counters.target_errors.add();
    const auto view = view_of(lsn);
    const auto now = tools_.on.steady_ms();
    const auto table = table_of(view);
    const auto since = refused_since_ms_.try_emplace(table, now).first->second;
    const bool hope =
        tools_.shared.schema_pending.load() > (view.header.kind == mutation_kind::schema) ||
        tools_.shared.left_logs.load() > (log_->is_left() ? 1u : 0u);
    if (now - since < tools_.shared.options.patience.refusal_ms || hope) {
        tools_.shared.log_limited(
            log_level::warning,
            "the target refuses writes to " + table + " (" +
                std::string(protocol::error_code_name(code)) + "); trying again"
        );
        return retry_later(lsn, -1);
    }
    keep(lsn, "refused by the target: " + std::string(protocol::error_code_name(code)), message);
}

void delivery::source_answered(
    std::uint64_t lsn, cluster_link& link, const protocol::error_view* error
)
{
    if (error == nullptr) {
        redrives_.erase(lsn);
        return settle(lsn, write_state::applied);
    }
    if (error->code == error_code::unprepared) {
        forget_prepared(link, view_of(lsn));
        return redrive_later(lsn);
    }
    source_refused(lsn, *error);
}

void delivery::source_refused(std::uint64_t lsn, const protocol::error_view& error)
{
    const auto view = view_of(lsn);
    const auto outcome = outcome_again(error, view);
    if (outcome == policy::outcome::unknown) {
        tools_.shared.log_limited(
            log_level::warning,
            "the source does not say whether it has a write to " + table_of(view) + " (" +
                std::string(protocol::error_code_name(error.code)) + "); asking again"
        );
        return redrive_later(lsn);
    }
    redrives_.erase(lsn);
    settle(lsn, outcome == policy::outcome::applied ? write_state::applied : write_state::void_);
}

void delivery::retry_later(std::uint64_t lsn, std::int64_t delay_ms)
{
    if (window_.state_of(lsn) != replication::window::state::taken) return;
    tools_.counters.target_retries.add();
    random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
    if (delay_ms < 0)
        delay_ms = policy::delay(retries, window_.attempts(lsn) + 1, random_ >> 33).count();
    window_.postpone(lsn, tools_.on.steady_ms() + delay_ms);
}

void delivery::delivered(std::uint64_t lsn, bool refreshed)
{
    const auto payload = window_.payload(lsn);
    (refreshed ? tools_.counters.refreshed : tools_.counters.replicated).add();
    const auto lag = tools_.on.wall_ms() - replication::peek_accepted_ms(payload);
    tools_.counters.lag_ms.set(static_cast<std::uint64_t>(std::max<std::int64_t>(lag, 0)));
    if (!refused_since_ms_.empty()) refused_since_ms_.erase(table_of(view_of(lsn)));
    if (!refreshed) count_unlogged(lsn);
    if (replication::peek_kind(payload) == mutation_kind::schema) {
        const auto facts = policy::classify(view_of(lsn).text);
        if (tools_.shared.refresh)
            tools_.shared.refresh->schema_changed(facts.keyspace, facts.table);
        refused_since_ms_.clear();
    }
    tell_left(lsn, true);
    finish(lsn);
}

void delivery::tell_left(std::uint64_t lsn, bool delivered) const
{
    const auto& told = tools_.shared.options.left_write_ended;
    if (log_->is_left() && told) told(lsn, delivered);
}

void delivery::keep(std::uint64_t lsn, std::string_view reason, std::string_view detail)
{
    const auto view = view_of(lsn);
    dead_letter letter;
    letter.table = table_of(view);
    letter.reason = reason;
    letter.detail = detail;
    letter.statements = statements_of(view);
    letter.writetime_us = view.header.writetime_us;
    letter.accepted_ms = view.header.accepted_ms;
    if (view.header.kind == mutation_kind::batch) letter.batch = view.header.batch_type;
    if (view.header.kind != mutation_kind::schema) letter.consistency = view.header.consistency;
    tools_.shared.keep(std::move(letter));
    tell_left(lsn, false);
    finish(lsn);
}

void delivery::finish(std::uint64_t lsn)
{
    if (log_->state(lsn) != write_state::void_) log_->finish(lsn);
    if (replication::peek_kind(window_.payload(lsn)) == mutation_kind::schema)
        schema_ended(lsn, is_truncate(lsn));
    window_.finish(lsn);
    redrives_.erase(lsn);
    if (!open_transactions_.empty()) close_transaction(lsn);
    if (!prepared_anew_.empty()) prepared_anew_.erase(lsn);
    if (!lowered_.empty()) lowered_.erase(lsn);
    if (!unlogged_.empty()) unlogged_.erase(lsn);
    if (!decided_refreshes_.empty()) decided_refreshes_.erase(lsn);
    log_->release(window_.empty() ? last_added_ : window_.base() - 1);
    if (observer_ != nullptr) observer_->on_delivered(lsn);
}

std::int64_t delivery::oldest_accepted_ms() const
{
    return window_.empty() ? 0 : replication::peek_accepted_ms(window_.payload(window_.base()));
}

}  // namespace dualwrite::engine
