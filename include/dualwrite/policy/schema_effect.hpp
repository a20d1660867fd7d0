#pragma once

#include <dualwrite/policy/cql_words.hpp>
#include <dualwrite/policy/statement.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Whether a cluster has done what a CREATE, ALTER or DROP asks for.
//
// DDL cannot be executed twice: ALTER TABLE ... ADD is refused when the column is there. After a
// crash or a lost answer nobody knows whether it was executed, so it is sent again, and what the
// cluster refuses then is compared with what system_schema says.

namespace dualwrite::policy {

// What must stand in system_schema when the statement has been executed.
struct schema_effect {
    struct name {
        std::string name;
        std::string type{};  // empty: any
    };

    std::string query;          // whose rows tell
    std::string keyspace;       // of those rows, without quotes
    std::string table;          // the same; empty: any
    std::string_view of;        // the column of those rows that has the names
    std::vector<name> present;  // all of these
    std::vector<name> absent;   // none of these
    bool with_others{false};    // a part of what there is: without a row nothing was done
    // The names do not tell all: what the cluster says has to have one of these words.
    std::vector<std::string_view> says{};
};

namespace detail {

// Types as system_schema spells them, as far as two spellings can be the same.
inline std::string plain_type(std::string_view type, std::string_view keyspace)
{
    std::string out;
    std::string last;
    cql_lexer lexer(type);
    for (auto t = lexer.next(); t.kind != token_kind::end && t.kind != token_kind::invalid;
         t = lexer.next()) {
        const bool is_name = t.kind == token_kind::word || t.kind == token_kind::quoted_name;
        auto word = is_name ? unquote(t) : std::string(t.text);
        // A type of this keyspace.
        if (word == "." && last == keyspace) {
            out.resize(out.size() - last.size());
            last.clear();
            continue;
        }
        if (word == "varchar") word = "text";
        out += word;
        last = std::move(word);
    }
    return out;
}

class effect_parser {
public:
    effect_parser(std::string_view text, const statement_facts& facts)
        : text_(text), facts_(facts), lexer_(text)
    {
        take();
    }

    std::optional<schema_effect> parse()
    {
        if (facts_.kind != statement_kind::ddl || facts_.unparsed || facts_.keyspace.empty())
            return {};
        out_.keyspace = facts_.keyspace;
        if (facts_.ddl_action == schema_action::alter) return alter();
        return object();
    }

private:
    void take() { token_ = lexer_.next(); }
    bool at_end() const
    {
        return token_.kind == token_kind::end || token_.kind == token_kind::invalid ||
               token_.text == ";";
    }
    bool is(std::string_view word) const
    {
        const bool plain =
            token_.kind == token_kind::word || token_.kind == token_kind::punctuation;
        return plain && fold(token_.text) == word;
    }
    bool accept(std::string_view word)
    {
        if (!is(word)) return false;
        take();
        return true;
    }
    std::optional<std::string> name()
    {
        if (token_.kind != token_kind::word && token_.kind != token_kind::quoted_name) return {};
        auto out = unquote(token_);
        take();
        return out;
    }
    static std::string literal(std::string_view value)
    {
        std::string out = "'";
        for (const char c : value) {
            if (c == '\'') out += '\'';
            out += c;
        }
        return out + '\'';
    }

    // Behind the name that is altered.
    void skip_name()
    {
        const auto end = facts_.table_name.offset + facts_.table_name.size;
        while (!at_end() && token_.offset < end) take();
    }

    std::optional<schema_effect> alter()
    {
        const bool table = facts_.ddl_object == schema_object::table;
        if (!table && facts_.ddl_object != schema_object::type) return {};
        out_.with_others = true;
        out_.table = table ? facts_.table : facts_.object;
        out_.of = table ? "column_name" : "field_names";
        const std::string name_of = table ? "table_name" : "type_name";
        out_.query = table ? "SELECT keyspace_name, table_name, column_name, type FROM "
                             "system_schema.columns"
                           : "SELECT keyspace_name, type_name, field_names, field_types FROM "
                             "system_schema.types";
        out_.query += " WHERE keyspace_name = " + literal(out_.keyspace) + " AND " + name_of +
                      " = " + literal(out_.table);
        skip_name();
        bool understood = false;
        if (accept("add"))
            understood = added();
        else if (accept("rename"))
            understood = renamed();
        else if (table && accept("drop"))
            understood = dropped();
        if (!understood || !at_end()) return {};
        return std::move(out_);
    }

    bool if_exists()
    {
        if (!accept("if")) return true;
        accept("not");
        return accept("exists");
    }

