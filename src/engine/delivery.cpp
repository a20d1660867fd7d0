#include "delivery.hpp"

#include <dualwrite/policy/outcome.hpp>
#include <dualwrite/policy/retry.hpp>

#include <algorithm>
#include <iterator>

namespace dualwrite::engine {

using protocol::error_code;
using replication::mutation_kind;
using replication::mutation_view;
using replication::plan;

namespace {

constexpr std::size_t window_entries = 16 * 1024;
constexpr std::size_t window_bytes_max = 32 * 1024 * 1024;
// How long a table may be unknown to the target before its writes become dead letters: DDL of
// another loop or of the operator may be on its way.
constexpr std::int64_t refusal_grace_ms = 10'000;
constexpr policy::retry_schedule retries{};
constexpr std::int64_t undecided_delay_ms = 200;
constexpr std::uint8_t counter_batch = 2;

}  // namespace

delivery::delivery(
    const delivery_tools& tools, std::unique_ptr<spool_log> log, delivery_observer* observer
)
    : tools_(tools), log_(std::move(log)), observer_(observer),
      window_(window_entries, window_bytes_max), alive_(std::make_shared<delivery*>(this))
{
}

delivery::~delivery()
{
    *alive_ = nullptr;
}

mutation_view delivery::view_of(std::uint64_t lsn) const
{
    const auto view = replication::parse_mutation(window_.payload(lsn));
    DW_ASSERT(view);  // add() has parsed it
    return *view;
}

const replication::statement& delivery::statement_of(std::uint32_t log_id)
{
    if (log_id >= statements_.size()) statements_.resize(log_id + 1);
    if (statements_[log_id] == nullptr) {
        const auto& text = log_->statement_of(log_id);
        statements_[log_id] = &tools_.registry.intern(text.keyspace, text.text);
    }
    return *statements_[log_id];
}

// Calls f(statement, raw values) for each statement of the mutation.
template <class F> void delivery::for_each_statement(const mutation_view& m, F&& f)
{
    const auto& shapes = tools_.registry.shapes();
    switch (m.header.kind) {
    case mutation_kind::execute:
        return f(statement_of(m.header.statement), m.values);
    case mutation_kind::query:
        return f(replication::make_statement({}, m.text, shapes), m.values);
    case mutation_kind::schema:
        return;
    case mutation_kind::batch:
        break;
    }
    replication::child_reader children(m);
    for (auto next = children.next(); next && *next; next = children.next()) {
        const auto& child = **next;
        if (child.prepared)
            f(statement_of(child.statement), child.values);
        else
            f(replication::make_statement({}, child.text, shapes), child.values);
    }
}

std::string delivery::text_of(const mutation_view& m)
{
    if (m.header.kind == mutation_kind::schema) return std::string(m.text);
    std::string out;
    for_each_statement(m, [&](const replication::statement& its, bytes_view) {
        if (!out.empty()) out += "; ";
        out += its.text;
    });
    return out;
}

std::string delivery::table_of(const mutation_view& m)
{
    if (m.header.kind == mutation_kind::schema)
        return replication::table_name(policy::classify(m.text), {});
    std::string out;
    for_each_statement(m, [&](const replication::statement& its, bytes_view) {
        if (out.empty()) out = its.table;
    });
    return out;
}

void delivery::settle(std::uint64_t lsn, write_state outcome)
{
    log_->settle(lsn, outcome);
    if (outcome == write_state::applied) {
        tools_.counters.writes_applied.add();
        return window_.mark_applied(lsn);
    }
    tools_.counters.writes_void.add();
    if (window_.contains(lsn)) return finish(lsn);
    if (unread_schemas_.erase(lsn) != 0) tools_.shared.schema_pending.fetch_sub(1);
}

void delivery::expect_schema(std::uint64_t lsn)
{
    unread_schemas_.insert(lsn);
    tools_.shared.schema_pending.fetch_add(1);
}

void delivery::settle_unknown(std::uint64_t lsn)
{
    tools_.counters.writes_unknown.add();
    if (window_.contains(lsn))
        redrive_later(lsn);
    else
        unknown_.insert(lsn);
}

void delivery::pump()
{
    refill();
    send_redrives();
    send_ready();
}

void delivery::refill()
{
    while (window_.has_room()) {
        const auto next = log_->next_intent();
        if (!next) return tools_.shared.fail("the spool cannot be read: " + log_->why());
        if (!*next) return;
        add(**next);
    }
}

void delivery::add(const spool_log::intent& intent)
{
    const auto view = replication::parse_mutation(intent.payload);
    if (!view) {
        // Its checksum was right, so that another version wrote it, or a bug of ours.
        return tools_.shared.fail(
            "the spool holds a write that this version cannot read (number " +
            std::to_string(intent.lsn) + "); start the version that wrote it"
        );
    }
    const auto state = log_->state(intent.lsn);
    const bool schema = view->header.kind == mutation_kind::schema;
    window_.add(intent.lsn, intent.payload, state == write_state::applied, schema);
    last_added_ = intent.lsn;
    if (schema) unread_schemas_.erase(intent.lsn);
    if (state != write_state::open) return;
    if (!log_->is_left() && unknown_.erase(intent.lsn) == 0) return;
    redrive_later(intent.lsn);
}

void delivery::redrive_later(std::uint64_t lsn)
{
    if (window_.state_of(lsn) != replication::window::state::open) return;
    auto& its = redrives_[lsn];
    its.sent = false;
    next_redrive_ms_ = 0;
    if (its.attempts == 0) {
        its.attempts = 1;
        its.due_ms = tools_.on.steady_ms();
    } else {
        const auto delay = policy::delay(retries, its.attempts++, random_ *= 6364136223846793005ull);
        its.due_ms = tools_.on.steady_ms() + delay.count();
    }
}

void delivery::send_redrives()
{
    const auto now = tools_.on.steady_ms();
    if (redrives_.empty() || now < next_redrive_ms_) return;
    next_redrive_ms_ = now + undecided_delay_ms;
    std::vector<std::uint64_t> decided;
    for (auto& [lsn, its] : redrives_) {
        if (its.sent) continue;
        next_redrive_ms_ = std::min(next_redrive_ms_, std::max(its.due_ms, now + 1));
        if (its.due_ms > now) continue;
        const auto what = plan_of(view_of(lsn)).what;
        // A refresh needs no answer: whatever the source has is what the target gets.
        if (what == plan::refresh) decided.push_back(lsn);
        if (what == plan::undecided) its.due_ms = now + undecided_delay_ms;
        if (what == plan::refresh || what == plan::undecided) continue;
        auto* link = tools_.source.pick();
        if (link == nullptr) break;
        const auto how = send(*link, lsn, source_user_);
        its.sent = how == sending::sent;
        if (how == sending::sent) tools_.counters.redriven.add();
        // `waiting` for a PREPARE: the next turn tries again.
        if (how == sending::refused) its.due_ms = now + retries.max.count();
    }
    for (const auto lsn : decided) {
        redrives_.erase(lsn);
        settle(lsn, write_state::applied);
    }
}

void delivery::send_ready()
{
    window_.wake(tools_.on.steady_ms());
    while (window_.has_ready()) {
        auto* link = tools_.target.pick();
        if (link == nullptr) return;
        const auto lsn = *window_.take_ready();
        const auto view = view_of(lsn);
        switch (plan_of(view).what) {
        case plan::refresh:
            start_refresh(lsn, view);
            break;
        case plan::undecided:
            retry_later(lsn, undecided_delay_ms);
            break;
        default:
            send(*link, lsn, *this);
        }
    }
}

// Asks for the schema again when a table is not in it, and takes the write as it is when the source
// does not seem to have such a table (any more).
replication::decision delivery::plan_of(const mutation_view& m)
{
    if (m.header.kind == mutation_kind::schema || m.has(replication::mutation_flags::replay))
        return {plan::replay, {}};
    replication::decision all{plan::replay, {}};
    for_each_statement(m, [&](const replication::statement& its, bytes_view) {
        if (its.decision.what > all.what) all = its.decision;
    });
    if (m.header.kind == mutation_kind::batch && m.header.batch_type == counter_batch)
        all = {plan::refresh, "counter"};
    if (all.what == plan::undecided && !may_still_come(m)) return {plan::replay, {}};
    return all;
}

// A table of this write is not in the schema that was read. True: it may be in the next one.
bool delivery::may_still_come(const mutation_view& m)
{
    tools_.shared.want_shapes();
    const bool read = tools_.shared.shapes_version() != 0;
    return !read || tools_.on.wall_ms() - m.header.accepted_ms < refusal_grace_ms;
}

// Asks for what is not prepared on this connection. `waiting`: the answer brings it back.
delivery::sending delivery::prepare_all(
    cluster_link& link, const mutation_view& m, std::uint64_t lsn, link_user& user
)
{
    bool waiting = false;
    const replication::statement* refused = nullptr;
    const auto need = [&](std::uint32_t log_id) {
        const auto& its = statement_of(log_id);
        const auto state = link.state_of(its.id);
        if (state == cluster_link::preparation::ready) return;
        if (state == cluster_link::preparation::refused) {
            refused = &its;
            return;
        }
        if (!waiting) link.prepare(its, user, lsn);
        waiting = true;
    };
    if (m.header.kind == mutation_kind::execute) need(m.header.statement);
    if (m.header.kind == mutation_kind::batch) {
        replication::child_reader children(m);
        for (auto child = children.next(); child && *child; child = children.next())
            if ((*child)->prepared) need((*child)->statement);
    }
    if (refused != nullptr) {
        const auto [code, message] = link.refusal(refused->id);
        link.forget_refusal(refused->id);
        if (&user == this) target_refused(lsn, code, message);
        return sending::refused;
    }
    return waiting ? sending::waiting : sending::sent;
}

delivery::sending delivery::send(cluster_link& link, std::uint64_t lsn, link_user& user)
{
    const auto view = view_of(lsn);
    if (const auto how = prepare_all(link, view, lsn, user); how != sending::sent) return how;
    auto& out = link.begin_request({&user, lsn, 0, tools_.on.steady_ms()});
    const auto op = replication::append_target_body(
        out,
        view,
        {link.version(), tools_.on.wall_ms()},
        [&](std::uint32_t log_id) { return link.prepared(statement_of(log_id).id); }
    );
    if (!op) {
        link.cancel_request();
        if (&user == this) keep(lsn, "damaged record");
        return sending::refused;
    }
    link.finish_request(*op);
    return sending::sent;
}

void delivery::start_refresh(std::uint64_t lsn, const mutation_view& m)
{
    const bool named = m.has(replication::mutation_flags::named_values);
    std::vector<replication::partition_ref> partitions;
    bool complete = true;
    bool known = true;
    bool serial = false;
    const auto& shapes = tools_.registry.shapes();
    for_each_statement(m, [&](const replication::statement& its, bytes_view values) {
        auto found = replication::partitions_of(
            its.facts, its.text, its.keyspace, shapes, replication::bound_values(values, named)
        );
        known &= replication::tables_known(its.facts, its.keyspace, shapes);
        complete &= !found.empty();
        serial |= its.facts.conditional;
        std::move(found.begin(), found.end(), std::back_inserter(partitions));
    });
    if (!known && may_still_come(m)) return retry_later(lsn, undecided_delay_ms);
    if (!complete || partitions.empty()) {
        const auto reason = std::string(plan_of(m).reason);
        return keep(lsn, reason + ", and it does not name its partitions");
    }
    refreshes_[lsn] = {partitions.size(), refresh_status::done, {}};
    for (auto& partition : partitions) {
        refresh_key key;
        key.keyspace = std::move(partition.keyspace);
        key.table = std::move(partition.table);
        key.partition = std::move(partition.key);
        key.serial = serial;
        key.writetime_us = std::max<std::int64_t>(m.header.writetime_us, 0);
        auto on = &tools_.on;
        tools_.shared.refresh->request(std::move(key), [on, lsn, alive = alive_](refresh_result r) {
            on->post([lsn, alive, r = std::move(r)] {
                if (*alive != nullptr) (*alive)->refresh_ended(lsn, r);
            });
        });
    }
}

void delivery::refresh_ended(std::uint64_t lsn, const refresh_result& result)
{
    const auto found = refreshes_.find(lsn);
    if (found == refreshes_.end()) return;
    auto& work = found->second;
    if (result.status > work.status) {
        work.status = result.status;
        work.why = result.why;
    }
    if (--work.left != 0) return;
    const auto ended = std::move(work);
    refreshes_.erase(found);
    if (ended.status == refresh_status::done) return delivered(lsn, true);
    if (ended.status == refresh_status::retry) return retry_later(lsn, -1);
    keep(lsn, "refresh failed: " + ended.why);
}

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
        return delivered(lsn, false);
    }
    const auto verdict = policy::judge_target(*error, true);
    switch (verdict.action) {
    case policy::target_action::done:
        return delivered(lsn, false);
    case policy::target_action::reprepare:
        link.forget_prepared(error->unprepared_id);
        return window_.put_back(lsn);
    case policy::target_action::permanent:
        return target_refused(lsn, error->code, error->message);
    case policy::target_action::retry:
    case policy::target_action::retry_after:
    case policy::target_action::reread:
        break;
    }
    tools_.counters.target_errors.add();
    tools_.shared.log_limited(
        log_level::warning,
        "target: " + std::string(protocol::error_code_name(error->code)) + "; trying again"
    );
    link.slow_down();
    retry_later(lsn, verdict.delay.count() > 0 ? verdict.delay.count() : -1);
}

