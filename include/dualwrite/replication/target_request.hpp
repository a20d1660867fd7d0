#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/policy/statement.hpp>
#include <dualwrite/policy/unlogged_batch.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/replication/mutation.hpp>
#include <dualwrite/replication/statements.hpp>
#include <dualwrite/replication/ttl.hpp>

#include <cstdint>
#include <optional>
#include <string>

// From a mutation to the request that carries it to one cluster: in that cluster's protocol version
// and with its prepared ids.

namespace dualwrite::replication {

// A statement as one connection of the replicator knows it.
struct prepared_at {
    const replication::statement* statement{nullptr};
    bytes_view id;                  // of that server
    bytes_view result_metadata_id;  // version 5
};

struct request_target {
    std::uint8_t version{4};
    std::int64_t now_ms{0};
    bool unlogged{false};  // it takes no logged batches
};

namespace detail {

inline protocol::write_parameters parameters_of(const mutation_view& m, const request_target& to)
{
    protocol::write_parameters out;
    out.consistency = static_cast<protocol::consistency>(m.header.consistency);
    if (m.header.writetime_us != writetime_in_text) out.timestamp_us = m.header.writetime_us;
    if (to.version >= 5)
        out.now_in_seconds = static_cast<std::int32_t>(m.header.accepted_ms / 1000);
    return out;
}

// Seconds by which TTLs have to be shortened; 0: leave them.
inline std::int64_t late_by_s(const mutation_view& m, const request_target& to) noexcept
{
    if (to.version >= 5 || !m.has(mutation_flags::has_ttl)) return 0;
    return std::max<std::int64_t>(0, (to.now_ms - m.header.accepted_ms) / 1000);
}

// One statement with its values, TTLs shortened.
struct late_statement {
    std::string text;  // empty: the TTLs are among the values, the prepared statement serves
    byte_buffer values;

    late_statement(
        std::string_view cql, bytes_view raw_values, std::int64_t late_s, bool named = false
    )
    {
        const auto facts = policy::classify(cql);
        if (has_ttl_literal(facts)) text = shorten_ttl_literals(cql, facts, late_s);
        values.append(raw_values);
        shorten_ttl_values({values.data(), values.size()}, cql, facts, late_s, named);
    }
};

template <class Lookup>
protocol::opcode
append_single(byte_buffer& out, const mutation_view& m, const request_target& to, Lookup&& lookup)
{
    auto p = parameters_of(m, to);
    p.value_count = m.header.count;
    p.named_values = m.has(mutation_flags::named_values);
    p.values = m.values;
    const bool execute = m.header.kind == mutation_kind::execute;
    const prepared_at prepared = execute ? lookup(m.header.statement) : prepared_at{};
    std::string_view text = execute ? prepared.statement->target_text : m.text;
    std::optional<std::string> unlogged;
    if (to.unlogged) unlogged = policy::as_unlogged(text);
    if (unlogged) text = *unlogged;
    std::optional<late_statement> late;
    if (const auto late_s = late_by_s(m, to); late_s > 0) {
        late.emplace(text, m.values, late_s, p.named_values);
        p.values = late->values.view();
    }
    const bool as_text = !execute || unlogged || (late && !late->text.empty());
    if (late && !late->text.empty()) text = late->text;
    if (as_text)
        protocol::append_query_body(out, to.version, text, p);
    else
        protocol::append_execute_body(out, to.version, prepared.id, prepared.result_metadata_id, p);
    return as_text ? protocol::opcode::query : protocol::opcode::execute;
}

template <class Lookup>
result<protocol::opcode>
append_batch(byte_buffer& out, const mutation_view& m, const request_target& to, Lookup&& lookup)
{
    const auto late_s = late_by_s(m, to);
    auto type = static_cast<protocol::batch_type>(m.header.batch_type);
    if (to.unlogged && type == protocol::batch_type::logged) type = protocol::batch_type::unlogged;
    protocol::batch_builder batch(out, to.version, type);
    child_reader children(m);
    for (;;) {
        DW_TRY(next, children.next());
        if (!next) break;
        const auto& child = *next;
        const prepared_at prepared = child.prepared ? lookup(child.statement) : prepared_at{};
        const std::string_view text =
            child.prepared ? std::string_view(prepared.statement->target_text) : child.text;
        std::optional<late_statement> late;
        if (late_s > 0) late.emplace(text, child.values, late_s);
        const auto values = late ? late->values.view() : child.values;
        if (late && !late->text.empty())
            batch.add_query(late->text, child.value_count, values);
        else if (child.prepared)
            batch.add_prepared(prepared.id, child.value_count, values);
        else
            batch.add_query(text, child.value_count, values);
    }
    batch.finish(parameters_of(m, to));
    return protocol::opcode::batch;
}

}  // namespace detail

// Appends the request's body. `lookup(id)` gives the prepared statement of one of the mutation's
// statement ids; for_each_statement() tells which are needed. One that is a logged batch needs no
// id of a target that takes none. Not for refresh.
template <class Lookup>
result<protocol::opcode> append_target_body(
    byte_buffer& out, const mutation_view& m, const request_target& to, Lookup&& lookup
)
{
    switch (m.header.kind) {
    case mutation_kind::query:
    case mutation_kind::execute:
        return detail::append_single(out, m, to, lookup);
    case mutation_kind::batch:
        return detail::append_batch(out, m, to, lookup);
    case mutation_kind::schema: {
        protocol::write_parameters p;
        p.consistency = protocol::consistency::local_quorum;
        protocol::append_query_body(out, to.version, m.text, p);
        return protocol::opcode::query;
    }
    }
    return fail(errc::malformed);
}

}  // namespace dualwrite::replication
