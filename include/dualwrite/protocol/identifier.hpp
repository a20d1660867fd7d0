#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace dualwrite::protocol {

namespace detail {

// Words that CQL does not take as a name unless they are quoted. Sorted.
inline constexpr auto reserved_words = std::to_array<std::string_view>({
    "add",         "allow",    "alter",        "and",     "apply",    "asc",          "authorize",
    "batch",       "begin",    "between",      "by",      "cast",     "columnfamily", "contains",
    "create",      "default",  "delete",       "desc",    "describe", "distinct",     "drop",
    "entries",     "execute",  "from",         "full",    "grant",    "if",           "in",
    "index",       "infinity", "insert",       "into",    "is",       "json",         "keyspace",
    "like",        "limit",    "materialized", "mbean",   "mbeans",   "modify",       "nan",
    "norecursive", "not",      "null",         "of",      "on",       "or",           "order",
    "per",         "primary",  "rename",       "replace", "revoke",   "schema",       "select",
    "set",         "table",    "to",           "token",   "truncate", "unlogged",     "unset",
    "update",      "use",      "using",        "view",    "where",    "with",
});
static_assert(std::is_sorted(reserved_words.begin(), reserved_words.end()));

constexpr bool is_plain_identifier(std::string_view name) noexcept
{
    if (name.empty() || name[0] < 'a' || name[0] > 'z') return false;
    for (const auto c : name)
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_') return false;
    return !std::binary_search(reserved_words.begin(), reserved_words.end(), name);
}

}  // namespace detail

// The name as it is written in CQL: in double quotes where it would mean something else without.
inline void append_identifier(std::string& out, std::string_view name)
{
    if (detail::is_plain_identifier(name)) {
        out += name;
        return;
    }
    out += '"';
    for (const auto c : name) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

}  // namespace dualwrite::protocol
