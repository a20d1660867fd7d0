#include <dualwrite/copy/schema_check.hpp>

#include <asio/post.hpp>

#include <filesystem>

#include "copy_table.hpp"
#include "job_base.hpp"
#include "job_part.hpp"
#include "job_tables.hpp"
#include "schema.hpp"
#include "schema_options.hpp"

namespace dualwrite::engine {

namespace {

// Markers of rows without cells are older than this before the run began: clocks of the servers
// and of the clients may be behind ours by so much.
constexpr std::int64_t marker_margin_us = 60'000'000;

std::string limit_text(std::uint64_t limit, const char* of)
{
    return (limit == 0 ? "any number of " : std::to_string(limit) + ' ') + of;
}

class copy_job final : public job_base {
public:
    copy_job(const copy_options& options, log_sink log)
        : job_base(options, "copy", std::move(log)), options_(options),
          rows_(options.rows_per_second_max), bytes_(options.bytes_per_second_max),
          units_(options.units_per_second_max)
    {
        start_thread();
    }
    ~copy_job() override { stop_thread(); }

    bool set_pace(const copy_options& to) override
    {
        const auto apply = [this,
                            rows = to.rows_per_second_max,
                            bytes = to.bytes_per_second_max,
                            units = to.units_per_second_max] {
            const auto now = std::chrono::steady_clock::now();
            rows_.set(rows, now);
            bytes_.set(bytes, now);
            units_.set(units);
            log(log_level::info,
                "pace: at most " + limit_text(rows, "rows") + ", " + limit_text(bytes, "bytes") +
                    ", " + limit_text(units, "request units") + " a second");
        };
        asio::post(executor(), apply);
        return true;
    }

private:
    asio::awaitable<void> main() override;
    void on_cancel() override
    {
        if (current_ != nullptr) current_->stop();
    }

    std::string details_json(const job_progress&) const override
    {
        return R"({"began_us":)" + std::to_string(began_us_.load()) + "}";
    }

    bool open_ledger();
    std::string refusal(const copy::table_model& table);
    asio::awaitable<std::string> one_time_for_a_row(const std::vector<job_table>& tables);
    copy_table_options table_options(const copy::table_model& table);
    copy_table_context table_context(const std::string& name, double weight);
    asio::awaitable<bool> copy_one(const job_table& table, double weight);

