// The engine's facade without an engine: proxies and jobs that do what environment variables say,
// for tests of the C face, the programs and the Python module that need no cluster.
//
//   FAKE_START       name of an error with which the start fails: locked, connect, memory, throw
//   FAKE_BACKLOG     writes that wait for the target; 100 less every 10 ms while draining
//   FAKE_DEAD_LETTERS  writes that the target refused for good
//   FAKE_RELOAD      why certificates cannot be read again
//   FAKE_FAILURE     why the proxy stops by itself after 50 ms
//   FAKE_ROWS        rows of a job; it does 1000 every 10 ms
//   FAKE_RESULT      succeeded, different or failed
//   FAKE_PROBLEM     what a check of the clusters finds
//   FAKE_DAMAGE      any: the spool is damaged

#include <dualwrite/engine/check.hpp>
#include <dualwrite/engine/dead_letters.hpp>
#include <dualwrite/engine/job.hpp>
#include <dualwrite/engine/proxy.hpp>
#include <dualwrite/engine/runs.hpp>
#include <dualwrite/engine/spool_salvage.hpp>
#include <dualwrite/engine/spool_survey.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <stdexcept>
#include <thread>

namespace dualwrite::engine {

namespace {

using namespace std::chrono_literals;

std::string variable(const char* name)
{
    const auto* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::uint64_t number(const char* name)
{
    const auto text = variable(name);
    return text.empty() ? 0 : std::stoull(text);
}

result<void> start_result(std::string& why)
{
    const auto asked = variable("FAKE_START");
    if (asked == "throw") throw std::runtime_error("a fake failure");
    if (asked == "memory") throw std::bad_alloc();
    if (asked == "locked") {
        why = "state directory is used by process 1; stop it or give another --state-dir";
        return fail(errc::spool_locked);
    }
    if (asked == "connect") return fail(errc::connect_failed);
    if (asked == "system") return fail(std::make_error_code(std::errc::address_in_use));
    return {};
}

// A thread that does a step every 10 ms until it says that it is done.
class ticker {
public:
    template <class Step> void start(Step step)
    {
        thread_ = std::thread([this, step] {
            std::unique_lock lock(mutex_);
            while (!step()) wake_.wait_for(lock, 10ms);
            done_ = true;
            wake_.notify_all();
        });
    }
    ~ticker() { thread_.join(); }

    bool wait(std::int64_t timeout_ms)
    {
        std::unique_lock lock(mutex_);
        const auto is_done = [this] { return done_; };
        if (timeout_ms >= 0)
            return wake_.wait_for(lock, std::chrono::milliseconds(timeout_ms), is_done);
        wake_.wait(lock, is_done);
        return true;
    }

private:
    std::mutex mutex_;
    std::condition_variable wake_;
    bool done_{false};  // guarded by mutex_
    std::thread thread_;
};

class fake_proxy final : public proxy {
public:
    fake_proxy(const proxy_options& options, log_sink log)
        : options_(options), log_(std::move(log)), backlog_(number("FAKE_BACKLOG"))
    {
        log_(log_level::debug, "fake proxy: debug line");
        log_(log_level::info, "fake proxy started");
        log_(log_level::warning, "fake proxy: warning line");
        ticker_.start([this] { return step(); });
    }
    ~fake_proxy() override { stop(0); }

    std::uint16_t port() const override
    {
        return options_.listen_port ? options_.listen_port : 4711;
    }
    std::uint16_t metrics_port() const override
    {
        return options_.metrics ? (options_.metrics_port ? options_.metrics_port : 4712) : 0;
    }
    result<void> reload(std::string& why) override
    {
        const auto* problem = std::getenv("FAKE_RELOAD");
        if (problem == nullptr) return {};
        why = problem;
        return fail(errc::invalid_argument);
    }
    void stop(std::uint32_t drain_limit_ms) override
    {
        const auto end =
            std::chrono::steady_clock::now() + std::chrono::milliseconds(drain_limit_ms);
        const std::lock_guard lock(mutex_);
        deadline_ = stopping_ ? std::min(deadline_, end) : end;
        stopping_ = true;
    }
    bool wait(std::int64_t timeout_ms) override { return ticker_.wait(timeout_ms); }
    std::string failure() const override { return variable("FAKE_FAILURE"); }
    std::string status_json() const override
    {
        const auto left = backlog_.load();
        return R"({"clients":3,"refreshed":0,"replicated":)" +
               std::to_string(number("FAKE_BACKLOG") - left) + R"(,"backlog":)" +
               std::to_string(left) + R"(,"oldest_age_ms":1500,"loop_silence_ms":)" +
               std::to_string(number("FAKE_SILENCE")) + R"(,"dead_letters":)" +
               std::to_string(number("FAKE_DEAD_LETTERS")) + R"(,"spool":{"size_bytes":)" +
               std::to_string(left * 100) + "}}";
    }
    std::string metrics_text() const override { return "fake_metric 1\n"; }
    bool ready() const override { return true; }

private:
    bool step()
    {
        const std::lock_guard lock(mutex_);
        if (!failure().empty() && ++steps_ == 5) return true;
        if (!stopping_) return false;
        const auto left = backlog_.load();
        if (left == 0 || std::chrono::steady_clock::now() >= deadline_) return true;
        backlog_ = left - std::min<std::uint64_t>(left, 100);
        return false;
    }

    proxy_options options_;
    log_sink log_;
    std::atomic<std::uint64_t> backlog_;
    std::mutex mutex_;
    bool stopping_{false};                            // guarded by mutex_
    std::chrono::steady_clock::time_point deadline_;  // guarded by mutex_
    int steps_{0};                                    // guarded by mutex_
    ticker ticker_;
};

class fake_job final : public job {
public:
    fake_job(const job_options& options, log_sink log) : options_(options), log_(std::move(log))
    {
        log_(log_level::info, "fake job started");
        ticker_.start([this] { return step(); });
    }
    ~fake_job() override { cancel(); }

    job_progress progress() const override
    {
        const std::lock_guard lock(mutex_);
        job_progress progress;
        progress.state = state_;
        progress.table =
            options_.keyspace + "." + (options_.tables.empty() ? "t" : options_.tables[0]);
        progress.rows = rows_;
        progress.rows_estimated = number("FAKE_ROWS");
        progress.done_fraction = state_ == job_state::running ? 0.5 : 1;
        progress.rows_per_second = 100'000;
        progress.eta_s = 1;
        progress.ranges_total = 8;
        progress.ranges_done = state_ == job_state::succeeded ? 8 : 1;
        progress.cells = rows_ * 3;
        progress.missing = state_ == job_state::different ? 2 : 0;
        if (state_ == job_state::failed) progress.error = "range (0, 10] of ks.t: no answer";
        return progress;
    }
    bool wait(std::int64_t timeout_ms) override { return ticker_.wait(timeout_ms); }
    void cancel() override { cancelled_ = true; }
    bool set_pace(const copy_options& to) override
    {
        log_(log_level::info, "fake pace: " + std::to_string(to.rows_per_second_max));
        return true;
    }
    std::string report_json() const override
    {
        return R"({"rows":)" + std::to_string(progress().rows) + "}";
    }

private:
    bool step()
    {
        const std::lock_guard lock(mutex_);
        if (state_ != job_state::running) return true;
        const auto result = variable("FAKE_RESULT");
        if (cancelled_)
            state_ = job_state::cancelled;
        else if (rows_ < number("FAKE_ROWS"))
            rows_ += 1000;
        else if (result == "failed")
            state_ = job_state::failed;
        else
            state_ = result == "different" ? job_state::different : job_state::succeeded;
        return state_ != job_state::running;
    }

    job_options options_;
    log_sink log_;
    std::atomic<bool> cancelled_{false};
    mutable std::mutex mutex_;
    job_state state_{job_state::running};  // guarded by mutex_
    std::uint64_t rows_{0};                // guarded by mutex_
    ticker ticker_;
};

}  // namespace

check_report check_clusters(const check_request& request)
{
    check_report report;
    report.source.address = request.source.text();
    report.source.protocol_versions = {"4/v4", "5/v5"};
    report.source.release = "5.0";
    report.target.address = request.target.text();
    report.target.failure = "not looked at";
    report.tables = 2;
    if (const auto problem = variable("FAKE_PROBLEM"); !problem.empty())
        report.problems.push_back(problem);
    return report;
}

result<std::vector<run_info>> list_runs(const std::string& folder, std::string& why)
{
    DW_CHECK(start_result(why));
    run_info run;
    run.job = "copy";
    run.keyspace = "shop";
    run.folder = folder;
    run.state = variable("FAKE_RESULT").empty() ? "succeeded" : variable("FAKE_RESULT");
    return std::vector<run_info>{run};
}

result<letter_counts> list_letters(
    const std::string&, const letters_wanted& wanted, const letter_sink& sink, std::string& why
)
{
    DW_CHECK(start_result(why));
    letter_counts out;
    out.open = number("FAKE_DEAD_LETTERS");
    if (sink) sink(wanted.json ? R"({"open":0})" : wanted.applied ? "all letters" : "open letters");
    return out;
}

result<letter_counts> export_letters(
    const std::string&, const letters_wanted& wanted, const letter_sink& sink, std::string& why
)
{
    DW_CHECK(start_result(why));
    sink(wanted.applied ? R"({"id":"all"})" : R"({"id":"open"})");
    return letter_counts{};
}

result<std::unique_ptr<proxy>>
retry_letters(const proxy_options& options, log_sink log, std::string& why)
{
    return proxy::start(options, std::move(log), why);
}

result<spool_survey>
survey_spool(const std::string& state_dir, const survey_line& show, std::string& why)
{
    DW_CHECK(start_result(why));
    spool_survey out;
    out.directory = state_dir + "/spool";
    auto& log = out.logs.emplace_back();
    log.applied = 7;
    log.tables["shop.orders"] = {.writes = 7, .bytes = 700, .oldest_ms = 1};
    if (!variable("FAKE_DAMAGE").empty()) {
        auto& gap = log.files.gaps.emplace_back();
        gap.file = "dw-1.log";
        gap.damage = true;
    }
    if (show) show(R"({"number":1})");
    return out;
}

result<spool_salvage>
salvage_spool(const std::string& from, const std::string& into, std::string& why)
{
    DW_CHECK(start_result(why));
    spool_salvage out{.from = from, .into = into, .logs = {}};
    auto& log = out.logs.emplace_back();
    log.copied = 5;
    log.lost = variable("FAKE_DAMAGE").empty() ? 0 : 2;
    return out;
}

result<std::unique_ptr<proxy>>
proxy::start(const proxy_options& options, log_sink log, std::string& why)
{
    DW_CHECK(start_result(why));
    return std::unique_ptr<proxy>(std::make_unique<fake_proxy>(options, std::move(log)));
}

result<std::unique_ptr<job>> job::copy(const copy_options& options, log_sink log, std::string& why)
{
    DW_CHECK(start_result(why));
    return std::unique_ptr<job>(std::make_unique<fake_job>(options, std::move(log)));
}

result<std::unique_ptr<job>>
job::validate(const validate_options& options, log_sink log, std::string& why)
{
    DW_CHECK(start_result(why));
    return std::unique_ptr<job>(std::make_unique<fake_job>(options, std::move(log)));
}

result<void> job::merge(const copy_options& options, std::string_view report_json, std::string& why)
{
    if (report_json == "{}") return {};
    why = "no report of " + options.keyspace;
    return dualwrite::fail(errc::invalid_argument);
}

}  // namespace dualwrite::engine
