#include "spool_writes.hpp"

#include <dualwrite/engine/spool_rescued.hpp>

namespace dualwrite::engine {

using replication::mutation_kind;

namespace {

kept_statement
prepared(std::uint32_t id, bytes_view values, bool named, const spool_dictionary& statements)
{
    const auto known = statements.knows(id);
    return {known ? statements.statement_of(id).text : "", std::string(as_text(values)), named};
}

}  // namespace

dead_letter letter_of(const replication::mutation_view& m, const spool_dictionary& statements)
{
    dead_letter out;
    write_tables tables(statements);
    out.table = tables.of(m);
    out.writetime_us = m.header.writetime_us;
    out.accepted_ms = m.header.accepted_ms;
    const auto named = m.has(replication::mutation_flags::named_values);
    switch (m.header.kind) {
    case mutation_kind::execute:
        out.statements.push_back(prepared(m.header.statement, m.values, named, statements));
        return out;
    case mutation_kind::query:
    case mutation_kind::schema:
        out.statements.push_back({std::string(m.text), std::string(as_text(m.values)), named});
        return out;
    case mutation_kind::batch:
        break;
    }
    replication::child_reader children(m);
    for (auto next = children.next(); next && *next; next = children.next()) {
        const auto& child = **next;
        if (child.prepared)
            out.statements.push_back(prepared(child.statement, child.values, named, statements));
        else
            out.statements.push_back(
                {std::string(child.text), std::string(as_text(child.values)), named}
            );
    }
    return out;
}

}  // namespace dualwrite::engine
