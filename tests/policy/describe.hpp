#pragma once

#include <dualwrite/policy/statement.hpp>

#include <string>
#include <string_view>

// Facts as one line, so that a table of statements can be read. Only what is set is shown, all of
// what is set is shown: a fact that should not be there fails a test as well as one that is
// missing.
//
//   kind keyspace.table #object flags ts= ttl= json= m<markers> set(...) where(...) { child; child
//   } set:   c (value)  c+ (delta)  c[] (element)  c. (field)  -c -c[] -c. (deletions) where: c=?0
//   (marker)  c=1 (literal)  c={1, 2}! (composite)  c=now()~ (expression)  c IN ...

namespace dualwrite::policy {

inline std::string_view kind_name(statement_kind kind)
{
    constexpr std::string_view names[] = {
        "select",
        "insert",
        "update",
        "delete",
        "batch",
        "truncate",
        "ddl",
        "use",
        "role",
        "other_read",
        "unknown"};
    return names[static_cast<std::size_t>(kind)];
}

inline std::string describe_source(std::string_view cql, const term_source& source)
{
    if (source.kind == term_kind::marker) return "?" + std::to_string(source.marker);
    std::string text(cql.substr(source.text.offset, source.text.size));
    if (source.kind == term_kind::composite) text += '!';
    if (source.kind == term_kind::expression) text += '~';
    return text;
}

inline std::string describe_assignment(const assignment& a)
{
    switch (a.kind) {
    case assignment_kind::value:
        return a.column;
    case assignment_kind::delta:
        return a.column + (a.adds ? '+' : '-');
    case assignment_kind::element:
        return a.column + "[]";
    case assignment_kind::field:
        return a.column + '.';
    case assignment_kind::delete_value:
        return '-' + a.column;
    case assignment_kind::delete_element:
        return '-' + a.column + "[]";
    case assignment_kind::delete_field:
        return '-' + a.column + '.';
    }
    return "?";
}

inline std::string describe_flags(const statement_facts& f)
{
    std::string out;
    const auto flag = [&](bool set, std::string_view name) {
        if (set) (out += ' ') += name;
    };
    flag(f.kind == statement_kind::batch && f.batch == batch_type::unlogged, "unlogged");
    flag(f.kind == statement_kind::batch && f.batch == batch_type::counter, "counter");
    flag(f.unparsed, "unparsed");
    flag(f.conditional, "lwt");
    flag(f.if_exists, "exists");
    flag(f.nondeterministic, "nondeterministic");
    flag(f.other_function, "function");
    flag(f.collection_delta, "delta");
    flag(f.indexed_element, "element");
    flag(f.json, "json");
    flag(f.default_unset, "unset");
    flag(f.range, "range");
    flag(f.token_relation, "token");
    flag(f.named_markers, "named");
    flag(f.may_be_several, "several");
    return out;
}

inline std::string describe_using(std::string_view cql, const statement_facts& f)
{
    std::string out;
    if (f.using_timestamp) out += " ts=";
    if (f.timestamp_us) out += std::to_string(*f.timestamp_us);
    if (f.timestamp_marker) out += "?" + std::to_string(*f.timestamp_marker);
    if (f.using_timestamp && f.timestamp_is_marker != f.timestamp_marker.has_value()) out += "BAD";
    if (f.using_ttl) out += " ttl=";
    if (f.ttl) out += std::to_string(*f.ttl);
    if (f.ttl_marker) out += "?" + std::to_string(*f.ttl_marker);
    if (f.json_value) out += " json=" + describe_source(cql, *f.json_value);
    return out;
}

inline std::string describe(std::string_view cql, const statement_facts& f)
{
    std::string out(kind_name(f.kind));
    if (f.qualified || !f.table.empty()) out += ' ';
    if (f.qualified) out += f.keyspace;
    if (f.qualified && !f.table.empty()) out += '.';
    out += f.table;
    if (!f.object.empty()) out += " #" + f.object;
    out += describe_flags(f) + describe_using(cql, f);
    if (f.marker_count != 0) out += " m" + std::to_string(f.marker_count);

    std::string list;
    for (const auto& a : f.assignments)
        (list += list.empty() ? "" : ", ") += describe_assignment(a);
    if (!list.empty() && f.kind != statement_kind::insert) out += " set(" + list + ")";
    list.clear();
    for (const auto& r : f.key_relations)
        (list += list.empty() ? "" : ", ") +=
            r.column + (r.multiple ? " IN " : "=") + describe_source(cql, r.source);
    if (!list.empty())
        out += (f.kind == statement_kind::insert ? " values(" : " where(") + list + ")";
    list.clear();
    for (const auto& child : f.children) (list += list.empty() ? "" : "; ") += describe(cql, child);
    if (!list.empty()) out += " {" + list + "}";
    return out;
}

}  // namespace dualwrite::policy