    copy_options options_;
    // Of the job's thread.
    copy::rate_limit rows_;
    copy::rate_limit bytes_;
    copy::unit_limit units_;
    std::unique_ptr<ledger> ledger_;
    copy_table* current_{nullptr};
    std::vector<done_range> done_;  // of the table in work
    std::atomic<std::int64_t> began_us_{0};
};

asio::awaitable<void> copy_job::main()
{
    if (const bool ok = co_await connect(std::chrono::milliseconds(30'000)); !ok) co_return;
    if (target().facts().version < 4)
        co_return fail("the target speaks protocol version 3 only; copying needs version 4");
    std::string why;
    auto tables = co_await find_tables(source(), target(), options_, table_use::copy, why);
    if (!tables) co_return fail(why);
    for (const auto& table : *tables)
        if (const auto text = refusal(table.source); !text.empty()) co_return fail(text);
    why = co_await one_time_for_a_row(*tables);
    if (!why.empty()) co_return fail(why);
    if (!open_ledger()) co_return;

    for (const auto& table : *tables) {
        if (stopping()) co_return;
        const auto weight =
            1 / (static_cast<double>(tables->size()) * named_part(options_).fraction());
        if (const bool ok = co_await copy_one(table, weight); !ok) co_return;
    }
    finish(failed() ? job_state::failed : job_state::succeeded);
}

bool copy_job::open_ledger()
{
    std::error_code ec;
    std::filesystem::create_directories(options_.state_dir, ec);
    const auto path = options_.state_dir + "/" + state_file_name("copy", options_, ".sqlite");
    std::string why;
    auto opened = ledger::open(
        path,
        ledger_identity{source().facts().name, target().facts().name, options_.keyspace},
        options_.restart,
        why
    );
    if (!opened) {
        fail(why);
        return false;
    }
    ledger_ = *std::move(opened);
    began_us_ = options_.began_us != 0 ? options_.began_us : ledger_->started_us();
    return true;
}

// Why a table cannot be copied without losing something that no policy allows to lose.
std::string copy_job::refusal(const copy::table_model& table)
{
    const auto name = "table " + table.keyspace + "." + table.name;
    if (table.counter && options_.counters == counter_policy::refuse)
        return name + " holds counters, which have no write time; copy it when nothing writes it "
                      "any more, with --counters converge";
    const bool multi_cell = table.any_column([](const auto& c) { return is_multi_cell(c.type); });
    if (multi_cell && !source().facts().element_times() && options_.unknown_writetime_us == 0 &&
        options_.writetime_us == 0)
        return name + " has collections or user types that are not frozen, and a source before "
                      "Cassandra 5.0 cannot tell when their elements were written; say what to "
                      "take with --unknown-writetime, best a time before the first double write";
    return {};
}

// Which table may keep one write time for all cells of a row, so that the older ones would be lost;
// empty: none. Only who says what requests cost is asked.
asio::awaitable<std::string> copy_job::one_time_for_a_row(const std::vector<job_table>& tables)
{
    if (options_.trust_cell_times || target().charges().answers == 0) co_return "";
    const auto shown = co_await read_table_options(target(), options_.keyspace);
    for (const auto& table : tables) {
        if (table.source.columns.size() - table.source.key_count() < 2) continue;
        const auto found = shown.find(table.source.name);
        std::size_t set = 0;
        if (found != shown.end())
            for (const auto& [flag, value] : found->second.cell_level)
                if (value == "true" || value == "True") ++set;
        if (set == std::size(copy::cell_level_flags)) continue;
        co_return "table " + table.source.name +
            ": the target is like Azure Cosmos DB and does not show that the table was made with "
            "the three flags cosmosdb_cell_level_..., without which it keeps one write time for a "
            "whole row and drops older cells; make it as dualwrite check --cql prints, then give "
            "--cell-times trust";
    }
    co_return "";
}

copy_table_options copy_job::table_options(const copy::table_model& table)
{
    copy_table_options out;
    out.read_level = *protocol::parse_consistency(options_.read_consistency);
    out.write_level = *protocol::parse_consistency(options_.write_consistency);
    out.page_rows = options_.page_size;
    if (options_.concurrency != 0) {
        out.workers = std::clamp(options_.concurrency / 8, 1u, 8u);
        out.writer.window = {
            .first = std::min(64u, options_.concurrency), .min = 1, .max = options_.concurrency};
    }
    out.writer.units = &units_;
    out.writer.retry_limit = std::chrono::milliseconds(options_.retry_limit_ms);
    out.rows.markers = options_.markers == row_markers::with_oldest_cells
                           ? copy::marker_policy::with_oldest_cells
                           : copy::marker_policy::rows_without_cells;
    // The first run's beginning holds for all: what was deleted since stays deleted.
    out.rows.marker_writetime_us = began_us_ - marker_margin_us;
    if (table.default_ttl_s > 0)
        out.rows.marker_expiry_s = began_us_ / 1'000'000 + table.default_ttl_s;
    if (options_.unknown_writetime_us != 0)
        out.rows.unknown_writetime_us = options_.unknown_writetime_us;
    if (options_.writetime_us != 0) {
        out.rows.constant_writetime_us = options_.writetime_us;
        out.rows.unknown_writetime_us = options_.writetime_us;
    }
    return out;
}

copy_table_context copy_job::table_context(const std::string& name, double weight)
{
    copy_table_context out;
    out.source = &source();
    out.target = &target();
    out.records = ledger_.get();
    out.row_limit = &rows_;
    out.byte_limit = &bytes_;
    out.stopping = [this] { return stopping(); };
    out.log = [this](log_level level, const std::string& text) { log(level, text); };
    out.on_rows = [this](std::uint64_t rows, std::uint64_t cells, std::uint64_t bytes) {
        add_rows(rows, cells, bytes);
        const auto units = target().charges().units;
        update([&](job_progress& p) { p.units = units; });
    };
    out.on_range_done = [this, weight](const done_range& done) {
        update([](job_progress& p) { ++p.ranges_done; });
        add_done(weight * copy::fraction(done.range));
        if (!options_.token_ranges.empty()) done_.push_back(done);
    };
    out.on_range_failed = [this, name](const copy::token_range& range, std::string why) {
        fail_range(name, range, std::move(why));
    };
    return out;
}

// False: the job has failed as a whole.
asio::awaitable<bool> copy_job::copy_one(const job_table& table, double weight)
{
    const auto began = std::chrono::steady_clock::now();
    const auto& name = table.source.name;
    std::string why;
    const auto done = ledger_->begin_table({name, table.source.id, table.target.id}, why);
    if (!done) {
        fail(why);
        co_return false;
    }
    auto whole = co_await plan_table(source(), table.source, options_.ranges);
    const auto plan = named_part(options_).of(std::move(whole));
    const auto ranges = copy::remaining(plan, *done);
    update([&](job_progress& p) {
        p.table = name;
        p.ranges_total += plan.size();
        p.ranges_skipped += plan.size() - std::min(plan.size(), ranges.size());
    });
    if (options_.plan_only) {
        add_plan(table, ranges);
        co_return true;
    }
    add_done(weight * done->done_fraction());

    cql_failure failure;
    copy_table work(
        executor(), table.source, table_options(table.source), table_context(name, weight)
    );
    current_ = &work;
    const bool prepared = co_await work.prepare(failure);
    if (prepared) co_await work.run(ranges);
    current_ = nullptr;
    if (units_.is_ignored())
        log(log_level::warning,
            "--rate-units has no effect: the target does not say what requests cost");
    if (!prepared && !stopping()) fail("table " + name + ": " + failure.describe());

    using seconds = std::chrono::duration<double>;
    add_table(
        {.name = name,
         .rows = work.rows(),
         .cells = work.cells(),
         .ranges = work.ranges_done(),
         .seconds = seconds(std::chrono::steady_clock::now() - began).count(),
         .notes = table.notes,
         .done = std::exchange(done_, {})}
    );
    co_return prepared && !work.ledger_failed() && !stopping();
}

}  // namespace

result<std::unique_ptr<job>> job::copy(const copy_options& options, log_sink log, std::string& why)
{
    if (!check_job_options(options, why)) return dualwrite::fail(errc::invalid_argument);
    return std::unique_ptr<job>(std::make_unique<copy_job>(options, std::move(log)));
}

}  // namespace dualwrite::engine
