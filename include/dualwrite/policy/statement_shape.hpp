#pragma once

#include <dualwrite/policy/cql_lexer.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace dualwrite::policy {

// What a statement looks like without what it says: its words and signs with one blank between
// them, `?` in place of each literal and of whatever stands in quotes, no comments. At most
// `size_max` bytes and " ..." behind them. For logs: two executions of one statement have the same
// shape, and no value is in it.
inline std::string statement_shape(std::string_view cql, std::size_t size_max = 200)
{
    std::string out;
    cql_lexer lexer(cql);
    for (auto t = lexer.next(); t.kind != token_kind::end; t = lexer.next()) {
        const bool named = t.kind == token_kind::word || t.kind == token_kind::punctuation;
        // What is no token may be the rest of a literal that was not closed.
        const std::string_view shown = named ? t.text : "?";
        if (out.size() + shown.size() > size_max) return out += " ...";
        if (!out.empty()) out += ' ';
        out += shown;
        if (t.kind == token_kind::invalid) return out += " ...";
    }
    return out;
}

}  // namespace dualwrite::policy
