#include "proxy_status.hpp"

#include <dualwrite/version.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>

#include "proxy_numbers.hpp"

namespace dualwrite::engine {

namespace {

std::uint64_t now_ms(clockid_t which) noexcept
{
    timespec now{};
    ::clock_gettime(which, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

const char* name_of(when_full policy) noexcept
{
    if (policy == when_full::degrade) return "degrade";
    return policy == when_full::slow ? "slow" : "refuse";
}

}  // namespace

std::string version_text()
{
    return std::to_string(DW_API_VERSION_MAJOR) + "." + std::to_string(DW_API_VERSION_MINOR) + "." +
           std::to_string(DW_API_VERSION_PATCH);
}

proxy_totals sum(const workers& all)
{
    proxy_totals out;
    const auto now = now_ms(CLOCK_REALTIME);
    const auto steady_now = now_ms(CLOCK_MONOTONIC);
    for (const auto& one : all) {
        const auto& c = one->counters();
        out.clients += c.clients.get();
        out.clients_total += c.clients_total.get();
        out.clients_refused += c.clients_refused.get();
        out.clients_expired += c.clients_expired.get();
        out.requests += c.requests.get();
        out.writes += c.writes.get();
        out.writes_applied += c.writes_applied.get();
        out.writes_void += c.writes_void.get();
        out.writes_unknown += c.writes_unknown.get();
        out.redriven += c.redriven.get();
        out.refused += c.refused.get();
        out.slowed += c.slowed.get();
        out.degraded += c.degraded.get();
        out.replicated += c.replicated.get();
        out.refreshed += c.refreshed.get();
        out.unlogged += c.unlogged.get();
        out.target_errors += c.target_errors.get();
        out.target_retries += c.target_retries.get();
        out.waits_given_up += c.waits_given_up.get();
        out.memory_waits += c.memory_waits.get();
        out.left_out += c.left_out.get();
        out.backlog += c.backlog.get();
        out.target_connections += c.target_connections.get();
        out.lag_ms = std::max(out.lag_ms, c.lag_ms.get());
        // 0: it has not begun yet.
        const auto beat = c.heartbeat_ms.get();
        if (beat != 0 && beat < steady_now)
            out.loop_silence_ms = std::max(out.loop_silence_ms, steady_now - beat);
        const auto oldest = c.oldest_ms.get();
        if (oldest != 0 && oldest < now)
            out.oldest_age_ms = std::max(out.oldest_age_ms, now - oldest);
    }
    return out;
}

proxy_totals totals_of(const proxy_shared& shared, const workers& all)
{
    auto out = sum(all);
    out.backlog += shared.unread.writes_max.load();
    return out;
}

namespace {

nlohmann::json side_json(const endpoint& where, bool reachable)
{
    nlohmann::json its{{"address", where.text()}, {"reachable", reachable}};
    if (!where.identifier.empty()) its["identifier"] = where.identifier;
    return its;
}

nlohmann::json tls_json(const proxy_tls& tls)
{
    const auto legs = tls.totals();
    const auto leg = [](const proxy_tls::leg& its) {
        return nlohmann::json{{"handshakes", its.handshakes}, {"resumed", its.resumptions}};
    };
    nlohmann::json out{
        {"clients", leg(legs.clients)}, {"source", leg(legs.source)}, {"target", leg(legs.target)}};
    if (const auto listener = tls.listener()) {
        const auto facts = listener->certificate();
        out["certificate"] = {
            {"names", facts.names},
            {"valid_until", facts.valid_until},
            {"days_left", facts.days_left}};
    }
    return out;
}

nlohmann::json spool_json(const proxy_shared& shared)
{
    return {
        {"size_bytes", shared.spool->size_bytes()},
        {"size_max_bytes", shared.options.spool_size_max},
        {"full", shared.spool->full()},
        {"when_full", name_of(shared.options.spool_full)},
        {"gc_grace_s", shared.grace_s()},
        {"age_alarm", shared.age_alarm.load()},
        {"too_old", shared.too_old.load()},
        {"problem", shared.spool->problem()},
        {"left_logs", shared.left_logs.load()},
        {"reading",
         {{"logs", shared.unread.logs.load()},
          {"size_bytes", shared.unread.bytes.load()},
          {"read_bytes", shared.unread.reading.bytes.load()},
          {"writes_max", shared.unread.writes_max.load()}}}};
}

nlohmann::json tables_json(const workers& all)
{
    auto out = nlohmann::json::array();
    for (const auto& [table, writes] : table_writes(all))
        out.push_back({{"table", table}, {"writes", writes}});
    return out;
}

nlohmann::json events_json(const proxy_shared& shared)
{
    auto out = nlohmann::json::array();
    for (const auto& its : shared.events.all())
        out.push_back(
            {{"time_ms", its.time_ms},
             {"level", its.level == log_level::error ? "error" : "warning"},
             {"text", its.text}}
        );
    return out;
}

}  // namespace

table_counts::sums table_writes(const workers& all)
{
    table_counts::sums out;
    for (const auto& one : all) one->counters().tables.add_to(out);
    return out;
}

std::string status_json(const proxy_shared& shared, const workers& all)
{
    const auto totals = totals_of(shared, all);
    nlohmann::json out;
    out["version"] = version_text();
    out["time_ms"] = now_ms(CLOCK_REALTIME);
    out["started_ms"] = shared.started_ms;
    out["state"] = shared.draining.load() ? "draining" : "running";
    if (const auto why = shared.failure(); !why.empty()) {
        out["state"] = "failed";
        out["failure"] = why;
    }
    out["source"] = side_json(shared.options.source, shared.source_reachable.load());
    // Null until clients use lightweight transactions.
    out["source"]["clock_ahead_ms"] = nullptr;
    if (const auto now =
            shared.source_time.at_least(static_cast<std::int64_t>(now_ms(CLOCK_MONOTONIC))))
        out["source"]["clock_ahead_ms"] = *now - static_cast<std::int64_t>(now_ms(CLOCK_REALTIME));
    out["target"] = side_json(shared.options.target, shared.target_reachable.load());
    out["target"]["user"] = shared.target_login().username;
    out["target"]["waits_for_credentials"] = shared.target_wants_login.load();
    out["target"]["logged_batches"] = !shared.target_unlogged.load();
    for (const auto& its : proxy_numbers) out[its.name] = totals.*(its.value);
    out["dead_letters"] = shared.dead_letters();
    out["prepared_statements"] = shared.prepared_count();
    out["tls"] = tls_json(shared.tls);
    out["spool"] = spool_json(shared);
    out["memory"] = {
        {"size_bytes", shared.memory.used()},
        {"size_max_bytes", shared.memory.max()},
        {"short", shared.memory.is_short()}};
    out["tables"] = tables_json(all);
    out["events"] = events_json(shared);
    auto& incidents = out["not_replicated"] = nlohmann::json::array();
    for (const auto& its : shared.incidents())
        incidents.push_back({{"table", its.table}, {"reason", its.reason}, {"count", its.count}});
    // What a server says of itself need not be UTF-8.
    return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace dualwrite::engine
