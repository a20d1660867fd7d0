#include "deliver.hpp"

#include <dualwrite/dualwrite.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "handles.hpp"
#include "text.hpp"

namespace dualwrite::program {

namespace {

using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int exit_letters = 1;
constexpr int exit_failed = 2;
constexpr std::int64_t look_interval_ms = 200;
constexpr auto line_interval = 10s;
constexpr auto rate_interval = 1s;

class deliverer {
public:
    deliverer(console& out, const command_line& line, const signals& asked)
        : out_(out), conf_(line.conf.get()), retry_(line.command == DW_COMMAND_RETRY), asked_(asked)
    {
    }

    int run()
    {
        dw_proxy* started = nullptr;
        check([&](dw_error* err) { return dw_proxy_start(&started, conf_, err); });
        proxy_.reset(started);
        while (!ended()) {
            show();
            if (const int signal = asked_.wait(look_interval_ms); signal != 0) stop(signal);
        }
        out_.end_progress();
        return finish();
    }

private:
    dw_proxy_progress read() const
    {
        dw_proxy_progress progress = DW_PROXY_PROGRESS_INIT;
        check([&](dw_error* err) { return dw_proxy_get_progress(proxy_.get(), &progress, err); });
        return progress;
    }

    bool ended()
    {
        return check([&](dw_error* err) { return dw_proxy_wait(proxy_.get(), 0, err); }) == DW_OK;
    }

    void show()
    {
        const auto now = steady::now();
        const auto progress = read();
        const auto left = progress.backlog_writes;
        const auto done = progress.delivered_writes;
        if (now - rated_ >= rate_interval) {
            const std::chrono::duration<double> passed = now - rated_;
            rate_ = static_cast<double>(done - rated_writes_) / passed.count();
            rated_writes_ = done;
            rated_ = now;
        }
        auto text = (retry_ ? "retry: " : "replay: ") + grouped(done) + " of " +
                    grouped(done + left) + " writes delivered";
        if (rate_ > 0)
            text += ", " + grouped(static_cast<std::uint64_t>(rate_)) + "/s, " +
                    clock_text(static_cast<double>(left) / rate_) + " left";
        if (out_.is_terminal()) return out_.show_progress(text);
        if (now < next_line_) return;
        next_line_ = now + line_interval;
        out_.log(DW_LOG_INFO, text);
    }

    void stop(int signal)
    {
        if (signal_ != 0) std::_Exit(128 + signal);
        signal_ = signal;
        const std::string kept = retry_ ? "a dead letter" : "in the spool";
        out_.log(DW_LOG_INFO, "ending; what is left stays " + kept + ". Again: ends at once");
        check([&](dw_error* err) { return dw_proxy_stop(proxy_.get(), 0, err); });
    }

    int finish() const
    {
        const auto end = read();
        if (retry_) return finish_retry(end);
        const auto left = end.backlog_writes;
        std::printf(
            "delivered: %s writes; left: %s; dead letters: %s\n",
            grouped(end.delivered_writes).c_str(),
            grouped(left).c_str(),
            grouped(end.dead_letters).c_str()
        );
        if (end.dead_letters != 0)
            out_.log(
                DW_LOG_WARNING,
                "the target refused " + grouped(end.dead_letters) + " writes for good; see " +
                    get(conf_, "state-dir") + "/dead_letters.jsonl"
            );
        if (signal_ != 0 && left != 0) return 128 + signal_;
        if (left != 0) return exit_failed;
        return end.dead_letters == 0 ? 0 : exit_letters;
    }

    int finish_retry(const dw_proxy_progress& end) const
    {
        std::uint64_t open = 0;
        check([&](dw_error* err) {
            const auto state_dir = get(conf_, "state-dir");
            return dw_letters_list(state_dir.c_str(), 0, nullptr, nullptr, &open, err);
        });
        std::printf(
            "applied: %s; refused again: %s; open: %s\n",
            grouped(end.delivered_writes).c_str(),
            grouped(end.dead_letters).c_str(),
            grouped(open).c_str()
        );
        if (signal_ != 0 && end.backlog_writes != 0) return 128 + signal_;
        return open == 0 ? 0 : exit_letters;
    }

    console& out_;
    dw_conf* conf_;
    bool retry_;
    const signals& asked_;
    proxy_handle proxy_;
    std::uint64_t rated_writes_{0};
    double rate_{0};
    int signal_{0};
    steady::time_point rated_{steady::now()};
    steady::time_point next_line_{steady::now()};
};

}  // namespace

int deliver(console& out, const command_line& line, const signals& asked)
{
    return deliverer(out, line, asked).run();
}

}  // namespace dualwrite::program
