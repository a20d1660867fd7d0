#include "copy_table.hpp"

#include <dualwrite/protocol/value_codec.hpp>

#include <asio/co_spawn.hpp>

namespace dualwrite::engine {

namespace {

// Of one request: enough to make its fixed cost small, small enough for the slowest target.
constexpr std::size_t batch_statements_max = 64;
constexpr std::size_t batch_size_max = std::size_t{32} * 1024;
constexpr auto pace_look_again = std::chrono::milliseconds(100);
constexpr std::uint32_t repairs_at_once = 16;  // of one range

}  // namespace

struct copy_table::range_work {
    range_work(copy_table& owner, const copy::planned_range& planned, page_reader reader)
        : range(planned.range), pages(std::move(reader)), tracker(owner.executor_),
          batch(owner.target_version(), owner.options_.write_level), now_s(now_seconds()),
          target_takes_now(owner.target_version() >= 5), repaired(owner.executor_)
    {
    }

    // What TTLs count from: the time that goes along with the request, where it can.
    std::int64_t write_now_s() const { return target_takes_now ? now_s : now_seconds(); }

    copy::token_range range;
    page_reader pages;
    write_tracker tracker;
    copy::mutation_batch batch;
    std::int64_t now_s;  // when the range was begun; expiry is judged as of then
    bool target_takes_now;
    std::uint32_t node{0};  // of the batch
    std::uint32_t batch_cells{0};
    copy::row row;
    byte_buffer partition;         // the last row's key
    std::vector<row_key> repairs;  // of this page
    async_event repaired;
    bool any_row{false};
    std::uint64_t rows_reported{0};
    std::uint64_t cells_reported{0};
    cql_failure failure;
};

copy_table::copy_table(
    asio::any_io_executor executor,
    copy::table_model table,
    copy_table_options options,
    copy_table_context context
)
    : executor_(executor), table_(std::move(table)), options_(options),
      context_(std::move(context)), writer_(executor, *context_.target, options.writer)
{
    const auto elements = context_.source->facts().element_times();
    const auto times = table_.counter ? copy::time_support::none
                       : elements     ? copy::time_support::elements
                                      : copy::time_support::cells;
    reader_.from = context_.source;
    reader_.table = &table_;
    reader_.layout = copy::make_row_layout(table_, times);
    reader_.level = options_.read_level;
    reader_.page_rows_max = options_.page_rows;
    reader_.page_rows = std::min(options_.page_rows, reader_.page_rows);
}

std::uint8_t copy_table::target_version() const noexcept
{
    return context_.target->facts().version;
}

asio::awaitable<bool> copy_table::prepare(cql_failure& why)
{
    select_ =
        co_await context_.source->prepare(copy::select_range_text(table_, reader_.layout), why);
    if (!select_) co_return false;
    if (table_.counter || table_.has_multi_cell_list()) {
        table_repair_options options;
        options.read_level = options_.read_level;
        options.write_level = options_.write_level;
        options.rows.markers = options_.rows.markers;
        options.rows.marker_writetime_us = options_.rows.marker_writetime_us;
        options.rows.marker_expiry_s = options_.rows.marker_expiry_s;
        options.rows.writetime_us = options_.rows.unknown_writetime_us.value_or(0);
        repair_ = std::make_unique<table_repair>(
            executor_, *context_.source, *context_.target, table_, options
        );
        const bool prepared = co_await repair_->prepare(why);
        if (!prepared || table_.counter) co_return prepared;
    }
    for (const auto kind :
         {copy::write_kind::insert, copy::write_kind::update, copy::write_kind::update_static})
        if (const bool ok = co_await prepare_write(kind, why); !ok) co_return false;
    co_return true;
}

asio::awaitable<bool> copy_table::prepare_write(copy::write_kind kind, cql_failure& why)
{
    auto& write = writes_[static_cast<std::size_t>(kind)];
    for (const auto place : {copy::writetime_in::request, copy::writetime_in::text}) {
        auto& form = place == copy::writetime_in::request ? write.in_request : write.in_text;
        form.statement =
            kind == copy::write_kind::insert
                ? copy::make_insert(table_, place)
                : copy::make_update(table_, kind == copy::write_kind::update_static, place);
        if (form.statement.text.empty()) continue;  // the table has no such columns
        auto prepared = co_await context_.target->prepare(form.statement.text, why);
        if (!prepared) co_return false;
        form.id = prepared->id.view();
        form.result_metadata_id = prepared->result_metadata_id.view();
        writer_.use(prepared);
        prepared_.push_back(std::move(prepared));
    }
    co_return true;
}

asio::awaitable<void> copy_table::run(std::vector<copy::planned_range> ranges)
{
    range_runner::actions actions;
    actions.attempt = [this](range_runner::task& task) { return copy_once(task.planned); };
    actions.on_done = [this](const range_runner::task& task) { return record_done(task); };
    actions.on_failed = [this](const copy::token_range& range, const cql_failure& failure) {
        record_failed(range, failure);
    };
    actions.on_retry = [this](const std::string& text) {
        context_.log(log_level::warning, "table " + table_.name + ", " + text);
    };
    actions.stopping = context_.stopping;
    actions.random = [this] { return context_.source->random(); };
    range_runner runner(executor_, options_.workers, std::move(actions));
    co_await runner.run(std::move(ranges));
    ranges_done_ = runner.ranges_done();
}

bool copy_table::record_done(const range_runner::task& task)
{
    const auto& range = task.planned.range;
    const auto counts = counts_.extract(range.start).mapped();
    const done_range done{range, counts.rows, counts.cells};
    ledger_failed_ = !context_.records->record_done(table_.name, done);
    if (ledger_failed_)
        context_.on_range_failed(
            range, "the ledger cannot be written: " + context_.records->error()
        );
    else
        context_.on_range_done(done);
    return !ledger_failed_;
}

void copy_table::record_failed(const copy::token_range& range, const cql_failure& failure)
{
    const auto text = failure.describe();
    if (!context_.records->record_failed({table_.name, range, text}))
        context_.log(log_level::error, "the ledger cannot be written");
    context_.on_range_failed(range, text);
}

asio::awaitable<cql_failure> copy_table::copy_once(copy::planned_range planned)
{
    protocol::value_list values;
    values.add(bytes_view(protocol::encode_bigint(planned.range.start.value)));
    values.add(bytes_view(protocol::encode_bigint(planned.range.end.value)));
    const auto now_s = now_seconds();
    range_work work(
        *this, planned, page_reader(reader_, select_, std::move(values), planned.node, now_s)
    );
    for (bool more = true; more;) more = co_await copy_page(work);
    co_await copy_writer::settle(work.tracker);
    work.tracker.rows_done += std::exchange(work.batch.rows, 0);
    report(work, 0);
    counts_[planned.range.start] = {work.tracker.rows_done, work.tracker.cells_done};
    co_return work.failure ? work.failure : work.tracker.failure;
}

// False: the range is at its end, or something failed.
asio::awaitable<bool> copy_table::copy_page(range_work& work)
{
    if (context_.stopping()) co_return false;
    if (const bool ok = co_await work.pages.next(work.failure); !ok) co_return false;
    std::uint64_t rows = 0;
    while (work.pages.read(work.row, work.failure)) {
        if (!copy::contains(work.range, work.row.at)) {
            work.failure = outside_of_range();
            co_return false;
        }
        add_row(work);
        ++rows;
    }
    flush(work);
    if (!work.failure && !work.repairs.empty()) co_await repair_rows(work);
    if (work.failure) co_return false;
    report(work, work.pages.page_size());
    co_await keep_pace(rows, work.pages.page_size());
    co_await writer_.wait_for_room();
    co_return !work.pages.last() && !work.tracker.failure;
}

// In small steps: the limits may be changed meanwhile, and the job may be asked to end.
asio::awaitable<void> copy_table::keep_pace(std::uint64_t rows, std::uint64_t bytes)
{
    using std::chrono::nanoseconds;
    auto now = std::chrono::steady_clock::now();
    context_.row_limit->take(rows, now);
    context_.byte_limit->take(bytes, now);
    asio::steady_timer timer(executor_);
    while (!context_.stopping()) {
        const auto wait = std::max(context_.row_limit->wait(now), context_.byte_limit->wait(now));
        if (wait.count() == 0) co_return;
        co_await sleep_for(timer, std::min(wait, nanoseconds(pace_look_again)));
        now = std::chrono::steady_clock::now();
    }
}

void copy_table::add_row(range_work& work)
{
    auto& row = work.row;
    const bool new_partition = !work.any_row || !equal(work.partition.view(), row.partition_key);
    if (new_partition) {
        flush(work);
        work.any_row = true;
        work.partition.clear();
        work.partition.append(row.partition_key);
        work.node = context_.target->owner_of(row.at);
    } else if (work.batch.statements() >= batch_statements_max ||
               work.batch.size() >= batch_size_max) {
        flush(work);
    }
    if (repair_) {
        if (table_.counter || copy::has_list(table_, row.regulars))
            if (row.has_row) work.repairs.push_back(key_of(table_, row, false));
        const bool statics =
            table_.counter ? !row.statics.empty() : copy::has_list(table_, row.statics);
        if (new_partition && statics) work.repairs.push_back(key_of(table_, row, true));
        if (table_.counter) return;
    }
    const auto add = [&](copy::write_kind kind,
                         std::span<const bytes_view> keys,
                         std::span<const copy::atom* const> atoms,
                         std::int64_t writetime_us,
                         std::int64_t expiry_s) {
        const auto& write = writes_[static_cast<std::size_t>(kind)];
        work.batch.add(table_, write, keys, atoms, writetime_us, expiry_s, work.write_now_s());
    };
    planner_.plan(table_, row, new_partition, options_.rows, add);
    ++work.batch.rows;
    work.batch_cells += static_cast<std::uint32_t>(row.regulars.size());
    if (new_partition) work.batch_cells += static_cast<std::uint32_t>(row.statics.size());
}

void copy_table::flush(range_work& work)
{
    if (work.batch.empty()) return;
    auto& request = writer_.next_request();
    request.rows = work.batch.rows;
    request.cells = std::exchange(work.batch_cells, 0);
    request.node = work.node;
    request.op = work.batch.finish(work.write_now_s(), request.body, request.ttl_patches);
    writer_.submit(work.tracker);
}

// Rows whose writes must not be repeated blindly: what is at the target decides what is sent.
asio::awaitable<void> copy_table::repair_rows(range_work& work)
{
    co_await copy_writer::settle(work.tracker);
    if (work.tracker.failure) co_return;
    std::size_t next = 0;
    std::uint32_t open = repairs_at_once;
    for (auto left = open; left > 0; --left)
        asio::co_spawn(executor_, repair_some(work, next, open), [](std::exception_ptr error) {
            if (error) std::rethrow_exception(error);
        });
    while (open != 0) co_await work.repaired.wait();
    work.repairs.clear();
}

asio::awaitable<void>
copy_table::repair_some(range_work& work, std::size_t& next, std::uint32_t& open)
{
    while (next < work.repairs.size() && !work.failure && !context_.stopping()) {
        const auto& key = work.repairs[next++];
        repair_result result;
        const repair_hint none;
        co_await repair_->row(key, none, result);
        if (result.failure) work.failure = result.failure;
        work.tracker.cells_done += table_.counter ? result.cells_sent : 0;
        work.tracker.rows_done += table_.counter ? 1 : 0;
    }
    --open;
    work.repaired.notify();
}

void copy_table::report(range_work& work, std::uint64_t bytes)
{
    const auto rows = work.tracker.rows_done - work.rows_reported;
    const auto cells = work.tracker.cells_done - work.cells_reported;
    work.rows_reported += rows;
    work.cells_reported += cells;
    rows_ += rows;
    cells_ += cells;
    context_.on_rows(rows, cells, bytes);
}

}  // namespace dualwrite::engine
