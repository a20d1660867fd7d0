#include "validate_table.hpp"

#include <dualwrite/protocol/value_codec.hpp>

namespace dualwrite::engine {

namespace {

// Rows that seem to differ and whose partition is not finished yet are kept; more than this are
// handed on all the same.
constexpr std::size_t suspects_kept_max = 10'000;

protocol::value_list range_values(const copy::token_range& range)
{
    protocol::value_list values;
    values.add(bytes_view(protocol::encode_bigint(range.start.value)));
    values.add(bytes_view(protocol::encode_bigint(range.end.value)));
    return values;
}

}  // namespace

struct validate_table::range_work {
    copy::token_range range;
    row_stream source;
    row_stream target;
    copy::token finished;  // all tokens up to here are compared
    copy::token current;
    std::vector<row_key> suspects;  // of `current`
    std::vector<copy::cell_difference> differences;
    std::uint64_t rows{0};
    std::uint64_t cells{0};
    cql_failure failure;
};

validate_table::validate_table(
    asio::any_io_executor executor,
    const copy::table_model& table,
    validate_table_options options,
    validate_table_context context
)
    : executor_(executor), table_(table), options_(options), context_(std::move(context)),
      source_(*context_.source, table, options.level),
      target_(*context_.target, table, options.level),
      repair_(options.repair ? make_repair() : nullptr),
      rechecker_(
          executor,
          table,
          source_,
          target_,
          options.compare,
          options.recheck,
          {.on_difference = context_.on_difference,
           .on_equal = context_.on_equal_after_all,
           .on_failure =
               [this](const row_key& key, const cql_failure& failure) {
                   const auto at = engine::token_of(key);
                   const copy::token_range one{{at.value - 1}, at};
                   context_.on_range_failed(one, "cannot be read again: " + failure.describe());
               },
           .stopping = context_.stopping,
           .repair = repair_ ? std::function<asio::awaitable<void>(row_difference&)>(
                                   [this](row_difference& found) { return repair(found); }
                               )
                             : nullptr}
      )
{
    for (auto* side : {&source_, &target_}) {
        side->reader().page_rows_max = options_.page_rows;
        side->reader().page_rows = std::min(options_.page_rows, side->reader().page_rows);
    }
}

asio::awaitable<bool> validate_table::prepare(cql_failure& why)
{
    bool prepared = co_await source_.prepare(why);
    if (prepared) prepared = co_await target_.prepare(why);
    if (prepared && repair_) prepared = co_await repair_->prepare(why);
    if (!prepared) co_return false;
    const auto text = [&](row_access& side) {
        return copy::select_range_text(table_, side.reader().layout);
    };
    const auto source_text = text(source_);
    select_source_ = co_await context_.source->prepare(source_text, why);
    if (!select_source_) co_return false;
    const auto target_text = text(target_);
    select_target_ = co_await context_.target->prepare(target_text, why);
    co_return select_target_ != nullptr;
}

std::unique_ptr<table_repair> validate_table::make_repair()
{
    table_repair_options options;
    options.read_level = options_.level;
    options.rows.compare = options_.compare;
    return std::make_unique<table_repair>(
        executor_, *context_.source, *context_.target, table_, options
    );
}

asio::awaitable<void> validate_table::repair(row_difference& found)
{
    repair_result result;
    if (options_.dry_run) {
        co_await repair_->preview(found.key, found.would_write, result);
    } else {
        const repair_hint none;
        co_await repair_->row(found.key, none, result);
        found.repaired = !result.failure;
    }
    if (result.failure) {
        found.repair_failure = result.failure.describe();
    } else if (found.kind == copy::difference_kind::writetime && result.newer_at_target) {
        if (found.repaired) found.repaired = false;
        found.repair_failure = "the target's cell was written later; no write makes it older";
    }
}

asio::awaitable<void> validate_table::run(std::vector<copy::planned_range> ranges)
{
    range_runner::actions actions;
    actions.attempt = [this](range_runner::task& task) { return compare_range(task); };
    actions.on_done = [this](const range_runner::task& task) {
        context_.on_range_done(task.planned.range);
        return true;
    };
    actions.on_failed = [this](const copy::token_range& range, const cql_failure& failure) {
        context_.on_range_failed(range, failure.describe());
    };
    actions.on_retry = [this](const std::string& text) {
        context_.log(log_level::warning, "table " + table_.name + ", " + text);
    };
    actions.stopping = context_.stopping;
    actions.random = [this] { return context_.source->random(); };
    range_runner runner(executor_, options_.workers, std::move(actions));
    co_await runner.run(std::move(ranges));
    ranges_done_ = runner.ranges_done();
    co_await rechecker_.drain();
}

asio::awaitable<cql_failure> validate_table::compare_range(range_runner::task& task)
{
    const auto range = task.planned.range;
    const auto now_s = now_seconds();
    // The same moment for both sides, so that what expires meanwhile is there at both or at none.
    range_work work{
        .range = range,
        .source = row_stream(
            table_,
            page_reader(
                source_.reader(), select_source_, range_values(range), task.planned.node, now_s
            )
        ),
        .target = row_stream(
            table_,
            page_reader(
                target_.reader(),
                select_target_,
                range_values(range),
                context_.target->owner_of(range.end),
                now_s
            )
        ),
        .finished = range.start,
        .current = range.start,
        .suspects = {},
        .differences = {},
        .failure = {}};
    const auto ended = row_stream::state::ended;
    while (!work.failure && !context_.stopping()) {
        bool filled = co_await work.source.fill(work.failure);
        if (filled) filled = co_await work.target.fill(work.failure);
        if (!filled) break;
        if (work.source.at() == ended && work.target.at() == ended) break;
        compare_rows(work);
        report(work);
        co_await rechecker_.wait_for_room();
    }
    if (!work.failure && !context_.stopping())
        for (auto& key : work.suspects) rechecker_.add(std::move(key));
    report(work);
    // Another attempt has only the rest to do.
    if (work.failure) task.planned.range.start = work.finished;
    co_return work.failure;
}

// Joins as far as both pages go.
void validate_table::compare_rows(range_work& work)
{
    const auto needs_page = row_stream::state::needs_page;
    while (!work.failure && work.source.at() != needs_page && work.target.at() != needs_page) {
        const bool source_ended = work.source.at() == row_stream::state::ended;
        const bool target_ended = work.target.at() == row_stream::state::ended;
        if (source_ended && target_ended) return;
        compare_front(work);
    }
}

void validate_table::compare_front(range_work& work)
{
    const auto order = front_order(table_, work.source, work.target);
    const auto& front = order <= 0 ? work.source : work.target;
    if (!copy::contains(work.range, front.row().at)) {
        work.failure = outside_of_range();
        return;
    }
    if (front.row().at != work.current) {
        for (auto& key : work.suspects) rechecker_.add(std::move(key));
        work.suspects.clear();
        work.finished = std::exchange(work.current, front.row().at);
    }
    if (order != 0) {
        suspect(work, front);
    } else {
        work.differences.clear();
        copy::compare_cells(
            table_, work.source.atoms(), work.target.atoms(), options_.compare, work.differences
        );
        if (!work.differences.empty()) suspect(work, front);
    }
    if (!front.is_static()) ++work.rows;
    work.cells += front.atoms().size();
    if (order <= 0) work.source.advance(work.failure);
    if (order >= 0 && !work.failure) work.target.advance(work.failure);
}

void validate_table::suspect(range_work& work, const row_stream& side)
{
    work.suspects.push_back(key_of(table_, side.row(), side.is_static()));
    if (work.suspects.size() < suspects_kept_max) return;
    for (auto& key : work.suspects) rechecker_.add(std::move(key));
    work.suspects.clear();
}

void validate_table::report(range_work& work)
{
    const auto rows = std::exchange(work.rows, 0);
    const auto cells = std::exchange(work.cells, 0);
    rows_ += rows;
    cells_ += cells;
    context_.on_rows(rows, cells, work.source.take_bytes() + work.target.take_bytes());
}

}  // namespace dualwrite::engine