    // name type [, ...], also in parentheses
    bool added()
    {
        if (!if_exists()) return false;
        const bool in_parentheses = accept("(");
        do {
            auto its = name();
            if (!its) return false;
            auto type = type_text();
            if (type.empty()) return false;
            out_.present.push_back({std::move(*its), std::move(type)});
        } while (accept(","));
        return !in_parentheses || accept(")");
    }

    std::string type_text()
    {
        const auto begin = token_.offset;
        auto end = begin;
        int depth = 0;
        while (!at_end()) {
            if (depth == 0 && (is(",") || is(")") || is("static") || is("masked"))) break;
            if (is("<")) ++depth;
            if (is(">")) --depth;
            end = token_.offset + token_.text.size();
            take();
        }
        auto out = plain_type(text_.substr(begin, end - begin), out_.keyspace);
        accept("static");
        // MASKED WITH f(...)
        if (accept("masked")) {
            int open = 0;
            while (!at_end() && !(open == 0 && (is(",") || is(")")))) {
                if (is("(")) ++open;
                if (is(")")) --open;
                take();
            }
        }
        return out;
    }

    bool renamed()
    {
        if (!if_exists()) return false;
        do {
            auto from = name();
            if (!from || !accept("to")) return false;
            auto to = name();
            if (!to) return false;
            out_.absent.push_back({std::move(*from)});
            out_.present.push_back({std::move(*to)});
        } while (accept("and"));
        return true;
    }

    // name [, ...], also in parentheses
    bool dropped()
    {
        if (!if_exists()) return false;
        const bool in_parentheses = accept("(");
        do {
            auto its = name();
            if (!its) return false;
            out_.absent.push_back({std::move(*its)});
        } while (accept(","));
        if (in_parentheses && !accept(")")) return false;
        return true;  // USING TIMESTAMP: not understood
    }

    std::optional<schema_effect> object()
    {
        const bool create = facts_.ddl_action == schema_action::create;
        auto its = facts_.object;
        const auto from = [&](std::string_view table, std::string_view column) {
            out_.of = column;
            out_.query = "SELECT keyspace_name, " + std::string(column) + " FROM system_schema." +
                         std::string(table);
            if (column == "keyspace_name")
                out_.query = "SELECT keyspace_name FROM system_schema." + std::string(table);
            out_.query += " WHERE keyspace_name = " + literal(out_.keyspace);
        };
        switch (facts_.ddl_object) {
        case schema_object::keyspace:
            its = facts_.keyspace;
            from("keyspaces", "keyspace_name");
            break;
        case schema_object::table:
            its = facts_.table;
            from("tables", "table_name");
            break;
        case schema_object::view:
            its = facts_.table;
            from("views", "view_name");
            break;
        case schema_object::type:
            from("types", "type_name");
            break;
        case schema_object::index:
            from("indexes", "index_name");
            // Without a name it got one of its own.
            if (its.empty()) out_.says = {"already exists", "duplicate"};
            break;
        case schema_object::function:
        case schema_object::aggregate:
            // Others of the same name have other arguments.
            out_.says = create ? std::vector<std::string_view>{"already exists"}
                               : std::vector<std::string_view>{
                                     "doesn't exist", "not found", "non existing", "non-existing"};
            from("keyspaces", "keyspace_name");
            its.clear();
            break;
        default:
            return {};
        }
        if (!its.empty()) (create ? out_.present : out_.absent).push_back({std::move(its)});
        return std::move(out_);
    }

    std::string_view text_;
    const statement_facts& facts_;
    cql_lexer lexer_;
    token token_;
    schema_effect out_;
};

}  // namespace detail

// Empty: for this statement nobody can tell. The text has to name its keyspace.
inline std::optional<schema_effect> effect_of_schema(std::string_view text)
{
    const auto facts = classify(text);
    return detail::effect_parser(text, facts).parse();
}

// What the rows of the effect's query say. Names and types as system_schema has them, of its
// keyspace and table.
inline bool is_there(
    const schema_effect& effect,
    const std::vector<schema_effect::name>& found,
    std::string_view message
)
{
    const auto finds = [&](const schema_effect::name& wanted) {
        return std::any_of(found.begin(), found.end(), [&](const schema_effect::name& one) {
            return one.name == wanted.name &&
                   (wanted.type.empty() ||
                    detail::plain_type(one.type, effect.keyspace) == wanted.type);
        });
    };
    if (effect.with_others && found.empty()) return false;
    const auto lower = detail::fold(message);
    const bool said =
        effect.says.empty() ||
        std::any_of(effect.says.begin(), effect.says.end(), [&](std::string_view words) {
            return lower.find(words) != std::string::npos;
        });
    return said && std::all_of(effect.present.begin(), effect.present.end(), finds) &&
           std::none_of(effect.absent.begin(), effect.absent.end(), finds);
}

}  // namespace dualwrite::policy
