#include <cstdio>

#include "proxy_numbers.hpp"
#include "proxy_status.hpp"

namespace dualwrite::engine {

namespace {

// Text exposition format 0.0.4. What is printed is listed in docs/operations.md.
class exposition {
public:
    void begin(const char* name, const char* type, const char* help)
    {
        name_ = name;
        out_ += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
    }

    using label = std::pair<const char*, std::string>;
    void sample(std::uint64_t value, const std::vector<label>& labels = {})
    {
        sample(std::to_string(value), labels);
    }
    void sample(const std::string& value, const std::vector<label>& labels = {})
    {
        out_ += name_;
        const char* before = "{";
        for (const auto& [name, its] : labels) {
            out_ += before + std::string(name) + "=\"" + escaped(its) + "\"";
            before = ",";
        }
        out_ += (labels.empty() ? " " : "} ") + value + "\n";
    }

    void gauge(const char* name, const char* help, std::uint64_t value)
    {
        begin(name, "gauge", help);
        sample(value);
    }
    void gauge(const char* name, const char* help, bool value)
    {
        gauge(name, help, value ? 1ul : 0ul);
    }
    void counter(const char* name, const char* help, std::uint64_t value)
    {
        begin(name, "counter", help);
        sample(value);
    }

    std::string take() { return std::move(out_); }

private:
    static std::string escaped(const std::string& text)
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

    std::string out_;
    const char* name_{""};
};

std::string seconds_of(std::uint64_t ms)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", static_cast<double>(ms) / 1000);
    return text;
}

void append_numbers(exposition& out, const proxy_shared& shared, const workers& all)
{
    using kind = proxy_number::kind;
    const auto totals = totals_of(shared, all);
    for (const auto& its : proxy_numbers) {
        const auto value = totals.*(its.value);
        out.begin(its.metric, its.is == kind::counter ? "counter" : "gauge", its.help);
        if (its.is == kind::gauge_ms)
            out.sample(seconds_of(value));
        else
            out.sample(value);
    }
}

void append_spool(exposition& out, const proxy_shared& shared)
{
    out.gauge(
        "dualwrite_spool_bytes", "Bytes of the files of the spool", shared.spool->size_bytes()
    );
    out.gauge(
        "dualwrite_spool_limit_bytes", "What --spool-size-max allows", shared.options.spool_size_max
    );
    out.gauge("dualwrite_spool_full", "1: no room is left", shared.spool->full());
    out.gauge(
        "dualwrite_spool_gc_grace_seconds",
        "The smallest gc_grace_seconds of the tables that are written, 0: not known",
        static_cast<std::uint64_t>(shared.grace_s())
    );
    out.gauge("dualwrite_spool_age_alarm", "1: half of it has passed", shared.age_alarm.load());
    out.gauge("dualwrite_spool_too_old", "1: 90 %, writes are refused", shared.too_old.load());
    const auto& unread = shared.unread;
    out.gauge(
        "dualwrite_spool_unread_logs",
        "Logs of earlier runs that are not read yet",
        unread.logs.load()
    );
    out.gauge("dualwrite_spool_unread_bytes", "What they had at the start", unread.bytes.load());
    out.gauge("dualwrite_spool_read_bytes", "What is read of that", unread.reading.bytes.load());
}

void append_tls(exposition& out, const proxy_tls& tls)
{
    const auto legs = tls.totals();
    const auto each = [&](std::uint64_t proxy_tls::leg::*which) {
        out.sample(legs.clients.*which, {{"leg", "clients"}});
        out.sample(legs.source.*which, {{"leg", "source"}});
        out.sample(legs.target.*which, {{"leg", "target"}});
    };
    out.begin("dualwrite_tls_handshakes_total", "counter", "TLS handshakes");
    each(&proxy_tls::leg::handshakes);
    out.begin(
        "dualwrite_tls_resumptions_total", "counter", "TLS handshakes that resumed a session"
    );
    each(&proxy_tls::leg::resumptions);
    const auto listener = tls.listener();
    if (!listener) return;
    constexpr std::int64_t day_s = 86'400;
    out.begin(
        "dualwrite_certificate_left_seconds",
        "gauge",
        "Until the certificate that clients are shown expires, in whole days"
    );
    out.sample(std::to_string(listener->certificate().days_left * day_s));
}

void append_sides(exposition& out, const proxy_shared& shared)
{
    out.gauge(
        "dualwrite_source_reachable", "1: the source answers", shared.source_reachable.load()
    );
    out.gauge(
        "dualwrite_target_reachable", "1: the target answers", shared.target_reachable.load()
    );
    out.gauge(
        "dualwrite_target_waits_for_credentials",
        "1: writes wait because no credentials for the target are known",
        shared.target_wants_login.load()
    );
    out.begin("dualwrite_side_info", "gauge", "1: what the operator calls each side");
    const auto side = [&](const char* name, const endpoint& where) {
        out.sample(
            1, {{"side", name}, {"address", where.text()}, {"identifier", where.identifier}}
        );
    };
    side("source", shared.options.source);
    side("target", shared.options.target);
}

void append_tables(exposition& out, const proxy_shared& shared, const workers& all)
{
    out.begin(
        "dualwrite_table_writes_total",
        "counter",
        "Statements that write, by table; each of a batch counts"
    );
    for (const auto& [table, writes] : table_writes(all)) out.sample(writes, {{"table", table}});
    out.counter(
        "dualwrite_dead_letters_total",
        "Writes kept because the target did not get them",
        shared.dead_letters()
    );
    out.begin(
        "dualwrite_not_replicated_total", "counter", "Writes that the target did not get, by reason"
    );
    for (const auto& its : shared.incidents())
        out.sample(its.count, {{"table", its.table}, {"reason", its.reason}});
}

}  // namespace

std::string metrics_text(const proxy_shared& shared, const workers& all)
{
    exposition out;
    out.begin("dualwrite_build_info", "gauge", "1: the version");
    out.sample(1, {{"version", version_text()}});
    out.gauge(
        "dualwrite_start_time_seconds", "When it was started, since 1970", shared.started_ms / 1000
    );
    append_numbers(out, shared, all);
    append_spool(out, shared);
    out.gauge("dualwrite_memory_bytes", "Bytes of all buffers", shared.memory.used());
    out.gauge(
        "dualwrite_memory_short", "1: slow clients are read no further", shared.memory.is_short()
    );
    append_sides(out, shared);
    append_tls(out, shared.tls);
    append_tables(out, shared, all);
    return out.take();
}

}  // namespace dualwrite::engine
