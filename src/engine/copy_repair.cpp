#include "copy_repair.hpp"

#include <dualwrite/protocol/rows.hpp>

#include "asio_compat.hpp"
#include "copy_stream.hpp"

namespace dualwrite::engine {

namespace {

// Of one state of the source's row: something at the target hides it.
constexpr std::uint32_t attempts_max = 5;
// All together: others write the same row.
constexpr std::uint32_t rounds_max = 25;
// Older than this before now, nothing is under way any more: clocks may differ by as much.
constexpr std::int64_t settled_us = 60'000'000;

std::int64_t now_us()
{
    using namespace std::chrono;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

// Tells whether the row has changed. Two that differ and give the same are as one that has not.
std::size_t fingerprint(const fetched_row& of)
{
    std::size_t out = of.exists ? 1 : 0;
    const auto add = [&](std::size_t part) { out = (out ^ part) * 0x9e3779b97f4a7c15ull + 1; };
    for (const auto* atoms : {&of.row.regulars, &of.row.statics})
        for (const auto& its : *atoms) {
            add(its.column);
            add(std::hash<std::string_view>{}(as_text(its.path)));
            add(std::hash<std::string_view>{}(as_text(its.value)));
            add(static_cast<std::size_t>(its.writetime_us));
            add(static_cast<std::size_t>(its.expiry_s));
        }
    return out;
}

cql_failure unsupported(std::string text)
{
    return {.error = errc::unsupported, .code = 0, .text = std::move(text), .write_type = {}};
}

}  // namespace

table_repair::table_repair(
    asio::any_io_executor executor,
    cql_cluster& source,
    cql_cluster& target,
    copy::table_model table,
    table_repair_options options
)
    : executor_(executor), table_(std::move(table)), options_(options), source_cluster_(source),
      target_cluster_(target), source_(source, table_, options.read_level),
      serial_source_(source, table_, protocol::consistency::local_serial),
      target_(target, table_, options.read_level)
{
}

asio::awaitable<bool> table_repair::prepare(cql_failure& why)
{
    for (auto* side : {&source_, &serial_source_, &target_}) {
        const bool prepared = co_await side->prepare(why);
        if (!prepared) co_return false;
    }
    co_return true;
}

copy::repair_options table_repair::options_for(
    const repair_hint& hint, std::uint32_t attempt, std::int64_t read_at_us
) const
{
    auto out = options_.rows;
    if (hint.writetime_us != 0) out.writetime_us = hint.writetime_us;
    if (out.writetime_us != 0) out.marker_writetime_us = out.writetime_us;
    if (out.marker_writetime_us == 0) out.marker_writetime_us = read_at_us - settled_us;
    // A marker that is still there after two attempts was written later than anything we know of;
    // it was there before the source was read, and the source does not have it.
    if (attempt > 1) out.marker_writetime_us = std::max(out.marker_writetime_us, read_at_us);
    out.attempt = attempt;
    return out;
}

// Transactions have their times from that clock, and ours may be behind it, or far ahead.
asio::awaitable<std::optional<std::int64_t>> table_repair::source_now_us(cql_failure& why)
{
    const auto reply = co_await source_cluster_.query(
        "SELECT toUnixTimestamp(now()) FROM system.local", protocol::consistency::one, why
    );
    if (!reply) co_return std::nullopt;
    if (const auto rows = protocol::parse_rows(reply->message.view()))
        for (const auto row : *rows)
            for (const auto cell : row)
                if (cell && cell->size() == 8)
                    co_return load_be<std::int64_t>(cell->data()) * 1000 + 999;
    why = unsupported("the source does not say what its clock says");
    co_return std::nullopt;
}

// The target first.
asio::awaitable<bool> table_repair::read_pair(
    const row_key& key, const repair_hint& hint, row_pair& pair, cql_failure& why
)
{
    pair.now_s = now_seconds();
    pair.read_at_us = now_us();
    const bool read = co_await target_.read(key, pair.now_s, pair.target, why);
    if (!read) co_return false;
    co_return co_await source(hint).read(key, pair.now_s, pair.source, why);
}

asio::awaitable<void> table_repair::row(row_key key, repair_hint hint, repair_result& result)
{
    if (table_.counter) {
        co_await converge(key, hint, result);
        co_return;
    }
    ++result.rows;
    copy::repair_plan plan;
    // A write that came in between is not what hid the attempt before.
    std::uint32_t attempt = 0;
    std::size_t seen = 0;
    for (std::uint32_t round = 0; round < rounds_max && attempt < attempts_max; ++round) {
        row_pair pair;
        std::optional<std::int64_t> source_us;
        if (attempt > 0) {
            source_us = co_await source_now_us(result.failure);
            if (!source_us) co_return;
        }
        const bool read = co_await read_pair(key, hint, pair, result.failure);
        if (!read) co_return;
        // Written again since it was gone: that write is replayed, without a marker of ours.
        if (hint.if_gone && pair.source.exists) co_return;
        const auto now_seen = fingerprint(pair.source);
        attempt = round > 0 && now_seen == seen ? attempt + 1 : 0;
        seen = now_seen;
        // A client's clock may be ahead of both.
        if (attempt == 2) pair.read_at_us = *source_us;
        if (attempt > 2) pair.read_at_us = std::max(pair.read_at_us, *source_us);
        const auto* source_row = pair.source.exists ? &pair.source.row : nullptr;
        const auto* target_row = pair.target.exists ? &pair.target.row : nullptr;
        const auto options = options_for(hint, attempt, pair.read_at_us);
        plan.assign(table_, source_row, target_row, key.is_static, options);
        if (!plan.problem().empty()) {
            result.failure = unsupported(plan.problem());
            co_return;
        }
        result.newer_at_target = plan.newer_at_target();
        if (plan.writes().empty()) co_return;
        const bool written = co_await write_plan(key, plan, pair.now_s, result);
        if (!written) co_return;
    }
    result.failure = unsupported(
        "the target holds a deletion that is newer than what the source has, or the row does not "
        "stop changing"
    );
}

copy::write_statement
table_repair::make_statement(const copy::repair_write& write, copy::writetime_in place) const
{
    using copy::delete_scope;
    using copy::repair_kind;
    switch (write.kind) {
    case repair_kind::insert:
        return copy::make_insert(table_, place);
    case repair_kind::update:
        return copy::make_update(table_, false, place);
    case repair_kind::update_static:
        return copy::make_update(table_, true, place);
    case repair_kind::delete_row:
        return copy::make_delete_row(table_, place);
    case repair_kind::delete_column:
        return copy::make_delete_cell(table_, write.column, delete_scope::column, place);
    case repair_kind::delete_element:
        return copy::make_delete_cell(table_, write.column, delete_scope::element, place);
    case repair_kind::delete_field:
        return copy::make_delete_cell(
            table_, write.column, delete_scope::field, place, write.field
        );
    }
    return {};
}

asio::awaitable<const copy::prepared_write*>
table_repair::statement_for(const copy::repair_write& write, cql_failure& why)
{
    auto in_text = make_statement(write, copy::writetime_in::text);
    const auto known = statements_.find(in_text.text);
    if (known != statements_.end()) co_return &known->second->write;

    auto made = std::make_unique<cached>();
    made->write.in_request.statement = make_statement(write, copy::writetime_in::request);
    made->write.in_text.statement = std::move(in_text);
    made->in_request = co_await target_cluster_.prepare(made->write.in_request.statement.text, why);
    if (!made->in_request) co_return nullptr;
    made->in_text = co_await target_cluster_.prepare(made->write.in_text.statement.text, why);
    if (!made->in_text) co_return nullptr;
    made->write.in_request.id = made->in_request->id.view();
    made->write.in_request.result_metadata_id = made->in_request->result_metadata_id.view();
    made->write.in_text.id = made->in_text->id.view();
    made->write.in_text.result_metadata_id = made->in_text->result_metadata_id.view();
    const auto text = made->write.in_text.statement.text;
    co_return &statements_.try_emplace(text, std::move(made)).first->second->write;
}

// All writes of a row in one request: one mutation, all or nothing.
asio::awaitable<bool> table_repair::write_plan(
    const row_key& key, const copy::repair_plan& plan, std::int64_t now_s, repair_result& result
)
{
    std::vector<bytes_view> keys;
    for (const auto& value : key.partition) keys.push_back(as_bytes(value));
    for (const auto& value : key.clustering) keys.push_back(as_bytes(value));
    const auto version = target_cluster_.facts().version;
    if (version < 5) now_s = now_seconds();
    copy::mutation_batch batch(version, options_.write_level);
    cql_request request;
    for (const auto& write : plan.writes()) {
        const auto* statement = co_await statement_for(write, result.failure);
        if (statement == nullptr) co_return false;
        batch.add(table_, *statement, keys, write.atoms, write.writetime_us, write.expiry_s, now_s);
        const auto& cache = statements_.at(statement->in_text.statement.text);
        request.statements.push_back(cache->in_request);
        request.statements.push_back(cache->in_text);
        result.cells_sent += std::max<std::size_t>(write.atoms.size(), 1);
    }
    request.op = batch.finish(now_s, request.body, request.ttl_patches);
    request.node = target_cluster_.owner_of(token_of(key));
    ++result.writes;
    const auto reply = co_await target_cluster_.send(std::move(request), result.failure);
    co_return reply.has_value();
}

asio::awaitable<void> table_repair::partition(row_key key, repair_hint hint, repair_result& result)
{
    const bool one_row = key.clustering.size() == table_.clustering_count;
    if (table_.has_statics() && !hint.if_gone) {
        row_key statics{key.partition, {}, true};
        co_await row(statics, hint, result);
        if (result.failure) co_return;
    }
    if (one_row) {
        co_await row_as_hinted(key, hint, result);
        co_return;
    }
    std::vector<row_key> differing;
    co_await compare_streams(key, hint, differing, result);
}

asio::awaitable<void>
table_repair::row_as_hinted(row_key key, repair_hint hint, repair_result& result)
{
    if (hint.if_gone) {
        fetched_row found;
        bool read = co_await source(hint).read(key, now_seconds(), found, result.failure);
        if (!read || found.exists) co_return;
        // Cells that are still there have their deletions on the way, each with a look of its own.
        read = co_await target_.read(key, now_seconds(), found, result.failure);
        if (!read || !found.exists || !found.row.regulars.empty()) co_return;
    }
    co_await row(key, hint, result);
}

// Walks over both sides page by page. What seems to differ is looked at again row by row, because
// the two walks are not in the order that a repair needs.
asio::awaitable<void> table_repair::compare_streams(
    row_key key, repair_hint hint, std::vector<row_key>& differing, repair_result& result
)
{
    auto& why = result.failure;
    const auto now_s = now_seconds();
    auto target_pages = co_await target_.partition(key, now_s, why);
    if (!target_pages) co_return;
    auto source_pages = co_await source(hint).partition(key, now_s, why);
    if (!source_pages) co_return;
    row_stream target(table_, std::move(*target_pages));
    row_stream from(table_, std::move(*source_pages));
    const auto compare =
        table_.counter ? copy::compare_options{.times = false} : options_.rows.compare;
    std::vector<copy::cell_difference> cells;
    for (;;) {
        bool filled = co_await target.fill(why);
        if (filled) filled = co_await from.fill(why);
        if (!filled) co_return;
        const bool ended =
            from.at() == row_stream::state::ended && target.at() == row_stream::state::ended;
        if (!ended) {
            const auto order = front_order(table_, from, target);
            const auto& front = order <= 0 ? from : target;
            cells.clear();
            if (order == 0)
                copy::compare_cells(table_, from.atoms(), target.atoms(), compare, cells);
            // The static columns have been seen to.
            if (!front.is_static() && (order != 0 || !cells.empty()))
                differing.push_back(key_of(table_, front.row(), false));
            else
                ++result.rows;
            if (order <= 0) from.advance(why);
            if (order >= 0 && !why) target.advance(why);
            if (why) co_return;
        }
        if (!ended && differing.size() < 64) continue;
        for (const auto& one : differing) {
            co_await row_as_hinted(one, hint, result);
            if (result.failure) co_return;
        }
        differing.clear();
        if (ended) co_return;
    }
}

}  // namespace dualwrite::engine
