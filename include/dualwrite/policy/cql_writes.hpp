#pragma once

#include <dualwrite/policy/cql_terms.hpp>

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

// INSERT, UPDATE, DELETE, BATCH, and the WHERE clause that SELECT has as well.

namespace dualwrite::policy::detail {

class cql_writes : public cql_terms {
public:
    using cql_terms::cql_terms;

protected:
    // One write, up to what follows it. What is not understood is skipped and marked.
    void write(statement_facts& facts)
    {
        const auto first = markers_;
        bool understood = false;
        if (accept_word("insert"))
            understood = insert(facts);
        else if (accept_word("update"))
            understood = update(facts);
        else if (accept_word("delete"))
            understood = delete_(facts);
        if (!understood || !at_write_end()) give_up(facts);
        note_terms(facts, first);
    }

    // BEGIN is taken. [UNLOGGED | COUNTER | LOGGED] BATCH [USING ...] {write [';']} APPLY BATCH
    void batch(statement_facts& facts)
    {
        facts.kind = statement_kind::batch;
        if (accept_word("unlogged"))
            facts.batch = batch_type::unlogged;
        else if (accept_word("counter"))
            facts.batch = batch_type::counter;
        else
            accept_word("logged");
        if (!accept_word("batch") || !using_clause(facts)) give_up(facts);
        while (!at_end() && !is_word("apply")) {
            if (!at_write()) {
                give_up(facts);
                continue;
            }
            const auto begin = peek().offset;
            auto& child = facts.children.emplace_back();
            write(child);
            accept_sign(";");
            child.text = span_from(begin);
        }
        if (!accept_word("apply") || !accept_word("batch")) give_up(facts);
        note_terms(facts, 0);
        bool calls_known = true;
        for (const auto& child : facts.children) {
            inherit(facts, child);
            calls_known &= child.calls.empty() != child.nondeterministic;
            facts.calls.insert(facts.calls.end(), child.calls.begin(), child.calls.end());
        }
        if (!calls_known) facts.calls.clear();
        facts.may_be_several |= facts.children.size() > 1;
    }

    // WHERE is taken: relations joined by AND.
    bool where(statement_facts& facts)
    {
        do {
            if (!relation(facts, true)) return false;
        } while (accept_word("and"));
        return true;
    }

    void set_table(statement_facts& facts, qualified_name name)
    {
        facts.keyspace = std::move(name.keyspace);
        facts.table = std::move(name.name);
        facts.table_name = name.span;
        facts.qualified = name.qualified;
    }

    bool table(statement_facts& facts)
    {
        qualified_name found;
        if (!name_with_keyspace(found)) return false;
        set_table(facts, std::move(found));
        return true;
    }

    // Skips to the next place where a write can begin or a batch can end: all those words are
    // reserved, so that none of them is a name.
    void give_up(statement_facts& facts)
    {
        facts.unparsed = true;
        facts.may_be_several = true;
        int braces = 0;
        bool behind_term = false;
        while (!at_end() && !at_write() && !is_word("apply"))
            skip_token(braces, behind_term, facts.conditional);
    }

private:
    bool at_write(std::size_t n = 0) const
    {
        return is_word("insert", n) || is_word("update", n) || is_word("delete", n);
    }
    bool at_write_end(std::size_t n = 0) const
    {
        return peek(n).kind == token_kind::end || is_sign(";", n) || is_word("apply", n) ||
               at_write(n);
    }

    static void inherit(statement_facts& batch, const statement_facts& child)
    {
        batch.unparsed |= child.unparsed;
        batch.conditional |= child.conditional;
        batch.nondeterministic |= child.nondeterministic;
        batch.other_function |= child.other_function;
        batch.collection_delta |= child.collection_delta;
        batch.indexed_element |= child.indexed_element;
        batch.json |= child.json;
        batch.range |= child.range;
        batch.named_markers |= child.named_markers;
        batch.may_be_several |= child.may_be_several;
    }

    // INTO table ( '(' columns ')' VALUES '(' terms ')' | JSON value [DEFAULT NULL|UNSET] )
    // [IF NOT EXISTS] [USING ...]
    bool insert(statement_facts& facts)
    {
        facts.kind = statement_kind::insert;
        if (!accept_word("into") || !table(facts)) return false;
        if (!(is_sign("(") ? insert_values(facts) : insert_json(facts))) return false;
        if (accept_word("if")) {
            facts.conditional = facts.if_exists = true;
            if (!accept_word("not") || !accept_word("exists")) return false;
        }
        return using_clause(facts);
    }

    bool insert_values(statement_facts& facts)
    {
        if (!column_list(facts)) return false;
        if (!accept_word("values") || !accept_sign("(")) return false;
        for (std::size_t i = 0; i < facts.assignments.size(); ++i) {
            if (i != 0 && !accept_sign(",")) return false;
            key_relation pair{facts.assignments[i].column, {}, false, {}};
            if (!term(pair.source)) return false;
            facts.key_relations.push_back(std::move(pair));
        }
        return accept_sign(")");
    }

