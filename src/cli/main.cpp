#include <dualwrite/dualwrite.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>

#include "command.hpp"
#include "console.hpp"
#include "deliver.hpp"
#include "handles.hpp"
#include "progress.hpp"
#include "signals.hpp"

using namespace dualwrite::program;

namespace {

constexpr int exit_problems = 1;
constexpr int exit_failed = 2;
constexpr std::int64_t look_interval_ms = 200;

int exit_code(std::uint32_t state, int signal)
{
    switch (state) {
    case DW_JOB_SUCCEEDED:
        return 0;
    case DW_JOB_DIFFERENT:
        return 1;
    case DW_JOB_CANCELLED:
        return signal == 0 ? exit_failed : 128 + signal;
    default:
        return exit_failed;
    }
}

const char* verdict_text(std::uint32_t state, bool copying)
{
    switch (state) {
    case DW_JOB_SUCCEEDED:
        return copying ? "complete" : "equal";
    case DW_JOB_DIFFERENT:
        return "different";
    case DW_JOB_CANCELLED:
        return "cancelled; the same command continues";
    default:
        return "not complete";
    }
}

// One job from start to exit code.
class runner {
public:
    // `read_again` gives the command line as it says now, with the file that it names.
    runner(console& out, const command_line& line, std::function<command_line()> read_again)
        : out_(out), line_(line), read_again_(std::move(read_again)),
          copying_(line.command == DW_COMMAND_COPY), verb_(copying_ ? "copy" : "validate")
    {
    }

    int run(const signals& asked)
    {
        dw_job* started = nullptr;
        const auto start = copying_ ? dw_job_copy : dw_job_validate;
        check([&](dw_error* err) { return start(&started, line_.conf.get(), err); });
        job_.reset(started);
        while (!ended()) {
            show();
            if (const int signal = asked.wait(look_interval_ms); signal != 0) take(signal);
        }
        out_.end_progress();
        return finish();
    }

private:
    // SIGHUP reads the file of the configuration again. Without one it means that the terminal is
    // gone.
    void take(int signal)
    {
        const bool has_file = !get(line_.conf.get(), "config").empty();
        if (signal == SIGHUP && copying_ && has_file) return set_pace();
        cancel(signal);
    }

    // A file that is wrong leaves everything as it was.
    void set_pace()
    {
        try {
            const auto again = read_again_();
            if (!again.conf) throw call_error(DW_E_CONFIG, "the file does not fit any more");
            check([&](dw_error* err) { return dw_job_set_pace(job_.get(), again.conf.get(), err); }
            );
        } catch (const call_error& error) {
            out_.log(DW_LOG_ERROR, std::string("the pace stays as it was: ") + error.what());
        }
    }

    bool ended()
    {
        return check([&](dw_error* err) { return dw_job_wait(job_.get(), 0, err); }) == DW_OK;
    }

    void show()
    {
        const auto now = std::chrono::steady_clock::now();
        const auto line = progress_text(verb_, read());
        if (out_.is_terminal()) return out_.show_progress(line);
        if (now < next_line_) return;
        next_line_ = now + std::chrono::seconds(10);
        out_.log(DW_LOG_INFO, line);
    }

    void cancel(int signal)
    {
        if (signal_ != 0) std::_Exit(128 + signal);
        signal_ = signal;
        out_.log(DW_LOG_INFO, "ending; a second signal ends at once");
        check([&](dw_error* err) { return dw_job_cancel(job_.get(), err); });
    }

    int finish()
    {
        const auto progress = read();
        if (line_.json)
            print_report();
        else
            std::printf(
                "%s\nresult: %s\n",
                summary_text(verb_, progress).c_str(),
                verdict(progress.state).c_str()
            );
        return exit_code(progress.state, signal_);
    }

    std::string verdict(std::uint32_t state)
    {
        char* text = nullptr;
        check([&](dw_error* err) { return dw_job_error(job_.get(), &text, err); });
        const std::string problem = text_handle(text).get();
        return verdict_text(state, copying_) + (problem.empty() ? "" : ": " + problem);
    }

    void print_report()
    {
        char* text = nullptr;
        check([&](dw_error* err) { return dw_job_report_json(job_.get(), &text, err); });
        std::puts(text_handle(text).get());
    }

    dw_job_progress read()
    {
        dw_job_progress progress = DW_JOB_PROGRESS_INIT;
        check([&](dw_error* err) { return dw_job_get_progress(job_.get(), &progress, err); });
        return progress;
    }

    console& out_;
    const command_line& line_;
    std::function<command_line()> read_again_;
    bool copying_;
    std::string verb_;
    job_handle job_;
    int signal_{0};
    std::chrono::steady_clock::time_point next_line_{std::chrono::steady_clock::now()};
};

int list_runs(const command_line& line)
{
    std::size_t unfinished = 0;
    char* text = nullptr;
    const auto format = line.json ? DW_REPORT_JSON : DW_REPORT_TEXT;
    check([&](dw_error* err) {
        return dw_runs_list(line.conf.get(), format, &unfinished, &text, err);
    });
    const text_handle report(text);
    std::fputs(report.get(), stdout);
    if (line.json) std::fputc('\n', stdout);
    return unfinished == 0 ? 0 : exit_problems;
}

}  // namespace

int main(int argc, char** argv)
{
    console out("dualwrite");
    try {
        const auto line = read_command_line(argc, argv);
        if (line.action) return line.action();
        if (!line.conf) return line.exit_code;
        if (line.check_only) {
            const auto format = line.json ? DW_REPORT_JSON : DW_REPORT_TEXT;
            return print_check(line.conf.get(), format) == 0 ? 0 : exit_failed;
        }
        if (line.command == DW_COMMAND_CHECK) {
            const auto format = line.json  ? DW_REPORT_JSON
                                : line.cql ? DW_REPORT_CQL
                                           : DW_REPORT_TEXT;
            return print_check(line.conf.get(), format) == 0 ? 0 : exit_problems;
        }
        if (line.command == DW_COMMAND_RUNS) return list_runs(line);
        const signals asked;  // before any thread is there
        out.attach(line.conf.get());
        if (line.command == DW_COMMAND_REPLAY || line.command == DW_COMMAND_RETRY)
            return deliver(out, line, asked);
        return runner(out, line, [=] { return read_command_line(argc, argv); }).run(asked);
    } catch (const std::exception& error) {
        out.say(error.what());
        return exit_failed;
    }
}
