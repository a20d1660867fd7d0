#pragma once

#include <dualwrite/engine/cql_client_cluster.hpp>
#include <dualwrite/engine/job.hpp>

#include <asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "job_tables.hpp"
#include "ledger.hpp"

namespace dualwrite::engine {

class run_record;

// What a table of a job came to, for the report.
struct table_report {
    std::string name;
    std::uint64_t rows{0};
    std::uint64_t cells{0};
    std::uint64_t ranges{0};
    double seconds{0};
    std::vector<std::string> notes;
    std::vector<done_range> done{};  // if the job was given parts of the ring
    std::optional<std::vector<copy::token_range>> planned{};  // if it only plans
};

struct failed_range_report {
    std::string table;
    copy::token_range range;
    std::string error;
};

// A job on a thread of its own: the thread, cancellation, progress and the report.
class job_base : public job {
public:
    ~job_base() override;

    job_progress progress() const override;
    bool wait(std::int64_t timeout_ms) override;
    void cancel() override;
    std::string report_json() const override;

protected:
    job_base(const job_options& options, std::string name, log_sink log);

    // To be called once, when the derived object is complete, and its counterpart from the
    // destructor of that object.
    void start_thread();
    void stop_thread();

    // The job itself, on its thread. Ends with finish() or fail().
    virtual asio::awaitable<void> main() = 0;
    // On its thread, after the connections were closed because of cancel().
    virtual void on_cancel() {}
    // Adds what only one kind of job knows to the report: a JSON object's text, or nothing.
    virtual std::string details_json(const job_progress&) const { return {}; }

    bool stopping() const noexcept { return cancelled_.load(std::memory_order_relaxed); }
    asio::any_io_executor executor() { return context_.get_executor(); }
    const job_options& options() const noexcept { return options_; }
    cql_cluster& source() noexcept { return *source_; }
    cql_cluster& target() noexcept { return *target_; }
    void log(log_level level, const std::string& text) const;

    // Connects to both sides, trying again for a while. False: fail() has been called.
    asio::awaitable<bool> connect(std::chrono::milliseconds retry_limit);
    // "cannot reach the target 10.0.0.1:9042: ..."
    void fail(std::string why);
    void fail_range(const std::string& table, const copy::token_range& range, std::string why);
    void finish(job_state state);
    bool failed() const;

    // Progress. update() runs `change(job_progress&)` under the lock.
    template <class F> void update(F&& change)
    {
        const std::lock_guard lock(mutex_);
        change(progress_);
    }
    void add_rows(std::uint64_t rows, std::uint64_t cells, std::uint64_t bytes);
    // `weight`: share of the whole job.
    void add_done(double weight);
    void add_table(table_report report);
    // What there is to be done of a table, when nothing more is asked for.
    void add_plan(const job_table& table, const std::vector<copy::planned_range>& ranges);

    mutable std::mutex mutex_;

private:
    void write_down_begin();
    void write_down_end();
    asio::awaitable<bool> connect_one(cql_cluster& side, std::chrono::milliseconds retry_limit);
    void run();

    job_options options_;
    std::string name_;
    log_sink log_;
    asio::io_context context_{1};
    std::unique_ptr<cql_cluster> source_;
    std::unique_ptr<cql_cluster> target_;
    std::atomic<bool> cancelled_{false};
    std::thread thread_;
    std::unique_ptr<run_record> record_;  // of the job's thread; null: it could not be written

    // Shared between threads, guarded by mutex_.
    job_progress progress_;
    std::vector<table_report> tables_;
    std::vector<failed_range_report> failed_ranges_;
    std::chrono::steady_clock::time_point began_;
    double rate_window_began_s_{0};
    std::uint64_t rate_window_rows_{0};
    bool ended_{false};
    std::condition_variable ended_changed_;
};

}  // namespace dualwrite::engine
