#pragma once

#include <dualwrite/policy/cql_lexer.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

// Targets that take no logged batches: Cosmos DB and Keyspaces say so with a text only. What a
// logged batch promises, that all of it arrives some time, the spool promises as well.

namespace dualwrite::policy {

// The text of an error that means: not as a logged batch. "Logged batches are not supported by the
// service yet. Please use unlogged batches instead." (Cosmos DB, a server error); "Only UNLOGGED
// Batches are supported at this time." (Keyspaces, an invalid request).
inline bool refuses_logged_batch(std::string_view message)
{
    const auto has = [&](std::string_view lower) {
        const auto same = [](char a, char b) { return detail::to_lower(a) == b; };
        return std::search(message.begin(), message.end(), lower.begin(), lower.end(), same) !=
               message.end();
    };
    return has("logged") && has("batch");
}

// The same batch, unlogged. Nothing if the text is no logged batch.
inline std::optional<std::string> as_unlogged(std::string_view cql)
{
    cql_lexer tokens(cql);
    const auto is = [](const token& t, std::string_view lower) {
        return t.kind == token_kind::word && detail::equals_folded(t.text, lower);
    };
    if (!is(tokens.next(), "begin")) return {};
    const auto word = tokens.next();
    const bool logged = is(word, "logged");
    if (!logged && !is(word, "batch")) return {};
    std::string out(cql.substr(0, word.offset));
    out += logged ? "UNLOGGED" : "UNLOGGED ";
    out += cql.substr(word.offset + (logged ? word.text.size() : 0));
    return out;
}

}  // namespace dualwrite::policy
