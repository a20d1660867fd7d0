#include "asio_compat.hpp"
#include "copy_repair.hpp"

namespace dualwrite::engine {

namespace {

constexpr int attempts_max = 6;
// After an increment whose fate is not known: longer than a server works on one.
constexpr auto doubt_pause = std::chrono::milliseconds(2500);

std::int64_t value_of(std::span<const copy::atom> atoms, std::uint32_t column)
{
    for (const auto& a : atoms)
        if (a.column == column && a.value.size() == 8) return load_be<std::int64_t>(a.value.data());
    return 0;
}

// Column and amount, modulo 2^64 as counters are.
using counter_delta = std::pair<std::uint32_t, std::uint64_t>;

// What the target's counters lack, by column.
std::vector<counter_delta> deltas_between(
    std::span<const copy::atom> source, std::span<const copy::atom> target, std::size_t columns
)
{
    std::vector<counter_delta> out;
    for (std::uint32_t i = 0; i < columns; ++i) {
        const auto delta = static_cast<std::uint64_t>(value_of(source, i)) -
                           static_cast<std::uint64_t>(value_of(target, i));
        if (delta != 0) out.emplace_back(i, delta);
    }
    return out;
}

}  // namespace

void table_repair::preview_counters(
    const row_pair& pair, bool is_static, std::vector<repair_preview>& out
) const
{
    repair_preview planned{.write = "add to counter", .columns = {}};
    const auto source = pair.source.atoms(is_static);
    const auto target = pair.target.atoms(is_static);
    for (const auto& [column, delta] : deltas_between(source, target, table_.columns.size()))
        planned.columns.push_back(column);
    if (!planned.columns.empty()) out.push_back(std::move(planned));
}

// target += source - target, for one row. An increment cannot be repeated: after any doubt both
// sides are read again, when the doubt must be over.
asio::awaitable<void> table_repair::converge(row_key key, repair_hint hint, repair_result& result)
{
    ++result.rows;
    asio::steady_timer timer(executor_);
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
        row_pair pair;
        const bool read = co_await read_pair(key, hint, pair, result.failure);
        if (!read) co_return;
        bool sent = false;
        const bool clear = co_await add_to_counters(key, pair, sent, result);
        if (clear && !sent) co_return;
        if (clear) continue;
        const auto verdict =
            policy::judge_target_error(result.failure.code, result.failure.text, false);
        const bool server = result.failure.error == make_error_code(errc::server_error);
        if (server && verdict.action == policy::target_action::permanent) co_return;
        if (attempt + 1 == attempts_max) co_return;
        result.failure = {};
        co_await sleep_for(timer, doubt_pause);
    }
}

// False: not known whether it was done, or it was not: see result.failure.
asio::awaitable<bool> table_repair::add_to_counters(
    const row_key& key, const row_pair& pair, bool& sent, repair_result& result
)
{
    const auto source = pair.source.atoms(key.is_static);
    const auto target = pair.target.atoms(key.is_static);
    std::vector<copy::atom> deltas;
    std::vector<std::array<std::byte, 8>> bytes(table_.columns.size());
    for (const auto& [column, delta] : deltas_between(source, target, table_.columns.size())) {
        store_be(bytes[column].data(), delta);
        deltas.push_back({.column = column, .value = bytes[column]});
    }
    if (deltas.empty()) co_return true;

    std::vector<const copy::atom*> atoms;
    for (const auto& a : deltas) atoms.push_back(&a);
    std::vector<bytes_view> keys;
    for (const auto& value : key.partition) keys.push_back(as_bytes(value));
    for (const auto& value : key.clustering) keys.push_back(as_bytes(value));
    const auto statement = copy::make_counter_update(table_, key.is_static);
    const auto prepared = co_await target_cluster_.prepare(statement.text, result.failure);
    if (!prepared) co_return false;
    byte_buffer values;
    copy::value_binder::bind(table_, statement, {.keys = keys, .atoms = atoms}, values);
    protocol::write_parameters parameters{.consistency = options_.write_level};
    parameters.values = values.view();
    parameters.value_count = static_cast<std::uint16_t>(statement.markers.size());

    cql_request request;
    request.op = protocol::opcode::execute;
    request.repeatable = false;
    request.node = target_cluster_.owner_of(token_of(key));
    request.statements.push_back(prepared);
    protocol::append_execute_body(
        request.body,
        target_cluster_.facts().version,
        prepared->id.view(),
        prepared->result_metadata_id.view(),
        parameters
    );
    ++result.writes;
    result.cells_sent += atoms.size();
    sent = true;
    const auto reply = co_await target_cluster_.send(std::move(request), result.failure);
    co_return reply.has_value();
}

}  // namespace dualwrite::engine
