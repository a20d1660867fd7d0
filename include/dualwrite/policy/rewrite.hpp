#pragma once

#include <dualwrite/policy/cql_words.hpp>
#include <dualwrite/policy/statement_facts.hpp>

#include <string>
#include <string_view>

// Changes of statement text.

namespace dualwrite::policy {

namespace detail {

// Copies `cql` from `position` up to `name` and puts `prefix` there if a name without keyspace
// stands there.
inline void splice(
    std::string& out,
    std::string_view cql,
    std::size_t& position,
    text_span name,
    bool qualified,
    std::string_view prefix
)
{
    if (name.size == 0 || qualified) return;
    out += cql.substr(position, name.offset - position);
    out += prefix;
    position = name.offset;
}

}  // namespace detail

// The same statement, independent of the connection's keyspace: `"keyspace".` is put before each
// name without one, in the children of a batch too. Unchanged if `keyspace` is empty or the text
// has no such name. `facts` must be classify(cql); `keyspace` is the name itself, without quotes.
// Types and functions without keyspace need none: they are looked up in the table's keyspace.
inline std::string
qualify(std::string_view cql, const statement_facts& facts, std::string_view keyspace)
{
    if (keyspace.empty()) return std::string(cql);
    const auto prefix = detail::quote(keyspace) + '.';
    std::string out;
    out.reserve(cql.size() + prefix.size() * (facts.children.size() + 1));
    std::size_t position = 0;
    detail::splice(out, cql, position, facts.table_name, facts.qualified, prefix);
    detail::splice(out, cql, position, facts.second_name, facts.second_qualified, prefix);
    for (const auto& child : facts.children)
        detail::splice(out, cql, position, child.table_name, child.qualified, prefix);
    out += cql.substr(position);
    return out;
}

}  // namespace dualwrite::policy
