#include "statement.hpp"

#include <dualwrite/policy/statement.hpp>

#include <limits>
#include <memory>

#include "guard.hpp"
#include "live.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;
using policy::statement_facts;
using policy::statement_kind;

static_assert(DW_STATEMENT_SELECT == static_cast<unsigned>(statement_kind::select));
static_assert(DW_STATEMENT_BATCH == static_cast<unsigned>(statement_kind::batch));
static_assert(DW_STATEMENT_ROLE == static_cast<unsigned>(statement_kind::role));
static_assert(DW_STATEMENT_UNKNOWN == static_cast<unsigned>(statement_kind::unknown));
static_assert(DW_BATCH_COUNTER == static_cast<unsigned>(policy::batch_type::counter));

namespace {

std::uint32_t flags_of(const statement_facts& facts)
{
    const auto bit = [](bool set, std::uint32_t flag) { return set ? flag : 0u; };
    return bit(facts.is_write(), DW_FACT_WRITE) | bit(facts.unparsed, DW_FACT_UNPARSED) |
           bit(facts.conditional, DW_FACT_CONDITIONAL) |
           bit(facts.using_timestamp, DW_FACT_TIMESTAMP) | bit(facts.using_ttl, DW_FACT_TTL) |
           bit(facts.nondeterministic, DW_FACT_NONDETERMINISTIC) |
           bit(facts.other_function, DW_FACT_OTHER_FUNCTION) |
           bit(facts.collection_delta, DW_FACT_DELTA) |
           bit(facts.indexed_element, DW_FACT_ELEMENT) | bit(facts.json, DW_FACT_JSON) |
           bit(facts.range, DW_FACT_RANGE) | bit(facts.may_be_several, DW_FACT_SEVERAL) |
           bit(facts.named_markers, DW_FACT_NAMED) | bit(facts.qualified, DW_FACT_QUALIFIED);
}

// Names stay in the statement.
dw_facts to_c(const statement_facts& facts)
{
    dw_facts to = DW_FACTS_INIT;
    to.kind = static_cast<std::uint32_t>(facts.kind);
    to.flags = flags_of(facts);
    to.batch_type = static_cast<std::uint32_t>(facts.batch);
    to.keyspace = facts.keyspace.c_str();
    to.table = facts.table.c_str();
    to.marker_count = facts.marker_count;
    to.marker_first = facts.marker_first;
    to.child_count = static_cast<std::uint32_t>(facts.children.size());
    to.timestamp_marker = facts.timestamp_marker ? *facts.timestamp_marker : -1;
    to.ttl_marker = facts.ttl_marker ? *facts.ttl_marker : -1;
    to.ttl_s = facts.ttl.value_or(-1);
    to.timestamp_us = facts.timestamp_us.value_or(std::numeric_limits<std::int64_t>::min());
    return to;
}

}  // namespace

int dw_classify(dw_statement** out, const char* cql, size_t size, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (cql == nullptr && size != 0) return null_argument(err, "cql");
        if (size > std::numeric_limits<std::uint32_t>::max())
            return report(err, DW_E_INVALID_ARGUMENT, "a statement is shorter than 4 GiB");
        const auto text = size == 0 ? std::string_view() : std::string_view(cql, size);
        auto made = std::make_unique<dw_statement>();
        made->facts = policy::classify(text);
        *out = made.release();
        return DW_OK;
    });
}

void dw_statement_free(dw_statement** statement)
{
    delete take_handle(statement);
}

int dw_statement_facts(const dw_statement* statement, int32_t child, dw_facts* out, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, statement, "statement"); code != DW_OK) return code;
        if (const int code = check_struct(err, out, "out"); code != DW_OK) return code;
        if (child == -1) return give(out, to_c(statement->facts));
        const auto& children = statement->facts.children;
        if (child < 0 || static_cast<std::size_t>(child) >= children.size())
            return report(err, DW_E_INVALID_ARGUMENT, "the statement has no such child");
        return give(out, to_c(children[static_cast<std::size_t>(child)]));
    });
}