// The same text will be refused again, unless a table or keyspace is still to come.
void delivery::target_refused(std::uint64_t lsn, error_code code, std::string_view message)
{
    tools_.counters.target_errors.add();
    const auto view = view_of(lsn);
    const auto now = tools_.on.steady_ms();
    const auto table = table_of(view);
    const auto since = refused_since_ms_.try_emplace(table, now).first->second;
    const bool hope = tools_.shared.schema_pending.load() > (view.header.kind == mutation_kind::schema)
                      || tools_.shared.left_logs.load() > (log_->is_left() ? 1u : 0u);
    if (now - since < refusal_grace_ms || hope) {
        tools_.shared.log_limited(
            log_level::warning,
            "the target refuses writes to " + table + " (" +
                std::string(protocol::error_code_name(code)) + "); trying again"
        );
        return retry_later(lsn, -1);
    }
    keep(
        lsn,
        "refused by the target: " + std::string(protocol::error_code_name(code)),
        message
    );
}

void delivery::source_answered(
    std::uint64_t lsn, cluster_link& link, const protocol::error_view* error
)
{
    const auto view = view_of(lsn);
    auto outcome = policy::outcome::applied;
    if (error != nullptr && error->code == error_code::unprepared) {
        link.forget_prepared(error->unprepared_id);
        redrives_[lsn].sent = false;
        next_redrive_ms_ = 0;
        return;
    }
    if (error != nullptr) {
        const bool several = view.has(replication::mutation_flags::several);
        outcome = policy::outcome_of(*error, !several);
        // It was executed before: the object is there.
        if (error->code == error_code::already_exists) outcome = policy::outcome::applied;
        // Refused now, but perhaps not the first time: only a verdict on the text itself is final.
        if (error->code == error_code::unavailable || error->code == error_code::overloaded ||
            error->code == error_code::is_bootstrapping)
            outcome = policy::outcome::unknown;
    }
    if (outcome == policy::outcome::unknown) return redrive_later(lsn);
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
    const auto view = view_of(lsn);
    (refreshed ? tools_.counters.refreshed : tools_.counters.replicated).add();
    const auto lag = tools_.on.wall_ms() - view.header.accepted_ms;
    tools_.counters.lag_ms.set(static_cast<std::uint64_t>(std::max<std::int64_t>(lag, 0)));
    if (!refused_since_ms_.empty()) refused_since_ms_.erase(table_of(view));
    if (view.header.kind == mutation_kind::schema) {
        const auto facts = policy::classify(view.text);
        if (tools_.shared.refresh) tools_.shared.refresh->schema_changed(facts.keyspace, facts.table);
        refused_since_ms_.clear();
    }
    finish(lsn);
}

void delivery::keep(std::uint64_t lsn, std::string_view reason, std::string_view detail)
{
    const auto view = view_of(lsn);
    tools_.shared.keep({
        .table = table_of(view),
        .reason = std::string(reason),
        .detail = std::string(detail),
        .statement = text_of(view),
        .writetime_us = view.header.writetime_us,
    });
    finish(lsn);
}

void delivery::finish(std::uint64_t lsn)
{
    if (!log_->is_left() && view_of(lsn).header.kind == mutation_kind::schema)
        tools_.shared.schema_pending.fetch_sub(1);
    if (log_->state(lsn) != write_state::void_) log_->finish(lsn);
    window_.finish(lsn);
    redrives_.erase(lsn);
    log_->release(window_.empty() ? last_added_ : window_.base() - 1);
    if (observer_ != nullptr) observer_->on_delivered(lsn);
}

std::int64_t delivery::oldest_accepted_ms() const
{
    return window_.empty() ? 0 : view_of(window_.base()).header.accepted_ms;
}

}  // namespace dualwrite::engine
