#include <dualwrite/protocol/rows.hpp>

#include <algorithm>
#include <array>
#include <string>

#include "delivery.hpp"
#include "destructive.hpp"

// TRUNCATE has no write time, so it is the one write that must not be replayed in any order. At the
// target it stands behind every write that was accepted before the source had executed it, by any
// loop; what was accepted later may be there already and would be lost, so the source's state of
// the table, nearly empty then, is written to the target afterwards.

namespace dualwrite::engine {

using replication::mutation_kind;

namespace {

constexpr std::int64_t look_again_ms = 10;

using protocol::cell;
using names = std::vector<policy::schema_effect::name>;

std::string text_of(const cell& value)
{
    return value ? std::string(as_text(*value)) : std::string();
}

// A text, or a list of them.
std::vector<std::string> texts_of(const cell& value, const protocol::cql_type& type)
{
    if (type.id != protocol::type_id::list || !value) return {text_of(value)};
    std::vector<std::string> out;
    protocol::cursor in(*value);
    for (auto left = in.int_(); left > 0 && in.ok(); --left) out.emplace_back(in.long_string());
    return out;
}

// Of the rows that system_schema has for the effect's keyspace and table.
names names_in(bytes_view message, const policy::schema_effect& effect)
{
    names out;
    const auto rows = protocol::parse_rows(message);
    if (!rows) return out;
    const auto& columns = rows->metadata().columns;
    std::vector<cell> cells;
    const auto index_of = [&](std::string_view name) {
        const auto found = std::find_if(columns.begin(), columns.end(), [&](const auto& its) {
            return its.name == name;
        });
        return static_cast<std::size_t>(found - columns.begin());
    };
    const auto is = [&](std::string_view column, const std::string& wanted) {
        const auto at = index_of(column);
        return wanted.empty() || at >= cells.size() || text_of(cells[at]) == wanted;
    };
    const auto of = index_of(effect.of);
    const auto types = std::min(index_of("type"), index_of("field_types"));
    for (const auto row : *rows) {
        row.read(cells);
        if (of >= cells.size() || !is("keyspace_name", effect.keyspace)) continue;
        if (!is("table_name", effect.table) && effect.of == "column_name") continue;
        const auto found = texts_of(cells[of], columns[of].type);
        const auto its_types = types < cells.size() ? texts_of(cells[types], columns[types].type)
                                                    : std::vector<std::string>{};
        for (std::size_t i = 0; i < found.size(); ++i)
            out.push_back({found[i], i < its_types.size() ? its_types[i] : std::string()});
    }
    return out;
}

}  // namespace

bool delivery::is_truncate(std::uint64_t lsn) const noexcept
{
    const auto payload = window_.payload(lsn);
    return replication::peek_kind(payload) == mutation_kind::schema &&
           replication::peek_flag(payload, replication::mutation_flags::truncates);
}

// True: kept, because asking the source again might destroy what was written since.
bool delivery::keep_destructive(std::uint64_t lsn)
{
    if (replication::peek_kind(window_.payload(lsn)) != mutation_kind::schema) return false;
    if (!destroys(view_of(lsn).text)) return false;
    keep(
        lsn,
        "the source did not say whether it was executed, and it is not sent again",
        "compare the table on both sides: dualwrite validate"
    );
    return true;
}

// DDL cannot be executed twice, and a crash or a lost answer hides that it was. True: the target is
// asked whether it has what the statement asks for; what it refused is decided then.
bool delivery::ask_schema(cluster_link& link, std::uint64_t lsn, const protocol::error_view& error)
{
    if (replication::peek_kind(window_.payload(lsn)) != mutation_kind::schema) return false;
    auto effect = policy::effect_of_schema(view_of(lsn).text);
    if (!effect || !link.has_room()) return false;
    auto& body = link.begin_request({&schema_user_, lsn, 0, tools_.on.steady_ms()});
    protocol::append_query_body(
        body, link.version(), effect->query, {.consistency = protocol::consistency::one}
    );
    link.finish_request(protocol::opcode::query);
    refused_schemas_.insert_or_assign(
        lsn, refused_schema{std::move(*effect), error.code, std::string(error.message)}
    );
    return true;
}

void delivery::schema_user::on_answer(
    cluster_link&,
    const link_request& request,
    const protocol::envelope_header& header,
    bytes_view message
)
{
    its.schema_told(request.lsn, header.op == protocol::opcode::result ? message : bytes_view{});
}

// Empty: it did not say.
void delivery::schema_told(std::uint64_t lsn, bytes_view rows)
{
    const auto found = refused_schemas_.extract(lsn);
    if (!found) return;
    const auto& its = found.mapped();
    if (rows.empty() || !policy::is_there(its.effect, names_in(rows, its.effect), its.message))
        return target_refused(lsn, its.code, its.message);
    tools_.shared.log(
        log_level::info,
        "a change of the schema was at the target already: " + table_of(view_of(lsn))
    );
    replayed(lsn);
}

// It is the oldest of this log now. False: postponed, other loops are not that far.
bool delivery::may_truncate(std::uint64_t lsn)
{
    if (!truncate_waits_) {
        progress_->truncate_accepted_ms.store(replication::peek_accepted_ms(window_.payload(lsn)));
        truncate_waits_.emplace(progress_, tools_.shared.logs);
    }
    if (truncate_waits_->passed()) return true;
    window_.postpone(lsn, tools_.on.steady_ms() + look_again_ms);
    return false;
}

// The target has executed it.
void delivery::truncated(std::uint64_t lsn)
{
    const auto facts = policy::classify(view_of(lsn).text);
    refresh_all(lsn, {{facts.keyspace, facts.table, {}, {}}}, {});
}

// A crash must not execute it again before what comes behind it.
void delivery::schema_ended(std::uint64_t lsn, bool truncates)
{
    log_->write_at_once();
    if (!log_->is_left()) tools_.shared.schema_pending.fetch_sub(1);
    if (!truncates) return;
    open_truncates_.erase(lsn);
    if (!window_.empty() && lsn != window_.base()) return;  // another one waits
    truncate_waits_.reset();
    progress_->truncate_accepted_ms.store(log_progress::none);
}

void delivery::expect_truncate(std::uint64_t lsn, std::span<const bytes_view> payload)
{
    expect_schema(lsn);
    auto& kept = open_truncates_[lsn];
    for (const auto part : payload) kept.append(part);
}

// What was written until now may be gone at the source, or not: all of it stands before. Until now
// the record only said that a TRUNCATE was on its way, should a crash hide its outcome.
std::uint64_t delivery::truncated_at_source(std::uint64_t lsn)
{
    const auto found = open_truncates_.extract(lsn);
    DW_ASSERT(found);
    const std::array<bytes_view, 1> payload{found.mapped().view()};
    const auto moved = log_->append_intent({}, payload);
    expect_schema(moved);
    log_->settle(moved, write_state::applied);
    log_->settle(lsn, write_state::void_);
    tools_.counters.writes_applied.add();
    leave_out(lsn);
    return moved;
}

}  // namespace dualwrite::engine
