#include "delivery.hpp"

#include <algorithm>
#include <utility>

namespace dualwrite::engine {

using namespace delivery_limits;
using protocol::error_code;
using replication::mutation_kind;
using replication::mutation_view;
using replication::plan;

namespace {

constexpr std::size_t window_entries = 16 * 1024;
constexpr std::size_t window_bytes_max = 32 * 1024 * 1024;

}  // namespace

delivery::delivery(
    const delivery_tools& tools,
    std::unique_ptr<spool_log> log,
    delivery_observer* observer,
    std::shared_ptr<log_progress> progress
)
    : tools_(tools), log_(std::move(log)), observer_(observer),
      window_(window_entries, bytes_max(tools.shared.options, window_bytes_max)),
      alive_(std::make_shared<delivery*>(this)),
      progress_(progress ? std::move(progress) : tools.shared.logs.add(log_->is_left()))
{
    publish_progress();
    progress_->unread.store(false, std::memory_order_release);
}

delivery::~delivery()
{
    *alive_ = nullptr;
    if (!log_->exhausted()) return;
    progress_->end();
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
        statements_[log_id] = &tools_.registry.intern_chosen(text.keyspace, text.text);
    }
    return *statements_[log_id];
}

void delivery::settle(std::uint64_t lsn, write_state outcome)
{
    log_->settle(lsn, outcome);
    if (outcome == write_state::applied) {
        tools_.counters.writes_applied.add();
        return window_.mark_applied(lsn);
    }
    tools_.counters.writes_void.add();
    leave_out(lsn);
}

// Void, or of no concern any more.
void delivery::leave_out(std::uint64_t lsn)
{
    if (window_.contains(lsn)) return finish(lsn);
    if (unread_schemas_.erase(lsn) != 0) schema_ended(lsn, false);
}

void delivery::expect_schema(std::uint64_t lsn)
{
    unread_schemas_.insert(lsn);
    tools_.shared.schema_pending.fetch_add(1);
}

void delivery::settle_unknown(std::uint64_t lsn, transaction_marks::place place)
{
    tools_.counters.writes_unknown.add();
    if (place.table != transaction_marks::place::none &&
        open_transactions_.try_emplace(lsn, place).second)
        tools_.shared.marks.open(place);
    if (window_.contains(lsn))
        redrive_later(lsn);
    else
        unknown_.insert(lsn);
}

void delivery::pump()
{
    refill();
    publish_progress();
    send_redrives();
    send_ready();
    start_refreshes();
}

// While memory is short, one after the other.
bool delivery::takes_more() const noexcept
{
    return window_.has_room() && (window_.empty() || !tools_.shared.memory.is_short());
}

