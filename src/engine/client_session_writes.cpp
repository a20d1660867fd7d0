#include <dualwrite/protocol/hidden_values.hpp>

#include <algorithm>
#include <array>
#include <optional>

#include "client_session.hpp"

namespace dualwrite::engine {

using protocol::envelope_header;
using protocol::envelope_header_size;
using protocol::error_code;
using replication::mutation_header;
using replication::mutation_kind;
using replication::plan;
namespace flags = replication::mutation_flags;

namespace {

// What the delivery need not find out again.
std::uint8_t plan_flags(plan what) noexcept
{
    if (what == plan::replay) return flags::replay;
    return what == plan::refresh ? flags::refresh : std::uint8_t{0};
}

}  // namespace

bytes_view client_session::take_write(
    const write_request& request,
    const replication::statement& statement,
    const protocol::query_parameters& parameters,
    bool execute
)
{
    auto values = parameters.values;
    auto value_count = parameters.value_count;
    // Named ones that the part does not ask for are passed over by the server.
    if (statement.part && !parameters.named_values) {
        children_.clear();
        value_count = protocol::append_values_without(children_, values, statement.part->left_out);
        values = children_.view();
    }
    if (statement.stays || statement.part) worker_.counters().left_out.add();
    switch (statement.decision.what) {
    case plan::pass:
        return forward(request.header, request.envelope, {});
    case plan::unreplicated:
        return leave_out(
            request,
            statement.table,
            statement.decision.reason,
            {{statement.target_text, std::string(as_text(values)), parameters.named_values}}
        );
    case plan::schema:
        if (worker_.shared().options.ddl == ddl_policy::source_only)
            return leave_out(
                request, statement.table, "--ddl source-only", {{statement.target_text, {}, false}}
            );
        return mirror_schema(request, statement);
    case plan::replay:
    case plan::undecided:
    case plan::refresh:
        break;
    }
    worker_.note_written(statement);
    places_.clear();
    find_places(statement, values, parameters.named_values);
    const auto whose = times_of(
        statement.timestamp_in_text,
        statement.facts.conditional,
        statement.source_times,
        parameters.timestamp_us.has_value()
    );
    if (degrades()) {
        const replication::bound_values bound(values, parameters.named_values);
        const auto& shapes = worker_.registry().shapes();
        const auto refs = replication::partitions_of(
            statement.facts, statement.text, statement.keyspace, shapes, bound
        );
        return take_dirty(request, parameters, refs, whose);
    }
    mutation_header mutation;
    mutation.kind = execute ? mutation_kind::execute : mutation_kind::query;
    mutation.count = value_count;
    if (parameters.named_values) mutation.flags |= flags::named_values;
    if (statement.facts.may_be_several) mutation.flags |= flags::several;
    if (statement.has_ttl) mutation.flags |= flags::has_ttl;
    if (statement.effect.may_empty) mutation.flags |= flags::may_empty;
    if (statement.effect.deletes_beside_lists) mutation.flags |= flags::beside_refreshes;
    mutation.flags |= plan_flags(whose == times::source ? plan::refresh : statement.decision.what);
    std::array<std::uint32_t, 1> ids{};
    if (execute) ids[0] = mutation.statement = worker_.log_id(statement);
    return accept(
        request,
        mutation,
        parameters,
        std::span(ids).first(execute ? 1 : 0),
        execute ? std::string_view{} : statement.target_text,
        values,
        whose
    );
}

bytes_view client_session::accept(
    const write_request& request,
    mutation_header mutation,
    const protocol::statement_options& options,
    std::span<const std::uint32_t> statement_ids,
    std::string_view text,
    bytes_view values,
    times whose
)
{
    if (bytes_view answer; refused_by_limits(request, answer)) return answer;
    worker_.dirty().close();
    const auto now_ms = worker_.on().wall_ms();
    mutation.accepted_ms = now_ms;
    mutation.consistency = static_cast<std::uint16_t>(options.consistency);
    mutation.text_size = static_cast<std::uint32_t>(text.size());
    bool patch = whose == times::ours && !options.timestamp_us;
    if (whose == times::ours)
        mutation.writetime_us = options.timestamp_us ? *options.timestamp_us : next_writetime();
    if (!places_.empty() && whose != times::transaction && may_be_hidden(mutation.writetime_us))
        mutation.flags |= flags::beside_refreshes;
    auto now_in_seconds = static_cast<std::int32_t>(now_ms / 1000);
    if (options.now_in_seconds) {
        now_in_seconds = *options.now_in_seconds;
        mutation.accepted_ms = std::int64_t{now_in_seconds} * 1000;
    } else if (version_ >= 5 && (mutation.flags & flags::has_ttl) != 0) {
        // Not where the source's own clock counts.
        patch |= whose == times::ours ||
                 whose == times::in_text;  // both sides derive the expiry from the same second
    }
    const auto head = replication::encode(mutation);
    const std::array<bytes_view, 3> parts{bytes_view(head), as_bytes(text), values};
    const auto lsn = worker_.log().append_intent(statement_ids, parts);
    worker_.counters().writes.add();
    pending what{
        .what = whose == times::transaction ? pending::kind::conditional : pending::kind::write,
        .several = (mutation.flags & flags::several) != 0,
        .number = lsn};
    if (whose == times::transaction && !places_.empty()) what.place = places_.front();
    if (!patch) return forward(request.header, request.envelope, what);
    // Where the text has a time of its own, the one beside it means nothing.
    const auto writetime_us = whose == times::in_text ? next_writetime() : mutation.writetime_us;
    return forward(request.header, patched(request, options, writetime_us, now_in_seconds), what);
}

// The same request with the write time, and in version 5 the second from which expiry counts.
bytes_view client_session::patched(
    const write_request& request,
    const protocol::statement_options& options,
    std::int64_t writetime_us,
    std::int32_t now_in_seconds
)
{
    const auto patch =
        version_ >= 5
            ? protocol::patch_times(request.body, version_, options, writetime_us, now_in_seconds)
            : protocol::patch_timestamp(
                  request.body,
                  version_,
                  options.flags_offset,
                  options.timestamp_offset,
                  writetime_us
              );
    const auto size = envelope_header_size + patch.size();
    auto space = worker_.on().turn_space(size).first(size);
    worker_.on().use_turn_space(size);
    auto header = request.header;
    header.flags &= static_cast<std::uint8_t>(~protocol::flag_compressed);
    header.body_size = static_cast<std::uint32_t>(patch.size());
    protocol::store_envelope_header(space.data(), header);
    auto* out = space.data() + envelope_header_size;
    for (const auto piece : patch.pieces()) {
        if (!piece.empty()) std::memcpy(out, piece.data(), piece.size());
        out += piece.size();
    }
    return space;
}

bytes_view client_session::take_batch(const write_request& request, bool evaluated)
{
    const auto& h = request.header;
    const auto batch = protocol::parse_batch(request.body, version_, h.flags);
    if (!batch) return answer_error(h, error_code::protocol_error, "dualwrite: malformed BATCH");
    const auto keyspace = batch->keyspace.value_or(keyspace_);
    auto& registry = worker_.registry();

    mutation_header mutation;
    mutation.kind = mutation_kind::batch;
    mutation.batch_type = static_cast<std::uint8_t>(batch->type);
    if (batch->children.size() > 1) mutation.flags |= flags::several;
    children_.clear();
    places_.clear();
    std::vector<std::uint32_t> ids;
    std::string table;
    replication::decision decision{plan::pass, {}};
    if (batch->type == protocol::batch_type::counter) decision = {plan::refresh, "counter"};
    bool conditional = false;
    bool timestamps_in_text = !batch->children.empty();
    bool source_times = false;
    const bool dirty = degrades();
    std::vector<replication::partition_ref> refs;
    bool complete = true;  // they are all rows of the batch
    for (const auto& child : batch->children) {
        std::optional<replication::statement> made;
        const replication::statement* statement = nullptr;
        if (child.prepared)
            statement = find_prepared(child.id);
        else if (child.value_count != 0 && !evaluated)
            statement = &registry.intern(keyspace, child.text);
        else
            statement = &made.emplace(registry.make(keyspace, child.text));
        if (statement == nullptr) return answer_unprepared(h, child.id);
        if (statement->stays) worker_.counters().left_out.add();
        if (statement->is_pass()) continue;  // stays at the source
        if (!evaluated && (!statement->hidden.empty() || policy::is_evaluable(statement->facts)))
            return batch_evaluated(request, *batch);
        if (statement->decision.what > decision.what) decision = statement->decision;
        if (table.empty()) table = statement->table;
        worker_.note_written(*statement);
        find_places(*statement, child.values, false);
        if (dirty) complete &= add_refs(refs, *statement, child.values);
        if (statement->has_ttl) mutation.flags |= flags::has_ttl;
        if (statement->effect.may_empty) mutation.flags |= flags::may_empty;
        if (statement->effect.deletes_beside_lists) mutation.flags |= flags::beside_refreshes;
        if (statement->facts.may_be_several) mutation.flags |= flags::several;
        conditional |= statement->facts.conditional;
        timestamps_in_text &= statement->timestamp_in_text;
        source_times |= statement->source_times;
        replication::mutation_child out{
            .prepared = child.prepared,
            .value_count = child.value_count,
            .text = statement->target_text,
            .values = child.values};
        if (child.prepared) ids.push_back(out.statement = worker_.log_id(*statement));
        replication::append_child(children_, out);
        ++mutation.count;
    }
    if (decision.what == plan::pass) return forward(h, request.envelope, {});
    if (decision.what > plan::refresh)
        return leave_out(request, table, decision.reason, kept_children(*batch, keyspace));
    const auto whose =
        times_of(timestamps_in_text, conditional, source_times, batch->timestamp_us.has_value());
    mutation.flags |= plan_flags(whose == times::source ? plan::refresh : decision.what);
    if (dirty && !complete) refs.clear();
    if (dirty) return take_dirty(request, *batch, refs, whose);
    return accept(request, mutation, *batch, ids, {}, children_.view(), whose);
}

std::vector<kept_statement>
client_session::kept_children(const protocol::batch_view& batch, std::string_view keyspace)
{
    std::vector<kept_statement> out;
    for (const auto& child : batch.children) {
        const auto* known = child.prepared ? find_prepared(child.id) : nullptr;
        auto text = known != nullptr ? known->target_text
                                     : worker_.registry().make(keyspace, child.text).target_text;
        out.push_back({std::move(text), std::string(as_text(child.values)), false});
    }
    return out;
}

bytes_view
client_session::mirror_schema(const write_request& request, const replication::statement& statement)
{
    if (bytes_view answer; refused_by_limits(request, answer)) return answer;
    if (worker_.shared().options.ddl == ddl_policy::refuse)
        return refuse_schema(request, statement);
    mutation_header mutation;
    mutation.kind = mutation_kind::schema;
    const bool truncates = statement.facts.kind == policy::statement_kind::truncate;
    if (truncates) mutation.flags |= flags::truncates;
    mutation.accepted_ms = worker_.on().wall_ms();
    mutation.text_size = static_cast<std::uint32_t>(statement.target_text.size());
    const auto head = replication::encode(mutation);
    const std::array<bytes_view, 2> parts{bytes_view(head), as_bytes(statement.target_text)};
    const auto lsn = worker_.log().append_intent({}, parts);
    worker_.counters().writes.add();
    if (truncates)
        worker_.live().expect_truncate(lsn, parts);
    else
        worker_.live().expect_schema(lsn);
    const auto kind = truncates ? pending::kind::truncate : pending::kind::schema;
    return forward(request.header, request.envelope, {.what = kind, .number = lsn});
}

bytes_view
client_session::refuse_schema(const write_request& request, const replication::statement& statement)
{
    worker_.shared().log_limited(
        log_level::warning, "a change of the schema was refused (--ddl refuse): " + statement.table
    );
    return answer_error(
        request.header,
        error_code::invalid,
        "dualwrite: DDL and TRUNCATE are refused during the migration (--ddl refuse); nothing was "
        "executed"
    );
}

// Goes to the source alone; if it is executed there, the operator has to know.
bytes_view client_session::leave_out(
    const write_request& request,
    const std::string& table,
    std::string_view reason,
    std::vector<kept_statement> statements
)
{
    auto letter = std::make_unique<dead_letter>();
    letter->table = table;
    letter->reason = reason;
    letter->statements = std::move(statements);
    letter->accepted_ms = worker_.on().wall_ms();
    const auto free = std::find(letters_.begin(), letters_.end(), nullptr);
    const auto index = static_cast<std::size_t>(free - letters_.begin());
    if (free == letters_.end()) letters_.emplace_back();
    letters_[index] = std::move(letter);
    return forward(
        request.header, request.envelope, {.what = pending::kind::unreplicated, .number = index}
    );
}

}  // namespace dualwrite::engine
