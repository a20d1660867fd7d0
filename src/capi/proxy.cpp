#include <dualwrite/engine/dead_letters.hpp>

#include <nlohmann/json.hpp>

#include <atomic>
#include <limits>
#include <memory>

#include "conf.hpp"
#include "gate.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

struct dw_proxy {
    std::unique_ptr<engine::proxy> engine;
    std::uint32_t drain_limit_ms{0};  // constant after start
    std::atomic<bool> stopping{false};
    gate calls;
    live alive{};
};

namespace {

// The gate counts calls also on handles that are const for the caller.
dw_proxy* inside(const dw_proxy* proxy) noexcept
{
    return const_cast<dw_proxy*>(proxy);
}

dw_proxy_progress progress_of(dw_proxy& proxy)
{
    dw_proxy_progress progress = DW_PROXY_PROGRESS_INIT;
    if (proxy.engine->wait(0))
        progress.state = DW_PROXY_STOPPED;
    else
        progress.state = proxy.stopping ? DW_PROXY_DRAINING : DW_PROXY_RUNNING;
    progress.successor = static_cast<std::uint64_t>(proxy.engine->successor());
    progress.ready = proxy.engine->ready() ? 1 : 0;
    const auto status = nlohmann::json::parse(proxy.engine->status_json());
    status.at("clients").get_to(progress.clients);
    status.at("backlog").get_to(progress.backlog_writes);
    status.at("spool").at("size_bytes").get_to(progress.spool_bytes);
    status.at("oldest_age_ms").get_to(progress.backlog_age_ms);
    status.at("dead_letters").get_to(progress.dead_letters);
    status.at("loop_silence_ms").get_to(progress.loop_silence_ms);
    progress.delivered_writes =
        status.at("replicated").get<std::uint64_t>() + status.at("refreshed").get<std::uint64_t>();
    return progress;
}

}  // namespace

int dw_proxy_start(dw_proxy** out, const dw_conf* conf, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        const auto command = conf->values.for_command();
        const bool retry = command == engine::command::retry;
        const bool replay = command == engine::command::replay || retry;
        if (command != engine::command::proxy && !replay)
            return report(err, DW_E_INVALID_ARGUMENT, "conf was made for another command");
        std::string why;
        const auto make = replay ? engine::make_delivery_options : engine::make_proxy_options;
        const auto options = make(conf->values, engine::process_environment, why);
        if (!options) return report(err, options.error(), why);

        auto handle = std::make_unique<dw_proxy>();
        handle->drain_limit_ms = options->drain_limit_ms;
        const auto start = retry ? engine::retry_letters : engine::proxy::start;
        auto started = start(*options, log_sink_of(*conf), why);
        if (!started) return report(err, started.error(), why);
        handle->engine = *std::move(started);
        if (replay) handle->stopping = true;
        if (replay) handle->engine->stop(std::numeric_limits<std::uint32_t>::max());
        *out = handle.release();
        return DW_OK;
    });
}

int dw_proxy_stop(dw_proxy* proxy, uint32_t drain_limit_ms, dw_error* err)
{
    return guard_call(proxy, "proxy", err, [&] {
        if (drain_limit_ms == DW_DRAIN_LIMIT_CONF) drain_limit_ms = proxy->drain_limit_ms;
        proxy->stopping = true;
        proxy->engine->stop(drain_limit_ms);
        return DW_OK;
    });
}

int dw_proxy_reload(dw_proxy* proxy, dw_error* err)
{
    return guard_call(proxy, "proxy", err, [&] {
        std::string why;
        const auto done = proxy->engine->reload(why);
        return done ? DW_OK : report(err, done.error(), why);
    });
}

int dw_proxy_wait(dw_proxy* proxy, int64_t timeout_ms, dw_error* err)
{
    return guard_call(proxy, "proxy", err, [&] {
        const bool stopped = proxy->engine->wait(timeout_ms);
        if (proxy->calls.is_shut())
            return report(err, DW_E_SHUTDOWN, "the handle is being freed by another thread");
        if (!stopped) return DW_NOT_YET;
        const auto failure = proxy->engine->failure();
        return failure.empty() ? DW_OK : report(err, DW_E_SYSTEM, failure);
    });
}

void dw_proxy_free(dw_proxy** proxy)
{
    const std::unique_ptr<dw_proxy> handle(take_handle(proxy));
    if (!handle) return;
    handle->calls.shut();
    // Lets calls of dw_proxy_wait() return. A failure here is a bug of the engine.
    guard(nullptr, [&] {
        handle->engine->stop(0);
        return DW_OK;
    });
    handle->calls.wait_until_empty();
}

uint16_t dw_proxy_port(const dw_proxy* proxy)
{
    std::uint16_t port = 0;
    guard_call(inside(proxy), "proxy", nullptr, [&] {
        port = proxy->engine->port();
        return DW_OK;
    });
    return port;
}

uint16_t dw_proxy_metrics_port(const dw_proxy* proxy)
{
    std::uint16_t port = 0;
    guard_call(inside(proxy), "proxy", nullptr, [&] {
        port = proxy->engine->metrics_port();
        return DW_OK;
    });
    return port;
}

int dw_proxy_get_progress(const dw_proxy* proxy, dw_proxy_progress* out, dw_error* err)
{
    return guard_call(inside(proxy), "proxy", err, [&] {
        if (const int code = check_struct(err, out, "out"); code != DW_OK) return code;
        return give(out, progress_of(*inside(proxy)));
    });
}

int dw_proxy_status_json(const dw_proxy* proxy, char** out, dw_error* err)
{
    return guard_call(inside(proxy), "proxy", err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        return give_text(out, proxy->engine->status_json());
    });
}

int dw_proxy_metrics_text(const dw_proxy* proxy, char** out, dw_error* err)
{
    return guard_call(inside(proxy), "proxy", err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        return give_text(out, proxy->engine->metrics_text());
    });
}
