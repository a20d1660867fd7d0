#include "proxy_status.hpp"

#include <dualwrite/version.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <ctime>

namespace dualwrite::engine {

namespace {

std::uint64_t wall_now_ms() noexcept
{
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

std::string version_text()
{
    return std::to_string(DW_API_VERSION_MAJOR) + "." + std::to_string(DW_API_VERSION_MINOR) + "." +
           std::to_string(DW_API_VERSION_PATCH);
}

// A number of the status: the same everywhere under one name.
struct metric {
    const char* name;  // in the JSON; "dualwrite_" before it and "_total" behind in Prometheus
    const char* help;
    bool total;  // only grows
    std::uint64_t proxy_totals::*value;
};

constexpr auto metrics = std::to_array<metric>({
    {"clients", "Connections of clients", false, &proxy_totals::clients},
    {"clients_accepted", "Connections of clients so far", true, &proxy_totals::clients_total},
    {"clients_refused",
     "Connections of clients beyond the limits",
     true,
     &proxy_totals::clients_refused},
    {"clients_expired",
     "Connections of clients that were closed by a deadline",
     true,
     &proxy_totals::clients_expired},
    {"requests", "Requests of clients", true, &proxy_totals::requests},
    {"writes", "Writes that went into the spool", true, &proxy_totals::writes},
    {"writes_applied", "Writes that the source has", true, &proxy_totals::writes_applied},
    {"writes_void", "Writes that the source refused", true, &proxy_totals::writes_void},
    {"writes_unknown",
     "Writes whose outcome the source left open",
     true,
     &proxy_totals::writes_unknown},
    {"redriven", "Writes sent to the source again", true, &proxy_totals::redriven},
    {"refused", "Writes refused by a limit of the spool", true, &proxy_totals::refused},
    {"degraded",
     "Writes of which only the rows were recorded because the spool was full",
     true,
     &proxy_totals::degraded},
    {"slowed", "Times that a client was slowed down by the spool", true, &proxy_totals::slowed},
    {"replicated", "Writes that the target acknowledged", true, &proxy_totals::replicated},
    {"refreshed", "Writes delivered by reading the source's state", true, &proxy_totals::refreshed},
    {"target_errors", "Errors of the target", true, &proxy_totals::target_errors},
    {"target_retries", "Deliveries put off to be tried again", true, &proxy_totals::target_retries},
    {"waits_given_up",
     "Answers that did not wait for the target any longer",
     true,
     &proxy_totals::waits_given_up},
    {"memory_waits",
     "Large requests that waited for room in memory",
     true,
     &proxy_totals::memory_waits},
    {"left_out",
     "Statements that --filter-tables or --tables-... keep at the source",
     true,
     &proxy_totals::left_out},
    {"backlog", "Writes that the target has not acknowledged", false, &proxy_totals::backlog},
    {"oldest_age_ms",
     "Age of the oldest write in delivery, milliseconds",
     false,
     &proxy_totals::oldest_age_ms},
    {"lag_ms",
     "From acceptance to the target's acknowledgement, last write, milliseconds",
     false,
     &proxy_totals::lag_ms},
    {"target_connections", "Connections to the target", false, &proxy_totals::target_connections},
});

const char* name_of(when_full policy) noexcept
{
    if (policy == when_full::degrade) return "degrade";
    return policy == when_full::slow ? "slow" : "refuse";
}

// A label's value in the exposition format.
std::string escaped(const std::string& text)
{
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
    return out;
}

void append_metric(
    std::string& out, const std::string& name, const char* type, const char* help, double value
)
{
    out += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n" + name + " " +
           std::to_string(static_cast<long long>(value)) + "\n";
}

// One sample for each leg.
void append_legs(
    std::string& out,
    const std::string& name,
    const char* help,
    const proxy_tls::counts& legs,
    std::uint64_t proxy_tls::leg::*which
)
{
    out += "# HELP dualwrite_" + name + " " + help + "\n# TYPE dualwrite_" + name + " counter\n";
    const std::pair<const char*, proxy_tls::leg> all[] = {
        {"clients", legs.clients}, {"source", legs.source}, {"target", legs.target}};
    for (const auto& [leg, its] : all)
        out += "dualwrite_" + name + "{leg=\"" + leg + "\"} " + std::to_string(its.*which) + "\n";
}

void append_tls_metrics(std::string& out, const proxy_shared& shared)
{
    const auto legs = shared.tls.totals();
    append_legs(out, "tls_handshakes_total", "TLS handshakes", legs, &proxy_tls::leg::handshakes);
    append_legs(
        out,
        "tls_resumptions_total",
        "TLS handshakes that resumed a session",
        legs,
        &proxy_tls::leg::resumptions
    );
    if (const auto listener = shared.tls.listener())
        append_metric(
            out,
            "dualwrite_certificate_days_left",
            "gauge",
            "Days until the certificate that clients are shown expires",
            static_cast<double>(listener->certificate().days_left)
        );
}

}  // namespace

proxy_totals sum(const workers& all)
{
    proxy_totals out;
    const auto now = wall_now_ms();
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
        out.target_errors += c.target_errors.get();
        out.target_retries += c.target_retries.get();
        out.waits_given_up += c.waits_given_up.get();
        out.memory_waits += c.memory_waits.get();
        out.left_out += c.left_out.get();
        out.backlog += c.backlog.get();
        out.target_connections += c.target_connections.get();
        out.lag_ms = std::max(out.lag_ms, c.lag_ms.get());
        const auto oldest = c.oldest_ms.get();
        if (oldest != 0 && oldest < now)
            out.oldest_age_ms = std::max(out.oldest_age_ms, now - oldest);
    }
    return out;
}

std::string status_json(const proxy_shared& shared, const workers& all)
{
    const auto totals = sum(all);
    nlohmann::json out;
    out["version"] = version_text();
    out["state"] = shared.draining.load() ? "draining" : "running";
    if (const auto why = shared.failure(); !why.empty()) {
        out["state"] = "failed";
        out["failure"] = why;
    }
    const auto side = [](const endpoint& where, bool reachable) {
        nlohmann::json its{{"address", where.text()}, {"reachable", reachable}};
        if (!where.identifier.empty()) its["identifier"] = where.identifier;
        return its;
    };
    out["source"] = side(shared.options.source, shared.source_reachable.load());
    out["target"] = side(shared.options.target, shared.target_reachable.load());
    out["target"]["user"] = shared.target_login().username;
    out["target"]["waits_for_credentials"] = shared.target_wants_login.load();
    for (const auto& m : metrics) out[m.name] = totals.*(m.value);
    out["dead_letters"] = shared.dead_letters();
    out["prepared_statements"] = shared.prepared_count();
    const auto legs = shared.tls.totals();
    const auto leg = [](const proxy_tls::leg& its) {
        return nlohmann::json{{"handshakes", its.handshakes}, {"resumed", its.resumptions}};
    };
    out["tls"] = {
        {"clients", leg(legs.clients)}, {"source", leg(legs.source)}, {"target", leg(legs.target)}};
    if (const auto listener = shared.tls.listener()) {
        const auto facts = listener->certificate();
        out["tls"]["certificate"] = {
            {"names", facts.names},
            {"valid_until", facts.valid_until},
            {"days_left", facts.days_left}};
    }
    out["spool"] = {
        {"size_bytes", shared.spool->size_bytes()},
        {"size_max_bytes", shared.options.spool_size_max},
        {"full", shared.spool->full()},
        {"when_full", name_of(shared.options.spool_full)},
        {"gc_grace_s", shared.grace_s()},
        {"age_alarm", shared.age_alarm.load()},
        {"too_old", shared.too_old.load()},
        {"problem", shared.spool->problem()},
        {"left_logs", shared.left_logs.load()}};
    out["memory"] = {
        {"size_bytes", shared.memory.used()},
        {"size_max_bytes", shared.memory.max()},
        {"short", shared.memory.is_short()}};
    auto& incidents = out["not_replicated"] = nlohmann::json::array();
    for (const auto& its : shared.incidents())
        incidents.push_back({{"table", its.table}, {"reason", its.reason}, {"count", its.count}});
    return out.dump();
}

std::string metrics_text(const proxy_shared& shared, const workers& all)
{
    const auto totals = sum(all);
    std::string out;
    for (const auto& m : metrics) {
        const auto name = std::string("dualwrite_") + m.name + (m.total ? "_total" : "");
        const auto value = static_cast<double>(totals.*(m.value));
        append_metric(out, name, m.total ? "counter" : "gauge", m.help, value);
    }
    const auto gauge = [&](const char* name, const char* help, std::uint64_t value) {
        append_metric(
            out, std::string("dualwrite_") + name, "gauge", help, static_cast<double>(value)
        );
    };
    gauge("spool_bytes", "Bytes of the spool's files", shared.spool->size_bytes());
    gauge("spool_full", "1: no room is left", shared.spool->full() ? 1 : 0);
    gauge(
        "spool_gc_grace_seconds",
        "The smallest gc_grace_seconds of the tables that are written, 0: not known",
        static_cast<std::uint64_t>(shared.grace_s())
    );
    gauge("spool_age_alarm", "1: half of it has passed", shared.age_alarm.load() ? 1 : 0);
    gauge("spool_too_old", "1: 90 %, writes are refused", shared.too_old.load() ? 1 : 0);
    gauge("memory_bytes", "Bytes of all buffers", shared.memory.used());
    gauge("memory_short", "1: slow clients are read no further", shared.memory.is_short() ? 1 : 0);
    gauge("source_reachable", "1: the source answers", shared.source_reachable.load() ? 1 : 0);
    gauge("target_reachable", "1: the target answers", shared.target_reachable.load() ? 1 : 0);
    gauge(
        "target_waits_for_credentials",
        "1: writes wait because no credentials for the target are known",
        shared.target_wants_login.load() ? 1 : 0
    );
    append_tls_metrics(out, shared);
    out += "# HELP dualwrite_side_info 1: what the operator calls each side\n"
           "# TYPE dualwrite_side_info gauge\n";
    const auto side = [&](const char* name, const endpoint& where) {
        out += "dualwrite_side_info{side=\"" + std::string(name) + "\",address=\"" +
               escaped(where.text()) + "\",identifier=\"" + escaped(where.identifier) + "\"} 1\n";
    };
    side("source", shared.options.source);
    side("target", shared.options.target);
    append_metric(
        out,
        "dualwrite_dead_letters_total",
        "counter",
        "Writes kept because the target did not get them",
        static_cast<double>(shared.dead_letters())
    );
    out += "# HELP dualwrite_not_replicated_total Writes that the target did not get, by reason\n"
           "# TYPE dualwrite_not_replicated_total counter\n";
    for (const auto& its : shared.incidents())
        out += "dualwrite_not_replicated_total{table=\"" + escaped(its.table) + "\",reason=\"" +
               escaped(its.reason) + "\"} " + std::to_string(its.count) + "\n";
    return out;
}

}  // namespace dualwrite::engine