void delivery::refill()
{
    all_read_ = false;
    while (takes_more()) {
        if (!next_) {
            const auto read = log_->next_intent();
            if (!read) return tools_.shared.fail("the spool cannot be read: " + log_->why());
            all_read_ = !*read;
            if (all_read_) return;
            next_ = **read;
        }
        if (!window_.has_room_for(next_->lsn)) return;
        add(*std::exchange(next_, {}));
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
    const bool applied = state == write_state::applied;
    const bool announced = view->has(replication::mutation_flags::truncates) && !applied;
    window_.add(intent.lsn, intent.payload, applied, schema && !announced);
    last_added_ = intent.lsn;
    last_accepted_ms_ = view->header.accepted_ms;
    if (schema) unread_schemas_.erase(intent.lsn);
    if (log_->is_left() && !schema) tools_.shared.note_written(table_of(*view));
    // Nobody knows any more which writes came behind it, and with which times.
    if (log_->is_left() && view->has(replication::mutation_flags::refresh))
        open_transaction(intent.lsn);
    if (state != write_state::open) return;
    if (!log_->is_left() && unknown_.erase(intent.lsn) == 0) return;
    redrive_later(intent.lsn);
}

void delivery::redrive_later(std::uint64_t lsn)
{
    if (window_.state_of(lsn) != replication::window::state::open) return;
    if (keep_destructive(lsn)) return;
    auto& its = redrives_[lsn];
    its.sent = false;
    next_redrive_ms_ = 0;
    if (its.attempts == 0) {
        if (log_->is_left()) open_transaction(lsn);
        its.attempts = 1;
        its.due_ms = tools_.on.steady_ms();
    } else {
        const auto delay =
            policy::delay(retries, its.attempts++, random_ *= 6364136223846793005ull);
        its.due_ms = tools_.on.steady_ms() + delay.count();
    }
}

void delivery::send_redrives()
{
    const auto now = tools_.on.steady_ms();
    if (redrives_.empty() || now < next_redrive_ms_) return;
    next_redrive_ms_ = now + undecided_delay_ms;
    std::vector<std::uint64_t> decided;
    std::vector<std::uint64_t> damaged;
    std::vector<std::pair<std::uint64_t, error_code>> refused;
    for (auto& [lsn, its] : redrives_) {
        if (its.sent) continue;
        next_redrive_ms_ = std::min(next_redrive_ms_, std::max(its.due_ms, now + 1));
        if (its.due_ms > now) continue;
        const auto view = view_of(lsn);
        const auto what = plan_of(view).what;
        // A refresh needs no answer: whatever the source has then is what the target gets.
        if (what == plan::refresh && std::exchange(its.waited, true))
            decided.push_back(lsn);
        else if (what == plan::refresh)
            its.due_ms = now + tools_.shared.options.patience.doubt_ms;
        if (what == plan::undecided) its.due_ms = now + undecided_delay_ms;
        if (what == plan::refresh || what == plan::undecided) continue;
        auto* link = tools_.source.pick();
        if (link == nullptr) break;
        const auto how = send(*link, lsn, view, source_user_);
        its.sent = how == sending::sent;
        if (how == sending::sent) tools_.counters.redriven.add();
        // `waiting` for a PREPARE: the next turn tries again.
        if (how == sending::refused) refused.emplace_back(lsn, refusal_.first);
        if (how == sending::damaged) damaged.push_back(lsn);
    }
    for (const auto lsn : decided) {
        redrives_.erase(lsn);
        settle(lsn, write_state::applied);
    }
    for (const auto& [lsn, code] : refused) source_refused(lsn, {.code = code});
    for (const auto lsn : damaged) keep(lsn, "damaged record");
}

void delivery::send_ready()
{
    window_.wake(tools_.on.steady_ms());
    while (window_.has_ready()) {
        auto* link = tools_.target.pick();
        if (link == nullptr) return;
        const auto lsn = *window_.take_ready();
        if (is_truncate(lsn) && !may_truncate(lsn)) continue;
        auto view = view_of(lsn);
        if (!lowered_.empty() && lowered_.contains(lsn))
            view.header.consistency =
                static_cast<std::uint16_t>(protocol::consistency::local_quorum);
        switch (plan_of(view).what) {
        case plan::refresh:
            wait_for_replays(lsn);
            break;
        case plan::undecided:
            retry_later(lsn, undecided_delay_ms);
            break;
        case plan::unreplicated:
            keep(lsn, plan_of(view).reason);
            break;
        default:
            const auto how = send(*link, lsn, view, *this);
            if (how == sending::refused) target_refused(lsn, refusal_.first, refusal_.second);
            if (how == sending::damaged) keep(lsn, "damaged record");
        }
    }
}

template <class F> void delivery::for_each_prepared(const mutation_view& m, F&& f)
{
    if (m.header.kind == mutation_kind::execute) f(m.header.statement);
    if (m.header.kind != mutation_kind::batch) return;
    replication::child_reader children(m);
    for (auto child = children.next(); child && *child; child = children.next())
        if ((*child)->prepared) f((*child)->statement);
}

// The node does not know one of the statements any more: it has hardly kept the others.
void delivery::forget_prepared(cluster_link& link, const mutation_view& m)
{
    for_each_prepared(m, [&](std::uint32_t log_id) { link.forget(statement_of(log_id).id); });
}

// Asks for what is not prepared on this connection. `waiting`: the answer brings it back.
delivery::sending delivery::prepare_all(
    cluster_link& link, const mutation_view& m, std::uint64_t lsn, link_user& user
)
{
    bool waiting = false;
    const replication::statement* refused = nullptr;
    const bool unlogged = takes_unlogged_only(user);
    for_each_prepared(m, [&](std::uint32_t log_id) {
        const auto& its = statement_of(log_id);
        if (unlogged && policy::as_unlogged(its.target_text)) return;  // goes as text
        const auto state = link.state_of(its.id);
        if (state == cluster_link::preparation::ready) return;
        if (state == cluster_link::preparation::refused) {
            refused = &its;
            return;
        }
        if (!waiting) link.prepare(its, user, lsn);
        waiting = true;
    });
    if (refused == nullptr) return waiting ? sending::waiting : sending::sent;
    refusal_ = link.refusal(refused->id);
    link.forget(refused->id);
    return sending::refused;
}

delivery::sending
delivery::send(cluster_link& link, std::uint64_t lsn, const mutation_view& view, link_user& user)
{
    if (const auto how = prepare_all(link, view, lsn, user); how != sending::sent) return how;
    auto& out = link.begin_request({&user, lsn, 0, tools_.on.steady_ms()});
    const bool unlogged = takes_unlogged_only(user);
    const auto op = replication::append_target_body(
        out,
        view,
        {link.version(), tools_.on.wall_ms(), unlogged},
        [&](std::uint32_t log_id) {
            const auto& its = statement_of(log_id);
            if (unlogged && policy::as_unlogged(its.target_text))
                return replication::prepared_at{&its, {}, {}};
            return link.prepared(its.id);
        }
    );
    if (!op) {
        link.cancel_request();
        return sending::damaged;
    }
    link.finish_request(*op);
    return sending::sent;
}

}  // namespace dualwrite::engine
