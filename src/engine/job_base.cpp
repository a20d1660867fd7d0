#include "job_base.hpp"

#include <dualwrite/engine/tls.hpp>
#include <dualwrite/policy/retry.hpp>

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <nlohmann/json.hpp>

#include "asio_compat.hpp"
#include "job_tables.hpp"
#include "run_record.hpp"

namespace dualwrite::engine {

namespace {

constexpr policy::retry_schedule connect_schedule{
    std::chrono::milliseconds(200), std::chrono::milliseconds(3000)};
constexpr double rate_window_s = 2;
constexpr std::size_t failed_ranges_max = 1000;

std::string_view state_name(job_state state) noexcept
{
    switch (state) {
    case job_state::running:
        return "running";
    case job_state::succeeded:
        return "succeeded";
    case job_state::different:
        return "different";
    case job_state::failed:
        return "failed";
    case job_state::cancelled:
        return "cancelled";
    }
    return "unknown";
}

nlohmann::json describe(const table_report& its)
{
    using nlohmann::json;
    json out{
        {"table", its.name},
        {"rows", its.rows},
        {"cells", its.cells},
        {"ranges", its.ranges},
        {"seconds", its.seconds},
        {"notes", its.notes}};
    for (const auto& [range, rows, cells] : its.done)
        out["done"].push_back({range.start.value, range.end.value, rows, cells});
    if (!its.planned) return out;
    out["plan"] = json::array();
    for (const auto& range : *its.planned)
        out["plan"].push_back({range.start.value, range.end.value});
    return out;
}

double seconds_since(std::chrono::steady_clock::time_point begin)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

job_base::job_base(const job_options& options, std::string name, log_sink log)
    : options_(options), name_(std::move(name)), log_(std::move(log)),
      began_(std::chrono::steady_clock::now())
{
    if (!log_) log_ = [](log_level, std::string_view) {};
    const auto make = [&](const endpoint& to, std::string side) {
        cql_cluster_options cluster;
        cluster.side = std::move(side);
        return std::make_unique<cql_cluster>(executor(), to, std::move(cluster), log_);
    };
    source_ = make(options_.source, "source");
    target_ = make(options_.target, "target");
    for (const auto& warning :
         {tls_warning(options_.source, "source"), tls_warning(options_.target, "target")})
        if (!warning.empty()) log_(log_level::warning, warning);
}

job_base::~job_base()
{
    stop_thread();
}

void job_base::start_thread()
{
    thread_ = std::thread([this] { run(); });
}

void job_base::stop_thread()
{
    if (!thread_.joinable()) return;
    cancel();
    thread_.join();
}

void job_base::run()
{
    const auto on_end = [this](std::exception_ptr error) {
        source_->stop();
        target_->stop();
        if (error) std::rethrow_exception(error);
    };
    write_down_begin();
    asio::co_spawn(context_, main(), on_end);
    for (bool again = true; again;) {
        again = false;
        try {
            context_.run();
        } catch (const std::exception& error) {
            // A bug of ours or no memory: the job ends, what waits inside it is let go.
            fail(std::string("internal error: ") + error.what());
            cancelled_ = true;
            source_->stop();
            target_->stop();
            again = true;
        }
    }
    {
        const std::lock_guard lock(mutex_);
        if (progress_.state == job_state::running)
            progress_.state = cancelled_ ? job_state::cancelled : job_state::failed;
    }
    write_down_end();
    const std::lock_guard lock(mutex_);
    progress_.elapsed_s = seconds_since(began_);
    progress_.eta_s = 0;
    ended_ = true;
    ended_changed_.notify_all();
}

void job_base::write_down_begin()
{
    run_info run;
    run.job = options_.plan_only ? "plan" : name_;
    run.source = options_.source.text();
    run.target = options_.target.text();
    run.keyspace = options_.keyspace;
    run.folder = options_.state_dir;
    if (name_ == "copy") run.ledger = state_file_name(name_, options_, ".sqlite");
    std::string why;
    record_ = run_record::begin(run, why);
    if (!record_) log_(log_level::warning, why);
}

void job_base::write_down_end()
{
    if (!record_) return;
    run_info run;
    {
        const std::lock_guard lock(mutex_);
        run.state = state_name(progress_.state);
        run.error = progress_.error;
        run.rows = progress_.rows;
        run.ranges_done = progress_.ranges_done;
        run.ranges_failed = progress_.ranges_failed;
        run.ranges_skipped = progress_.ranges_skipped;
        run.differences = progress_.missing + progress_.extra + progress_.differing;
    }
    std::string why;
    if (!record_->end(run, why)) log_(log_level::warning, why);
    record_.reset();
}

job_progress job_base::progress() const
{
    const std::lock_guard lock(mutex_);
    auto out = progress_;
    if (!ended_) out.elapsed_s = seconds_since(began_);
    out.retries = progress_.retries;
    if (out.done_fraction > 0.01 && out.done_fraction <= 1) {
        if (!ended_) out.eta_s = out.elapsed_s * (1 - out.done_fraction) / out.done_fraction;
        const auto whole = static_cast<double>(out.rows) / out.done_fraction;
        out.rows_estimated = std::max(out.rows, static_cast<std::uint64_t>(whole));
    }
    return out;
}

bool job_base::wait(std::int64_t timeout_ms)
{
    std::unique_lock lock(mutex_);
    const auto ended = [this] { return ended_; };
    if (timeout_ms >= 0)
        return ended_changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), ended);
    ended_changed_.wait(lock, ended);
    return true;
}