    bool column_list(statement_facts& facts)
    {
        take();
        do {
            assignment column;
            if (!name(column.column)) return false;
            facts.assignments.push_back(std::move(column));
        } while (accept_sign(","));
        return accept_sign(")");
    }

    bool insert_json(statement_facts& facts)
    {
        if (!accept_word("json")) return false;
        facts.json = true;
        term_source value;
        if (peek().kind == token_kind::string)
            value.text = span_from(take_offset());
        else if (!marker(value))
            return false;
        facts.json_value = value;
        if (!accept_word("default")) return true;
        facts.default_unset = is_word("unset");
        return accept_word("unset") || accept_word("null");
    }

    std::size_t take_offset() { return take().offset; }

    // [USING objective {AND objective}]. TIMEOUT is ScyllaDB's; it changes nothing that is written.
    bool using_clause(statement_facts& facts)
    {
        if (!accept_word("using")) return true;
        do {
            term_source value;
            if (accept_word("timestamp")) {
                if (!integer(value)) return false;
                facts.using_timestamp = true;
                facts.timestamp_is_marker = value.kind == term_kind::marker;
                if (facts.timestamp_is_marker)
                    facts.timestamp_marker = value.marker;
                else if (!to_number(value.text, facts.timestamp_us))
                    return false;
            } else if (accept_word("ttl")) {
                if (!integer(value)) return false;
                facts.using_ttl = true;
                facts.ttl_text = value.text;
                if (value.kind == term_kind::marker)
                    facts.ttl_marker = value.marker;
                else if (!to_number(value.text, facts.ttl))
                    return false;
            } else if (!accept_word("timeout") || !integer(value)) {
                return false;
            }
        } while (accept_word("and"));
        return true;
    }

    bool integer(term_source& out)
    {
        if (peek().kind != token_kind::number) return marker(out);
        out.text = span_from(take_offset());
        return true;
    }

    template <class T> bool to_number(text_span span, std::optional<T>& out) const
    {
        const auto digits = text_at(span);
        T value{};
        const auto end = digits.data() + digits.size();
        const auto read = std::from_chars(digits.data(), end, value);
        if (read.ec != std::errc{} || read.ptr != end) return false;
        out = value;
        return true;
    }

    // table [USING ...] SET assignment {',' assignment} WHERE ... [IF ...]
    bool update(statement_facts& facts)
    {
        facts.kind = statement_kind::update;
        if (!table(facts) || !using_clause(facts) || !accept_word("set")) return false;
        do {
            if (!set(facts)) return false;
        } while (accept_sign(","));
        return where_and_conditions(facts);
    }

    bool where_and_conditions(statement_facts& facts)
    {
        if (!accept_word("where") || !where(facts)) return false;
        if (!accept_word("if")) return true;
        facts.conditional = true;
        if (is_word("exists") && at_write_end(1)) {
            facts.if_exists = true;
            return accept_word("exists");
        }
        do {
            if (!relation(facts, false)) return false;
        } while (accept_word("and"));
        return true;
    }

    // column ( '=' value | '+=' term | '-=' term | '[' term ']' '=' term | '.' field '=' term )
    bool set(statement_facts& facts)
    {
        assignment to;
        if (!name(to.column)) return false;
        to.adds = is_sign("+=");
        if (accept_sign("+=") || accept_sign("-=")) {
            to.kind = assignment_kind::delta;
        } else if (is_sign("[")) {
            to.kind = assignment_kind::element;
            if (!element() || !accept_sign("=")) return false;
        } else if (accept_sign(".")) {
            to.kind = assignment_kind::field;
            std::string field;
            if (!name(field) || !accept_sign("=")) return false;
        } else if (!accept_sign("=")) {
            return false;
        } else if (is_column()) {
            to.kind = assignment_kind::delta;
            if (!column_and_sign(to.adds)) return false;
        }
        if (!term(to.source)) return false;
        if (to.kind == assignment_kind::value && accept_sign("+")) {
            to.kind = assignment_kind::delta;
            to.adds = true;
            if (!name_of_column()) return false;
        }
        facts.collection_delta |= to.kind == assignment_kind::delta;
        facts.indexed_element |= to.kind == assignment_kind::element;
        facts.assignments.push_back(std::move(to));
        return true;
    }

    // `c +` or `c -`; in `c -3` the sign belongs to the number, which is left for the term.
    // Cassandra takes `c 3` as well.
    bool column_and_sign(bool& adds)
    {
        if (!name_of_column()) return false;
        adds = is_sign("+");
        if (accept_sign("+") || accept_sign("-")) return true;
        return peek().kind == token_kind::number;
    }

    bool name_of_column()
    {
        std::string ignored;
        return name(ignored);
    }

    // '[' term ']'
    bool element()
    {
        term_source ignored;
        return accept_sign("[") && term(ignored) && accept_sign("]");
    }

    // [column | column '[' term ']' | column '.' field ...] FROM table [USING ...] WHERE ...
    bool delete_(statement_facts& facts)
    {
        facts.kind = statement_kind::delete_;
        if (!is_word("from")) {
            do {
                if (!deletion(facts)) return false;
            } while (accept_sign(","));
        }
        if (!accept_word("from") || !table(facts) || !using_clause(facts)) return false;
        return where_and_conditions(facts);
    }

