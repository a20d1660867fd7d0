#include "run.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <sys/resource.h>

#include "cli/handles.hpp"
#include "cli/text.hpp"
#include "service_manager.hpp"
#include "successor.hpp"

namespace dualwrite::program {

namespace {

using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::int64_t look_interval_ms = 100;
constexpr auto report_interval = 2s;
// What the service manager is asked for while draining, again and again: --drain-limit decides.
constexpr auto extension = 30s;
// How long the library may take to stop at once before the process ends without it.
constexpr auto stop_limit = 10s;

dw_proxy_progress progress_of(const dw_proxy* proxy)
{
    dw_proxy_progress progress = DW_PROXY_PROGRESS_INIT;
    check([&](dw_error* err) { return dw_proxy_get_progress(proxy, &progress, err); });
    return progress;
}

std::string writes_text(const dw_proxy_progress& progress)
{
    return grouped(progress.backlog_writes) + (progress.backlog_writes == 1 ? " write" : " writes");
}

void announce(console& out, const dw_conf* conf, const dw_proxy* proxy)
{
    std::string text =
        "listening on " + get(conf, "proxy-host") + ":" + std::to_string(dw_proxy_port(proxy));
    if (!get(conf, "proxy-pem-certfile").empty() || !get(conf, "proxy-jks-file").empty())
        text += " (TLS)";
    if (const auto port = dw_proxy_metrics_port(proxy); port != 0)
        text += "; metrics and status on http://" + get(conf, "metrics-host") + ":" +
                std::to_string(port);
    out.log(DW_LOG_INFO, text);
}

// Each client takes two files, and the limit that a shell gives is low. The hard one is the
// operator's.
void raise_open_files()
{
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

void stop(dw_proxy* proxy, std::uint32_t drain_limit_ms)
{
    check([&](dw_error* err) { return dw_proxy_stop(proxy, drain_limit_ms, err); });
}

class runner {
public:
    runner(console& out, const dw_conf* conf, const signals& asked, dw_proxy* proxy, char** argv)
        : out_(out), conf_(conf), signals_(asked), proxy_(proxy), argv_(argv)
    {
    }

    int run()
    {
        manager_.ready();
        if (!manager_.problem().empty()) out_.log(DW_LOG_WARNING, manager_.problem());
        while (!ended()) {
            look_after();
            const int signal = signals_.wait(look_interval_ms);
            if (signal == SIGHUP)
                reload();
            else if (signal == SIGUSR2)
                start_successor();
            else if (signal != 0 && !draining_)
                drain(signal);
            else if (signal != 0)
                stop_at_once(signal);
            if (draining_ && steady::now() >= next_report_) report();
        }
        return verdict();
    }

private:
    // The same program with the same arguments, from where it lies now: a new version, if there is
    // one. It asks for this one's place when it has found everything in order.
    void start_successor()
    {
        if (draining_ || successor_.is_running())
            return out_.log(DW_LOG_WARNING, "SIGUSR2: this process is about to end already");
        if (const auto why = successor_.start(argv_); !why.empty())
            return out_.log(
                DW_LOG_ERROR, std::string("SIGUSR2: cannot start ") + argv_[0] + ": " + why
            );
        out_.log(
            DW_LOG_INFO,
            "SIGUSR2: process " + std::to_string(successor_.process()) +
                " is started to take over; its log goes where this one's goes"
        );
    }

    void look_after_successor()
    {
        const auto ended = successor_.end_of();
        if (!ended.empty())
            out_.log(
                DW_LOG_ERROR,
                "the process that was to take over has " + ended + "; this one goes on"
            );
    }

    bool ended()
    {
        const int state = check([&](dw_error* err) { return dw_proxy_wait(proxy_, 0, err); });
        if (state == DW_OK) return true;
        if (!at_once_ || steady::now() < give_up_) return false;
        // Nothing is lost: what was acknowledged is in the spool.
        out_.log(DW_LOG_ERROR, "the proxy does not stop; ending the process without it");
        std::_Exit(1);
    }

    // Says to the service manager that all is well, unless a loop stands still.
    void look_after()
    {
        const auto now = steady::now();
        look_after_successor();
        if (!manager_.is_due(now)) return;
        const auto progress = progress_of(proxy_);
        if (progress.loop_silence_ms > manager_.watchdog_ms()) return;
        manager_.alive(now);
        manager_.status(
            grouped(progress.clients) + " clients; " + writes_text(progress) +
            " not yet at the target"
        );
    }

    void reload()
    {
        dw_error error = DW_ERROR_INIT;
        manager_.reloading();
        const int code = dw_proxy_reload(proxy_, &error);
        manager_.ready();
        if (code == DW_OK)
            return out_.log(DW_LOG_INFO, "SIGHUP: certificates and keys were read again");
        out_.log(
            DW_LOG_ERROR,
            std::string("SIGHUP: certificates and keys stay as they were: ") + error.message
        );
    }

    void drain(int signal)
    {
        out_.log(
            DW_LOG_INFO,
            std::string(name_of(signal)) + ": draining; " + writes_text(progress_of(proxy_)) +
                " not yet at the target; waiting at most " + get(conf_, "drain-limit") +
                ". A second signal stops at once"
        );
        manager_.stopping();
        manager_.extend(extension);
        draining_ = true;
        next_report_ = steady::now() + report_interval;
        stop(proxy_, DW_DRAIN_LIMIT_CONF);
    }

    void stop_at_once(int signal)
    {
        if (at_once_) return;
        out_.log(DW_LOG_WARNING, std::string(name_of(signal)) + " again: stopping at once");
        at_once_ = true;
        give_up_ = steady::now() + stop_limit;
        stop(proxy_, 0);
    }

    void report()
    {
        next_report_ = steady::now() + report_interval;
        manager_.extend(extension);
        out_.log(DW_LOG_INFO, "draining: " + writes_text(progress_of(proxy_)) + " left");
    }

    int verdict()
    {
        const auto left = progress_of(proxy_);
        if (left.successor != 0) {
            manager_.main_process(left.successor);
            out_.log(
                DW_LOG_INFO,
                "stopped; process " + std::to_string(left.successor) + " serves in its place"
            );
            return 0;
        }
        if (left.dead_letters != 0)
            out_.log(
                DW_LOG_WARNING,
                "the target refused " + grouped(left.dead_letters) + " writes for good; see " +
                    get(conf_, "state-dir") + "/dead_letters.jsonl"
            );
        if (left.backlog_writes == 0) {
            out_.log(
                DW_LOG_INFO,
                left.dead_letters == 0 ? "stopped; every acknowledged write is at the target"
                                       : "stopped; every other acknowledged write is at the target"
            );
            return 0;
        }
        out_.log(
            DW_LOG_WARNING,
            "stopped with " + writes_text(left) + " not yet at the target. They are kept in " +
                get(conf_, "state-dir") + "; the next start with this directory delivers them"
        );
        return 1;
    }

    static const char* name_of(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

    console& out_;
    const dw_conf* conf_;
    const signals& signals_;
    dw_proxy* proxy_;
    char** argv_;
    successor successor_;
    service_manager manager_;
    bool draining_{false};
    bool at_once_{false};
    steady::time_point next_report_;
    steady::time_point give_up_;
};

}  // namespace

int run_proxy(console& out, dw_conf* conf, const signals& asked, char** argv)
{
    out.attach(conf);
    out.log(DW_LOG_INFO, std::string("dualwrite-proxy ") + dw_version());
    for (const auto& line : settings_text(conf)) out.log(DW_LOG_INFO, line);
    raise_open_files();
    dw_proxy* started = nullptr;
    check([&](dw_error* err) { return dw_proxy_start(&started, conf, err); });
    const proxy_handle proxy(started);
    announce(out, conf, proxy.get());
    return runner(out, conf, asked, proxy.get(), argv).run();
}

}  // namespace dualwrite::program