void job_base::cancel()
{
    if (cancelled_.exchange(true)) return;
    asio::post(context_, [this] {
        source_->stop();
        target_->stop();
        on_cancel();
    });
}

void job_base::log(log_level level, const std::string& text) const
{
    log_(level, name_ + ": " + text);
}

asio::awaitable<bool> job_base::connect(std::chrono::milliseconds retry_limit)
{
    if (const bool ok = co_await connect_one(*source_, retry_limit); !ok) co_return false;
    co_return co_await connect_one(*target_, retry_limit);
}

asio::awaitable<bool>
job_base::connect_one(cql_cluster& side, std::chrono::milliseconds retry_limit)
{
    const auto give_up = std::chrono::steady_clock::now() + retry_limit;
    asio::steady_timer timer(executor());
    for (std::uint32_t attempt = 1; !stopping(); ++attempt) {
        cql_failure why;
        if (const bool ok = co_await side.start(why); ok) co_return true;
        const auto& to = &side == source_.get() ? options_.source : options_.target;
        const auto text = "cannot use the " + side.side() + " " + to.text() + ": " + why.describe();
        const bool hopeless = why.error == make_error_code(errc::authentication_failed) ||
                              why.error == make_error_code(errc::handshake_failed);
        const auto delay = policy::delay(connect_schedule, attempt, side.random());
        if (hopeless || std::chrono::steady_clock::now() + delay > give_up) {
            fail(text);
            co_return false;
        }
        if (attempt == 1) log(log_level::warning, text + "; trying again");
        co_await sleep_for(timer, delay);
    }
    co_return false;
}

void job_base::fail(std::string why)
{
    log(log_level::error, why);
    const std::lock_guard lock(mutex_);
    if (progress_.error.empty()) progress_.error = std::move(why);
    if (progress_.state == job_state::running && !cancelled_) progress_.state = job_state::failed;
}

void job_base::fail_range(const std::string& table, const copy::token_range& range, std::string why)
{
    fail("table " + table + ", range " + copy::to_text(range) + ": " + why);
    const std::lock_guard lock(mutex_);
    ++progress_.ranges_failed;
    if (failed_ranges_.size() < failed_ranges_max)
        failed_ranges_.push_back({table, range, std::move(why)});
}

bool job_base::failed() const
{
    const std::lock_guard lock(mutex_);
    return progress_.state == job_state::failed;
}

void job_base::finish(job_state state)
{
    const std::lock_guard lock(mutex_);
    if (progress_.state == job_state::running) progress_.state = state;
}

void job_base::add_rows(std::uint64_t rows, std::uint64_t cells, std::uint64_t bytes)
{
    const std::lock_guard lock(mutex_);
    progress_.rows += rows;
    progress_.cells += cells;
    progress_.bytes += bytes;
    progress_.retries = source_->retries() + target_->retries();
    const auto now = seconds_since(began_);
    rate_window_rows_ += rows;
    if (now - rate_window_began_s_ < rate_window_s) return;
    progress_.rows_per_second =
        static_cast<double>(rate_window_rows_) / (now - rate_window_began_s_);
    rate_window_began_s_ = now;
    rate_window_rows_ = 0;
}

void job_base::add_done(double weight)
{
    const std::lock_guard lock(mutex_);
    progress_.done_fraction = std::min(1.0, progress_.done_fraction + weight);
}

void job_base::add_table(table_report report)
{
    const std::lock_guard lock(mutex_);
    tables_.push_back(std::move(report));
}

void job_base::add_plan(const job_table& table, const std::vector<copy::planned_range>& ranges)
{
    std::vector<copy::token_range> planned;
    for (const auto& its : ranges) planned.push_back(its.range);
    add_table(
        {.name = table.source.name,
         .ranges = ranges.size(),
         .notes = table.notes,
         .planned = std::move(planned)}
    );
}

std::string job_base::report_json() const
{
    using nlohmann::json;
    const auto p = progress();
    const std::lock_guard lock(mutex_);
    json tables = json::array();
    for (const auto& t : tables_) tables.push_back(describe(t));
    json failed = json::array();
    for (const auto& f : failed_ranges_)
        failed.push_back(
            {{"table", f.table},
             {"start", f.range.start.value},
             {"end", f.range.end.value},
             {"error", f.error}}
        );
    json out{
        {"job", name_},
        {"state", state_name(p.state)},
        {"source", options_.source.text()},
        {"target", options_.target.text()},
        {"keyspace", options_.keyspace},
        {"error", p.error},
        {"elapsed_s", p.elapsed_s},
        {"rows", p.rows},
        {"cells", p.cells},
        {"bytes", p.bytes},
        {"rows_per_second", p.elapsed_s > 0 ? static_cast<double>(p.rows) / p.elapsed_s : 0},
        {"retries", p.retries},
        {"request_units", p.units},
        {"done_fraction", p.done_fraction},
        {"ranges",
         {{"total", p.ranges_total},
          {"done", p.ranges_done},
          {"failed", p.ranges_failed},
          {"skipped", p.ranges_skipped}}},
        {"tables", tables},
        {"failed_ranges", failed},
    };
    if (const auto details = details_json(p); !details.empty()) out.update(json::parse(details));
    return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace dualwrite::engine