    bool deletion(statement_facts& facts)
    {
        assignment from{{}, assignment_kind::delete_value, {}, false};
        if (!name(from.column)) return false;
        if (is_sign("[")) {
            from.kind = assignment_kind::delete_element;
            facts.indexed_element = true;
            if (!element()) return false;
        } else if (accept_sign(".")) {
            from.kind = assignment_kind::delete_field;
            if (!name_of_column()) return false;
        }
        facts.assignments.push_back(std::move(from));
        return true;
    }

    // One relation of WHERE, or (`record` false) one condition of IF: same forms.
    bool relation(statement_facts& facts, bool record)
    {
        if (is_word("token") && is_sign("(", 1)) return token_relation(facts);
        if (is_word("expr") && is_sign("(", 1)) return index_expression();
        if (is_sign("(")) return parenthesised_relation(facts, record);
        key_relation found;
        if (!name(found.column)) return false;
        bool plain = true;
        if (is_sign("[")) {
            plain = false;
            if (!element()) return false;
        } else if (accept_sign(".")) {
            plain = false;
            if (!name_of_column()) return false;
        }
        const bool equal = is_sign("=") || is_word("in");
        found.multiple = is_word("in");
        if (!comparison(facts, record, found.source, &found.list)) return false;
        if (record && plain && equal) facts.key_relations.push_back(std::move(found));
        return true;
    }

    // What may stand behind a column or a tuple of columns. `list` gets the terms of IN (...).
    bool comparison(
        statement_facts& facts,
        bool record,
        term_source& value,
        std::vector<term_source>* list = nullptr
    )
    {
        if (accept_sign("=")) return term(value);
        if (accept_word("in")) {
            facts.may_be_several |= record;
            return in_values(value, list);
        }
        if (accept_word("contains")) {
            accept_word("key");
            return term(value);
        }
        if (accept_word("like")) return term(value);
        if (accept_word("is")) return accept_word("not") && accept_word("null");
        if (accept_word("not")) {
            if (accept_word("contains"))
                accept_word("key");
            else if (!accept_word("in"))
                return false;
            facts.range |= record;
            return term(value);
        }
        if (accept_word("between")) {
            facts.range |= record;
            return term(value) && accept_word("and") && term(value);
        }
        for (const auto* sign : {"<", "<=", ">", ">=", "!="}) {
            if (!accept_sign(sign)) continue;
            facts.range |= record;
            return term(value);
        }
        return false;
    }

    // '(' terms ')' | marker
    bool in_values(term_source& value, std::vector<term_source>* list)
    {
        if (!is_sign("(")) return term(value);
        const auto begin = peek().offset;
        if (!term_list(")", value.kind, list)) return false;
        value.text = span_from(begin);
        return true;
    }

    bool token_relation(statement_facts& facts)
    {
        facts.token_relation = true;
        take();
        take();
        do {
            if (!name_of_column()) return false;
        } while (accept_sign(","));
        term_source ignored;
        return accept_sign(")") && comparison(facts, true, ignored);
    }

    // expr(index, term): a custom index, in SELECT only
    bool index_expression()
    {
        take();
        take();
        term_source ignored;
        return name_of_column() && accept_sign(",") && term(ignored) && accept_sign(")");
    }

    // '(' relation ')' | '(' columns ')' comparison
    bool parenthesised_relation(statement_facts& facts, bool record)
    {
        take();
        if (!(is_name() && (is_sign(",", 1) || is_sign(")", 1)))) {
            if (relation_depth_ == relation_depth_max) return false;
            ++relation_depth_;
            const bool inner = relation(facts, record) && accept_sign(")");
            --relation_depth_;
            return inner;
        }
        std::vector<std::string> columns;
        do {
            if (!name(columns.emplace_back())) return false;
        } while (accept_sign(","));
        if (!accept_sign(")")) return false;
        if (is_sign("=") && is_sign("(", 1)) return tuple_equality(facts, record, columns);
        const bool equal = is_sign("=") || is_word("in");
        key_relation found{{}, {}, is_word("in"), {}};
        if (!comparison(facts, record, found.source)) return false;
        found.source.kind = term_kind::expression;  // a tuple, or a list of tuples
        for (auto& column : columns) {
            found.column = std::move(column);
            if (record && equal) facts.key_relations.push_back(found);
        }
        return true;
    }

    // (a, b) = (1, ?) is a = 1 AND b = ?.
    bool tuple_equality(statement_facts& facts, bool record, std::vector<std::string>& columns)
    {
        take();
        take();
        for (std::size_t i = 0; i < columns.size(); ++i) {
            if (i != 0 && !accept_sign(",")) return false;
            key_relation found{std::move(columns[i]), {}, false, {}};
            if (!term(found.source)) return false;
            if (record) facts.key_relations.push_back(std::move(found));
        }
        return accept_sign(")");
    }

    static constexpr int relation_depth_max = 50;
    int relation_depth_{0};
};

}  // namespace dualwrite::policy::detail
