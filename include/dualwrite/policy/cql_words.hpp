#pragma once

#include <dualwrite/policy/cql_lexer.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

// Names, keywords and functions of CQL.

namespace dualwrite::policy::detail {

// Words that cannot be a name without quotes in any version from 3.11 to 5.0. Sorted.
inline constexpr auto reserved_words = std::to_array<std::string_view>({
    "add",      "allow",    "alter",    "and",          "apply",    "asc",    "authorize",
    "batch",    "begin",    "by",       "columnfamily", "create",   "delete", "desc",
    "describe", "drop",     "entries",  "execute",      "false",    "from",   "full",
    "grant",    "if",       "in",       "index",        "infinity", "insert", "into",
    "is",       "keyspace", "limit",    "materialized", "modify",   "nan",    "norecursive",
    "not",      "null",     "of",       "on",           "or",       "order",  "primary",
    "rename",   "revoke",   "schema",   "select",       "set",      "table",  "to",
    "token",    "true",     "truncate", "unlogged",     "update",   "use",    "using",
    "view",     "where",    "with",
});
static_assert(std::is_sorted(reserved_words.begin(), reserved_words.end()));

// Another value at each execution (TimeFcts.java, UuidFcts.java). Sorted.
inline constexpr auto nondeterministic_functions = std::to_array<std::string_view>({
    "current_date",
    "current_time",
    "current_timestamp",
    "current_timeuuid",
    "currentdate",
    "currenttime",
    "currenttimestamp",
    "currenttimeuuid",
    "now",
    "uuid",
});
static_assert(std::is_sorted(nondeterministic_functions.begin(), nondeterministic_functions.end()));

// Cassandra's own functions that always give the same value for the same arguments. Sorted. Those
// with a type in their name (blobAsInt, int_as_blob, castAsText) are told by is_type_function.
inline constexpr auto pure_functions = std::to_array<std::string_view>({
    "abs",
    "collection_avg",
    "collection_count",
    "collection_max",
    "collection_min",
    "collection_sum",
    "dateof",
    "exp",
    "floor",
    "from_json",
    "fromjson",
    "log",
    "log10",
    "map_keys",
    "map_values",
    "mask_default",
    "mask_hash",
    "mask_inner",
    "mask_null",
    "mask_outer",
    "mask_replace",
    "max_timeuuid",
    "maxtimeuuid",
    "min_timeuuid",
    "mintimeuuid",
    "round",
    "similarity_cosine",
    "similarity_dot_product",
    "similarity_euclidean",
    "to_date",
    "to_json",
    "to_timestamp",
    "to_unix_timestamp",
    "todate",
    "tojson",
    "token",
    "totimestamp",
    "tounixtimestamp",
    "unixtimestampof",
});
static_assert(std::is_sorted(pure_functions.begin(), pure_functions.end()));

template <std::size_t n>
constexpr bool contains(const std::array<std::string_view, n>& words, std::string_view word)
{
    return std::binary_search(words.begin(), words.end(), word);
}

constexpr bool is_type_function(std::string_view name)
{
    return name.starts_with("blobas") || name.starts_with("blob_as_") || name.ends_with("asblob") ||
           name.ends_with("_as_blob") || name.starts_with("castas") || name.starts_with("cast_as_");
}

constexpr bool is_reserved(std::string_view word)
{
    std::array<char, 16> lower{};
    if (word.size() > lower.size()) return false;
    std::transform(word.begin(), word.end(), lower.begin(), to_lower);
    return contains(reserved_words, {lower.data(), word.size()});
}
static_assert(is_reserved("Select") && !is_reserved("values"));

inline std::string fold(std::string_view word)
{
    std::string lower(word);
    std::transform(lower.begin(), lower.end(), lower.begin(), to_lower);
    return lower;
}

// The name that a word or a quoted name stands for.
inline std::string unquote(const token& t)
{
    if (t.kind != token_kind::quoted_name) return fold(t.text);
    std::string name;
    for (std::size_t i = 1; i + 1 < t.text.size(); ++i) {
        name += t.text[i];
        if (t.text[i] == '"') ++i;
    }
    return name;
}

inline std::string quote(std::string_view name)
{
    std::string quoted = "\"";
    for (const char c : name) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    quoted += '"';
    return quoted;
}

}  // namespace dualwrite::policy::detail
