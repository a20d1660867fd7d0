#include "validate_recheck.hpp"

#include <dualwrite/engine/asio_coroutines.hpp>

#include <asio/co_spawn.hpp>

namespace dualwrite::engine {

namespace {

void rethrow(std::exception_ptr error)
{
    if (error) std::rethrow_exception(error);
}

using differences = std::vector<copy::cell_difference>;

const copy::cell_difference* find(const differences& list, std::uint32_t column)
{
    for (const auto& d : list)
        if (d.column == column) return &d;
    return nullptr;
}

column_difference describe(const copy::cell_difference& d)
{
    column_difference out{.kind = d.kind, .column = d.column};
    if (d.source != nullptr) {
        out.source_writetime_us = d.source->writetime_us;
        out.source_expiry_s = d.source->expiry_s;
    }
    if (d.target != nullptr) {
        out.target_writetime_us = d.target->writetime_us;
        out.target_expiry_s = d.target->expiry_s;
    }
    return out;
}

// The target's cell was written after what the source held first and before what it holds now.
bool is_between(const copy::cell_difference& from_before, const copy::cell_difference& from_after)
{
    const auto* before = from_before.source;
    const auto* target = from_before.target;
    const auto* after = from_after.source;
    if (before == nullptr || target == nullptr || after == nullptr) return false;
    if (target->writetime_us == copy::no_writetime) return false;
    return before->writetime_us <= target->writetime_us &&
           target->writetime_us <= after->writetime_us;
}

verdict judge_presence(bool before, bool target, bool after, row_difference& out)
{
    if (target == after) return verdict::equal;
    if (before != after) return verdict::unsettled;
    out.kind = after ? copy::difference_kind::missing : copy::difference_kind::extra;
    return verdict::different;
}

}  // namespace

verdict judge_row(
    const copy::table_model& table,
    const copy::compare_options& options,
    const fetched_row& source_before,
    const fetched_row& target,
    const fetched_row& source_after,
    row_difference& out
)
{
    out.columns.clear();
    const auto presence =
        judge_presence(source_before.exists, target.exists, source_after.exists, out);
    if (presence != verdict::equal) return presence;

    const bool is_static = out.key.is_static;
    const auto compare = [&](const fetched_row& a, const fetched_row& b) {
        differences list;
        copy::compare_cells(table, a.atoms(is_static), b.atoms(is_static), options, list);
        return list;
    };
    const auto with_before = compare(source_before, target);
    const auto with_after = compare(source_after, target);
    const auto moved = compare(source_before, source_after);
    auto result = verdict::equal;
    for (const auto& d : with_after) {
        if (find(moved, d.column) == nullptr) {
            out.columns.push_back(describe(d));
            continue;
        }
        const auto* earlier = find(with_before, d.column);
        if (earlier != nullptr && !is_between(*earlier, d)) result = verdict::unsettled;
    }
    if (out.columns.empty()) {
        if (result == verdict::unsettled)
            for (const auto& d : with_after) out.columns.push_back(describe(d));
    } else {
        result = verdict::different;
    }
    out.kind = copy::difference_kind::ttl;
    for (const auto& column : out.columns) out.kind = std::min(out.kind, column.kind);
    return result;
}

rechecker::rechecker(
    asio::any_io_executor executor,
    const copy::table_model& table,
    row_access& source,
    row_access& target,
    copy::compare_options compare,
    recheck_options options,
    actions to_do
)
    : executor_(executor), table_(table), source_(source), target_(target), compare_(compare),
      options_(options), do_(std::move(to_do)), changed_(executor), read_ended_(executor)
{
}

void rechecker::add(row_key key)
{
    ++open_;
    asio::co_spawn(executor_, check(std::move(key)), rethrow);
}

asio::awaitable<void> rechecker::wait_for_room()
{
    while (open_ >= options_.waiting_max) co_await changed_.wait();
}

asio::awaitable<void> rechecker::drain()
{
    while (open_ != 0) co_await changed_.wait();
}

asio::awaitable<void> rechecker::check(row_key key)
{
    row_difference found;
    found.key = key;
    cql_failure why;
    auto result = verdict::unsettled;
    for (std::uint32_t round = 0; round < options_.rounds && !do_.stopping(); ++round) {
        result = co_await check_once(key, found, why);
        if (why || result != verdict::unsettled) break;
    }
    if (!do_.stopping()) {
        found.unsettled = result == verdict::unsettled;
        if (!why && result != verdict::equal && do_.repair) co_await do_.repair(found);
        if (why)
            do_.on_failure(key, why);
        else if (result == verdict::equal)
            do_.on_equal();
        else
            do_.on_difference(std::move(found));
    }
    --open_;
    changed_.notify();
}

asio::awaitable<verdict> rechecker::check_once(row_key key, row_difference& out, cql_failure& why)
{
    fetched_row before;
    fetched_row target;
    fetched_row after;
    bool read_all = co_await read(source_, key, before, why);
    co_await pause();
    if (read_all && !do_.stopping()) read_all = co_await read(target_, key, target, why);
    if (read_all && !do_.stopping()) read_all = co_await read(source_, key, after, why);
    if (!read_all || do_.stopping()) co_return verdict::unsettled;
    co_return judge_row(table_, compare_, before, target, after, out);
}

asio::awaitable<bool>
rechecker::read(row_access& side, const row_key& key, fetched_row& out, cql_failure& why)
{
    while (reads_ >= options_.reads_max) co_await read_ended_.wait();
    ++reads_;
    const bool done = co_await side.read(key, now_seconds(), out, why);
    --reads_;
    read_ended_.notify();
    co_return done;
}

asio::awaitable<void> rechecker::pause()
{
    using namespace std::chrono;
    asio::steady_timer timer(executor_);
    const auto until = steady_clock::now() + options_.delay;
    while (!do_.stopping()) {
        const auto left = until - steady_clock::now();
        if (left.count() <= 0) co_return;
        co_await sleep_for(timer, std::min<steady_clock::duration>(left, milliseconds(250)));
    }
}

}  // namespace dualwrite::engine
