#include <nlohmann/json.hpp>

#include <filesystem>

#include "job_base.hpp"
#include "job_part.hpp"
#include "job_tables.hpp"
#include "validate_report.hpp"
#include "validate_table.hpp"

namespace dualwrite::engine {

namespace {

class validate_job final : public job_base {
public:
    validate_job(const validate_options& options, log_sink log)
        : job_base(options, "validate", std::move(log)), options_(options)
    {
        start_thread();
    }
    ~validate_job() override { stop_thread(); }

private:
    asio::awaitable<void> main() override;
    std::string details_json(const job_progress& p) const override;

    bool open_report();
    void count(const copy::table_model& table, const row_difference& found);
    validate_table_options table_options() const;
    validate_table_context table_context(const copy::table_model& table, double weight);
    asio::awaitable<bool> find_part(const copy::table_model& table, ring_part& part);
    asio::awaitable<bool> validate_one(const job_table& table, double weight);

    validate_options options_;
    std::vector<done_range> done_;  // of the table in work
    validate_report report_;        // shared between threads, guarded by mutex_
};

asio::awaitable<void> validate_job::main()
{
    const bool connected = co_await connect(std::chrono::milliseconds(30'000));
    if (!connected) co_return;
    std::string why;
    auto tables = co_await find_tables(source(), target(), options_, table_use::compare, why);
    if (!tables) co_return fail(why);
    for (const auto& table : *tables)
        for (const auto& column : table.source.columns)
            if (column.kind == copy::column_kind::clustering && !copy::is_ordered(column.type))
                co_return fail(
                    "table " + table.source.name + ": the order of clustering column " +
                    column.name + " is not known, so its rows cannot be compared"
                );
    if (!open_report()) co_return;

    for (const auto& table : *tables) {
        if (stopping()) co_return;
        const auto weight = 1 / static_cast<double>(tables->size());
        const bool going = co_await validate_one(table, weight);
        if (!going) co_return;
    }
    if (!report_.close()) co_return fail("cannot write the report " + report_.path());
    const bool equal = report_.total() == progress().repaired;
    finish(equal ? job_state::succeeded : job_state::different);
}

bool validate_job::open_report()
{
    auto path = options_.report_file;
    if (path.empty()) {
        std::error_code ec;
        std::filesystem::create_directories(options_.state_dir, ec);
        path = options_.state_dir + "/" + state_file_name("validate", options_, ".jsonl");
    }
    std::string why;
    bool opened = false;
    update([&](job_progress&) { opened = report_.open(path, options_.differences_max, why); });
    if (!opened) fail(why);
    return opened;
}

validate_table_options validate_job::table_options() const
{
    validate_table_options out;
    out.level = *protocol::parse_consistency(options_.read_consistency);
    out.page_rows = options_.page_size;
    out.compare.ttl_tolerance_s = options_.ttl_tolerance_s;
    out.compare.writetimes = options_.compare_writetimes;
    out.recheck.delay = std::chrono::milliseconds(options_.recheck_delay_ms);
    out.recheck.rounds = std::max(1u, options_.recheck_limit);
    out.repair = options_.repair;
    out.dry_run = options_.dry_run;
    if (options_.concurrency != 0) {
        out.workers = std::clamp(options_.concurrency, 1u, 64u);
        out.recheck.reads_max = options_.concurrency;
    }
    return out;
}

void validate_job::count(const copy::table_model& table, const row_difference& found)
{
    update([&](job_progress& p) {
        report_.add(table, found);
        if (found.kind == copy::difference_kind::missing && !found.key.is_static)
            ++p.missing;
        else if (found.kind == copy::difference_kind::extra && !found.key.is_static)
            ++p.extra;
        else
            ++p.differing;
        if (found.repaired.value_or(false)) ++p.repaired;
    });
}

validate_table_context validate_job::table_context(const copy::table_model& table, double weight)
{
    validate_table_context out;
    out.source = &source();
    out.target = &target();
    out.stopping = [this] { return stopping(); };
    out.log = [this](log_level level, const std::string& text) { log(level, text); };
    out.on_rows = [this](std::uint64_t rows, std::uint64_t cells, std::uint64_t bytes) {
        add_rows(rows, cells, bytes);
    };
    out.on_range_done = [this, weight](const copy::token_range& range) {
        update([](job_progress& p) { ++p.ranges_done; });
        add_done(weight * copy::fraction(range));
        if (!options_.token_ranges.empty()) done_.push_back({range});
    };
    const auto name = table.name;
    out.on_range_failed = [this, name](const copy::token_range& range, std::string why) {
        fail_range(name, range, std::move(why));
    };
    out.on_difference = [this, &table](row_difference found) { count(table, found); };
    out.on_equal_after_all = [this] { update([](job_progress& p) { ++p.rechecked; }); };
    return out;
}

// What of the ring is to be compared. False: the job has failed.
asio::awaitable<bool> validate_job::find_part(const copy::table_model& table, ring_part& part)
{
    part = named_part(options_);
    if (options_.sample_share < 1)
        part.narrow(copy::sample_ring(options_.sample_share, options_.sample_seed));
    if (options_.where.empty()) co_return true;
    copy::range_set found;
    for (auto* side : {&source(), &target()}) {
        cql_failure why;
        const bool done = co_await find_partitions(*side, table, options_.where, found, why);
        if (done) continue;
        fail("--where, asked at the " + side->side() + ": " + why.describe());
        co_return false;
    }
    part.narrow(std::move(found));
    co_return true;
}

// False: the job has failed as a whole.
asio::awaitable<bool> validate_job::validate_one(const job_table& table, double weight)
{
    const auto began = std::chrono::steady_clock::now();
    const auto& model = table.source;
    ring_part part;
    const bool found = co_await find_part(model, part);
    if (!found) co_return false;
    auto whole = co_await plan_table(source(), model, options_.ranges);
    const auto plan = part.of(std::move(whole));
    if (plan.empty()) add_done(weight);
    weight /= part.fraction();
    update([&](job_progress& p) {
        p.table = model.name;
        p.ranges_total += plan.size();
    });
    if (options_.plan_only) {
        add_plan(table, plan);
        co_return true;
    }
    cql_failure failure;
    validate_table work(executor(), model, table_options(), table_context(model, weight));
    const bool prepared = co_await work.prepare(failure);
    if (prepared) co_await work.run(plan);
    if (!prepared && !stopping()) fail("table " + model.name + ": " + failure.describe());

    using seconds = std::chrono::duration<double>;
    add_table(
        {.name = model.name,
         .rows = work.rows(),
         .cells = work.cells(),
         .ranges = work.ranges_done(),
         .seconds = seconds(std::chrono::steady_clock::now() - began).count(),
         .notes = table.notes,
         .done = std::exchange(done_, {})}
    );
    co_return prepared && !stopping();
}

std::string validate_job::details_json(const job_progress& p) const
{
    using copy::difference_kind;
    return nlohmann::json{
        {"report_file", report_.path()},
        {"rechecked", p.rechecked},
        {"repaired", p.repaired},
        {"would_repair", report_.would_repair()},
        {"sample_share", options_.sample_share},
        {"differences",
         {{"total", report_.total()},
          {"missing", report_.count(difference_kind::missing)},
          {"extra", report_.count(difference_kind::extra)},
          {"value", report_.count(difference_kind::value)},
          {"writetime", report_.count(difference_kind::writetime)},
          {"ttl", report_.count(difference_kind::ttl)},
          {"static", report_.in_statics()},
          {"unsettled", report_.unsettled()}}}}
        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

result<std::unique_ptr<job>>
job::validate(const validate_options& options, log_sink log, std::string& why)
{
    if (!check_job_options(options, why)) return dualwrite::fail(errc::invalid_argument);
    return std::unique_ptr<job>(std::make_unique<validate_job>(options, std::move(log)));
}

}  // namespace dualwrite::engine
