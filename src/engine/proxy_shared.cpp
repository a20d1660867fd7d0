#include "proxy_shared.hpp"

#include <dualwrite/policy/statement.hpp>
#include <dualwrite/policy/statement_shape.hpp>
#include <dualwrite/replication/spool_limits.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>

namespace dualwrite::engine {

namespace {

constexpr std::int64_t log_interval_ms = 10'000;
// Of texts whose repetitions are counted; a flood of different ones must not grow for ever.
constexpr std::size_t limited_texts_max = 1000;
constexpr std::size_t logins_max = 64;
// Tables and reasons with a count of their own; beyond, tables are counted together.
constexpr std::size_t incidents_max = 500;
// Forms of statements that are logged, at most 200 bytes each.
constexpr std::size_t shapes_seen_max = 500;
// What the clocks of the source's nodes may be apart: a transaction may get its time from any.
constexpr std::int64_t source_nodes_apart_ms = 500;
constexpr std::int64_t clock_max_ms = std::int64_t{1} << 45;  // in the year 3084

std::int64_t steady_now_ms() noexcept
{
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

std::uint64_t wall_now_ms() noexcept
{
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace

proxy_shared::proxy_shared(proxy_options its)
    : options(std::move(its)), memory(options.memory_max), started_ms(wall_now_ms())
{
}

void proxy_shared::set_sink(log_sink to)
{
    sink = [this, to = std::move(to)](log_level level, std::string_view text) {
        events.note(level, text, wall_now_ms());
        if (to) to(level, text);
    };
}

std::int64_t proxy_shared::transactions_until_us(std::int64_t steady_ms) const noexcept
{
    const auto now_ms = source_time.at_most(steady_ms);
    return now_ms ? (*now_ms + source_nodes_apart_ms) * 1000 : transaction_marks::unknown;
}

void proxy_shared::transaction_ended(std::int64_t steady_ms, std::int64_t wall_ms) noexcept
{
    clock.fence(source_time.at_most(steady_ms).value_or(wall_ms));
}

void proxy_shared::source_said(
    std::int64_t asked_ms, std::int64_t answered_ms, std::int64_t said_ms
)
{
    if (said_ms < 0 || said_ms > clock_max_ms) return;
    if (!source_time.learn(asked_ms, answered_ms, said_ms)) return;
    transaction_ended(answered_ms, said_ms);
    marks.clock_known(transactions_until_us(answered_ms));
}

void proxy_shared::fail(std::string why)
{
    log(log_level::error, why);
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = std::move(why);
    failed.store(true);
}

std::string proxy_shared::failure() const
{
    const std::lock_guard lock(mutex_);
    return failure_;
}

void proxy_shared::log(log_level level, std::string_view text) const
{
    if (sink) sink(level, text);
}

void proxy_shared::log_limited(log_level level, const std::string& text)
{
    std::uint64_t left_out = 0;
    {
        const std::lock_guard lock(mutex_);
        if (limited_.size() > limited_texts_max) limited_.clear();
        auto& seen = limited_[text];
        const auto now = steady_now_ms();
        if (seen.last_ms != 0 && now - seen.last_ms < log_interval_ms) {
            ++seen.left_out;
            return;
        }
        seen.last_ms = now;
        left_out = std::exchange(seen.left_out, 0);
    }
    if (left_out == 0) return log(level, text);
    log(level, text + " (and " + std::to_string(left_out) + " times more since the last line)");
}

void proxy_shared::report(const std::string& table, const std::string& reason)
{
    {
        const std::lock_guard lock(mutex_);
        const bool fits = incidents_.size() < incidents_max || incidents_.contains({table, reason});
        ++incidents_[fits ? std::pair{table, reason} : std::pair{std::string("(others)"), reason}];
    }
    log_limited(
        log_level::warning, "not replicated: " + (table.empty() ? "" : table + ": ") + reason
    );
}

std::vector<incident> proxy_shared::incidents() const
{
    const std::lock_guard lock(mutex_);
    std::vector<incident> out;
    for (const auto& [key, count] : incidents_) out.push_back({key.first, key.second, count});
    return out;
}

// Once for each shape: what the operator needs to find the application that sends it.
void proxy_shared::log_not_understood(const dead_letter& letter)
{
    for (const auto& its : letter.statements) {
        const auto facts = policy::classify(its.text);
        if (facts.kind != policy::statement_kind::unknown && !facts.unparsed) continue;
        const auto shape = policy::statement_shape(its.text);
        {
            const std::lock_guard lock(mutex_);
            if (shapes_seen_.size() >= shapes_seen_max) return;
            if (!shapes_seen_.insert(shape).second) continue;
        }
        log(log_level::warning,
            "not understood, so that it went to the source only: " + shape +
                " (this form of it is not logged again)");
    }
}

void proxy_shared::keep(dead_letter letter)
{
    report(letter.table, letter.reason);
    log_not_understood(letter);
    if (options.left_write_ended) {
        dead_letters_.fetch_add(1);
        return;
    }
    const auto known = shapes();
    for (auto& its : letter.statements)
        if (its.types.empty() && !its.values.empty()) its.types = types_of_values(its.text, *known);
    const auto bytes = to_json_line(letter, std::time(nullptr));
    if (const auto kept = spool->keep_dead_letter(as_bytes(bytes)); !kept)
        fail("cannot keep a write that the target did not get: " + kept.error().message());
    dead_letters_.fetch_add(1);  // whoever sees the number finds the letters
}

void proxy_shared::set_grace(bool source, grace_map seconds)
{
    const std::lock_guard lock(mutex_);
    (source ? source_grace_ : target_grace_) = std::move(seconds);
    find_smallest_grace();
}

void proxy_shared::note_written(const std::string& table)
{
    const std::lock_guard lock(mutex_);
    if (written_.insert(table).second) find_smallest_grace();
}

// A table with 0 asks for no grace: its deletes are never safe to be late, and no limit helps.
void proxy_shared::find_smallest_grace()
{
    std::int64_t smallest = 0;
    grace_table_.clear();
    for (const auto& table : written_)
        for (const auto* side : {&source_grace_, &target_grace_}) {
            const auto found = side->find(table);
            if (found == side->end() || found->second <= 0) continue;
            if (smallest != 0 && found->second >= smallest) continue;
            smallest = found->second;
            grace_table_ = table;
        }
    grace_s_.store(smallest, std::memory_order_relaxed);
}

void proxy_shared::check_age(std::uint64_t oldest_age_ms)
{
    const auto grace = grace_s();
    const auto limits = replication::age_limits_of(grace);
    const auto age = static_cast<std::int64_t>(oldest_age_ms);
    const bool alarm = limits.alarm_ms != 0 && age >= limits.alarm_ms;
    const bool stop = limits.stop_ms != 0 && age >= limits.stop_ms;
    const bool was_alarm = age_alarm.exchange(alarm);
    const bool was_stop = too_old.exchange(stop);
    if (alarm == was_alarm && stop == was_stop) return;
    std::string table;
    {
        const std::lock_guard lock(mutex_);
        table = grace_table_;
    }
    const auto what = "the oldest write that the target does not have is " +
                      std::to_string(age / 1000) + " s old; gc_grace_seconds of " + table + " is " +
                      std::to_string(grace);
    if (stop && !was_stop)
        log(log_level::error, what + ": writes are refused until the target has caught up");
    else if (alarm && !was_alarm)
        log(log_level::warning, what + ": after that, deleted rows may come back at the target");
    else
        log(log_level::info,
            was_stop && !stop ? "writes are accepted again: " + what
                              : "the target has caught up: " + what);
}

void proxy_shared::remember_prepared(
    bytes_view id, const std::string& keyspace, const std::string& text
)
{
    const std::lock_guard lock(mutex_);
    prepared_.insert_or_assign(std::string(as_text(id)), prepared_text{keyspace, text});
}

std::optional<proxy_shared::prepared_text> proxy_shared::find_prepared(bytes_view id) const
{
    const std::lock_guard lock(mutex_);
    const auto found = prepared_.find(as_text(id));
    if (found == prepared_.end()) return {};
    return found->second;
}

std::size_t proxy_shared::prepared_count() const
{
    const std::lock_guard lock(mutex_);
    return prepared_.size();
}

// With the mutex held.
login proxy_shared::configured_or_learned(const endpoint& to, std::size_t chosen) const
{
    if (!to.username.empty()) return {to.username, to.password};
    return learned_.empty() ? login{} : learned_[chosen % learned_.size()];
}

login proxy_shared::source_login() const
{
    const std::lock_guard lock(mutex_);
    return configured_or_learned(options.source, chosen_for_source_);
}

login proxy_shared::target_login() const
{
    const std::lock_guard lock(mutex_);
    return configured_or_learned(options.target, chosen_for_target_);
}

void proxy_shared::learn_login(const login& seen)
{
    bool first_of_several = false;
    {
        const std::lock_guard lock(mutex_);
        const auto known = std::find_if(learned_.begin(), learned_.end(), [&](const login& its) {
            return its.username == seen.username;
        });
        if (known == learned_.end()) {
            if (learned_.size() >= logins_max) return;
            learned_.push_back(seen);
            first_of_several = learned_.size() == 2;
        } else {
            if (known->password == seen.password) return;
            known->password = seen.password;
        }
    }
    if (first_of_several && options.target.username.empty())
        log(log_level::warning,
            "clients log in as several users; all writes reach the target as '" +
                target_login().username +
                "'. If that user may not write every table there, give --target-username");
    tell_logins();
}

void proxy_shared::login_refused(bool source, const login& which)
{
    {
        const std::lock_guard lock(mutex_);
        const auto& to = source ? options.source : options.target;
        if (!to.username.empty() || learned_.size() < 2) return;
        auto& chosen = source ? chosen_for_source_ : chosen_for_target_;
        // Several connections are refused at a time; the first moves on for all.
        if (learned_[chosen % learned_.size()].username != which.username) return;
        chosen = (chosen + 1) % learned_.size();
    }
    tell_logins();
}

void proxy_shared::tell_logins()
{
    const auto source = source_login();
    const auto target = target_login();
    if (refresh)
        refresh->set_credentials(
            source.username, source.password, target.username, target.password
        );
    logins_version_.fetch_add(1);
}

std::vector<socket_address> proxy_shared::source_addresses() const
{
    const std::lock_guard lock(mutex_);
    return source_contacts_.empty() ? std::vector<socket_address>()
                                    : source_contacts_.front().addresses;
}

std::vector<cluster_node> proxy_shared::nodes(bool source) const
{
    const std::lock_guard lock(mutex_);
    if (source) return source_contacts_;
    auto out = target_contacts_;
    const auto contacts = out.size();
    for (const auto& peer : target_peers_) {
        const bool known = std::any_of(
            out.begin(),
            out.begin() + static_cast<std::ptrdiff_t>(contacts),
            [&](const cluster_node& its) { return its.has(peer.addresses.front()); }
        );
        if (!known) out.push_back(peer);
    }
    return out;
}

void proxy_shared::set_contacts(bool source, std::vector<cluster_node> nodes)
{
    const std::lock_guard lock(mutex_);
    (source ? source_contacts_ : target_contacts_) = std::move(nodes);
    nodes_version_.fetch_add(1);
}

void proxy_shared::set_target_peers(std::vector<cluster_node> nodes)
{
    const std::lock_guard lock(mutex_);
    target_peers_ = std::move(nodes);
    nodes_version_.fetch_add(1);
}

std::shared_ptr<const replication::table_shapes> proxy_shared::shapes() const
{
    const std::lock_guard lock(mutex_);
    return shapes_;
}

void proxy_shared::set_shapes(std::shared_ptr<const replication::table_shapes> shapes)
{
    const std::lock_guard lock(mutex_);
    shapes_ = std::move(shapes);
    shapes_version_.fetch_add(1);
}

}  // namespace dualwrite::engine
