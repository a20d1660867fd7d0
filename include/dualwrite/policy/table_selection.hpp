#pragma once

#include <dualwrite/policy/statement_facts.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Which tables an operator wants at the target: --tables-include, --tables-exclude.

namespace dualwrite::policy {

// KEYSPACE.TABLE, names as the schema has them; * stands for any characters of one of the two.
struct table_pattern {
    std::string keyspace;
    std::string table;
    friend bool operator==(const table_pattern&, const table_pattern&) = default;
};

// Empty: the text is not a pattern.
inline std::optional<table_pattern> parse_table_pattern(std::string_view text)
{
    const auto is_part = [](std::string_view name) {
        return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '_' || c == '*';
        });
    };
    const auto dot = text.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto keyspace = text.substr(0, dot);
    const auto table = text.substr(dot + 1);
    if (!is_part(keyspace) || !is_part(table)) return std::nullopt;
    return table_pattern{std::string(keyspace), std::string(table)};
}

// `pattern` as a whole; * is any characters, none included. Linear but for the stars.
constexpr bool matches(std::string_view pattern, std::string_view name) noexcept
{
    std::size_t p = 0, n = 0, star = std::string_view::npos, behind = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            behind = n;
        } else if (p < pattern.size() && pattern[p] == name[n]) {
            ++p, ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++behind;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}
static_assert(matches("*", "") && matches("a*c", "abbc") && !matches("a*c", "ab"));

struct table_selection {
    std::vector<table_pattern> include;  // empty: every table
    std::vector<table_pattern> exclude;  // wins over include

    bool empty() const noexcept { return include.empty() && exclude.empty(); }

    bool takes(std::string_view keyspace, std::string_view table) const noexcept
    {
        const auto is_named = [&](const table_pattern& p) {
            return matches(p.keyspace, keyspace) && matches(p.table, table);
        };
        return (include.empty() || std::any_of(include.begin(), include.end(), is_named)) &&
               std::none_of(exclude.begin(), exclude.end(), is_named);
    }

    // Of what belongs to a keyspace and to no table: the keyspace itself, types, functions.
    bool takes_some_of(std::string_view keyspace) const noexcept
    {
        const auto is_named = [&](const table_pattern& p) { return matches(p.keyspace, keyspace); };
        const auto is_whole = [&](const table_pattern& p) { return p.table == "*" && is_named(p); };
        return (include.empty() || std::any_of(include.begin(), include.end(), is_named)) &&
               std::none_of(exclude.begin(), exclude.end(), is_whole);
    }

    // `keyspace` is the connection's. What names no table or no keyspace is the server's to refuse:
    // it is taken. A batch is taken if one of its children is; an index or trigger with its table,
    // a view by its own name.
    bool takes(const statement_facts& f, std::string_view keyspace) const noexcept
    {
        const std::string_view where = f.qualified ? std::string_view(f.keyspace) : keyspace;
        switch (f.kind) {
        case statement_kind::insert:
        case statement_kind::update:
        case statement_kind::delete_:
        case statement_kind::truncate:
            return where.empty() || f.table.empty() || takes(where, f.table);
        case statement_kind::ddl:
            if (where.empty()) return true;
            return f.table.empty() ? takes_some_of(where) : takes(where, f.table);
        case statement_kind::batch:
            return f.children.empty() ||
                   std::any_of(f.children.begin(), f.children.end(), [&](const auto& child) {
                       return takes(child, keyspace);
                   });
        default:
            return true;
        }
    }
};

// One of the patterns names the table that is written, or one of those that a batch writes.
inline bool is_named(
    const std::vector<table_pattern>& patterns, const statement_facts& f, std::string_view keyspace
) noexcept
{
    if (patterns.empty()) return false;
    const std::string_view where = f.qualified ? std::string_view(f.keyspace) : keyspace;
    const auto names = [&](const table_pattern& p) {
        return !f.table.empty() && matches(p.keyspace, where) && matches(p.table, f.table);
    };
    return std::any_of(patterns.begin(), patterns.end(), names) ||
           std::any_of(f.children.begin(), f.children.end(), [&](const auto& child) {
               return is_named(patterns, child, keyspace);
           });
}

// A batch without the children that a selection leaves out.
struct batch_part {
    std::string text;
    std::vector<std::uint16_t> left_out;  // markers, in bind order over the whole text
};

// Empty: `facts` are no batch, or no child or every child is left out, or not all of it was
// understood, so that nobody can say what would be left.
inline std::optional<batch_part> selected_part(
    std::string_view cql,
    const statement_facts& facts,
    std::string_view keyspace,
    const table_selection& selection
)
{
    if (facts.kind != statement_kind::batch || facts.unparsed) return std::nullopt;
    batch_part out;
    std::size_t position = 0;
    std::size_t kept = 0;
    for (const auto& child : facts.children) {
        if (selection.takes(child, keyspace)) {
            ++kept;
            continue;
        }
        out.text += cql.substr(position, child.text.offset - position);
        position = std::size_t{child.text.offset} + child.text.size;
        for (std::uint16_t i = 0; i < child.marker_count; ++i)
            out.left_out.push_back(static_cast<std::uint16_t>(child.marker_first + i));
    }
    if (kept == 0 || kept == facts.children.size()) return std::nullopt;
    out.text += cql.substr(position);
    return out;
}

}  // namespace dualwrite::policy
