#pragma once

#include <dualwrite/policy/cql_schema.hpp>
#include <dualwrite/policy/rewrite.hpp>
#include <dualwrite/policy/statement_facts.hpp>

#include <cstdint>
#include <limits>
#include <string_view>

// Classification of CQL text by its grammar (Parser.g of Cassandra 3.11 to 5.0), never by
// substring.

namespace dualwrite::policy {

namespace detail {

class cql_statement : public cql_schema {
public:
    using cql_schema::cql_schema;

    statement_facts run()
    {
        statement_facts facts;
        if (is_word("insert") || is_word("update") || is_word("delete"))
            write(facts);
        else if (accept_word("select"))
            select(facts);
        else if (is_word("begin") && is_batch(1))
            take(), batch(facts);
        else if (accept_word("truncate"))
            truncate(facts);
        else if (accept_word("create"))
            schema(facts, schema_action::create);
        else if (accept_word("alter"))
            schema(facts, schema_action::alter);
        else if (accept_word("drop"))
            schema(facts, schema_action::drop);
        else if (accept_word("use"))
            use(facts);
        else
            facts.kind = by_first_word();
        if (facts.kind != statement_kind::unknown) finish(facts);
        return facts;
    }

private:
    bool is_batch(std::size_t n) const
    {
        return is_word("batch", n) || is_word("unlogged", n) || is_word("counter", n) ||
               is_word("logged", n);
    }

    statement_kind by_first_word() const
    {
        if (is_word("grant") || is_word("revoke")) return statement_kind::role;
        if (is_word("add") && is_word("identity", 1)) return statement_kind::role;
        if (is_word("list") || is_word("describe") || is_word("desc"))
            return statement_kind::other_read;
        return statement_kind::unknown;
    }

    // [JSON] [DISTINCT] selectors FROM table [WHERE ...] and a tail that is not read
    void select(statement_facts& facts)
    {
        facts.kind = statement_kind::select;
        facts.json = is_word("json") && is_selector(1);
        int braces = 0;
        bool behind_term = false;
        bool ignored = false;
        while (!at_end() && !is_word("from")) skip_token(braces, behind_term, ignored);
        if (!accept_word("from") || !table(facts))
            facts.unparsed = true;
        else if (accept_word("where") && !where(facts))
            facts.unparsed = true;
        while (!at_end() && !is_sign(";")) {
            facts.unparsed |= peek().kind == token_kind::invalid;
            skip_token(braces, behind_term, ignored);
        }
        note_terms(facts, 0);
    }

    // Behind JSON or DISTINCT, which are names of columns as well.
    bool is_selector(std::size_t n) const
    {
        const auto& t = peek(n);
        if (is_word("from", n) || is_word("as", n)) return false;
        if (t.text == "*") return is_word("from", n + 1);
        return t.kind != token_kind::punctuation || t.text == "(" || t.text == "{" || t.text == ":";
    }

    // [TABLE | COLUMNFAMILY] table
    void truncate(statement_facts& facts)
    {
        facts.kind = statement_kind::truncate;
        if (!accept_word("table")) accept_word("columnfamily");
        facts.unparsed = !table(facts);
    }

    void use(statement_facts& facts)
    {
        facts.kind = statement_kind::use;
        facts.qualified = true;
        facts.unparsed = !name(facts.keyspace);
    }

    // Only semicolons may follow; of statements whose body is not read, the rest is passed over.
    void finish(statement_facts& facts)
    {
        const bool body_follows = facts.kind == statement_kind::ddl ||
                                  facts.kind == statement_kind::role ||
                                  facts.kind == statement_kind::other_read;
        while (body_follows && !at_end() && !is_sign(";"))
            facts.unparsed |= take().kind == token_kind::invalid;
        while (accept_sign(";")) {
        }
        const bool too_many = markers_ > std::numeric_limits<std::uint16_t>::max();
        if (at_end() && !too_many) return;
        facts.unparsed = true;
        if (facts.is_write()) facts.may_be_several = true;
    }
};

}  // namespace detail

// What the text is and touches. Never fails: text that cannot be placed is `unknown`, a write with
// a part that was not understood is `unparsed`. Allocates; takes time linear in the text's size.
inline statement_facts classify(std::string_view cql)
{
    if (cql.size() > std::numeric_limits<std::uint32_t>::max()) return {};
    return detail::cql_statement(cql).run();
}

// True if the first word says that the statement changes nothing: SELECT, LIST, DESCRIBE. For the
// hot path: reads no further than that word and allocates nothing.
inline bool is_read_quick(std::string_view cql) noexcept
{
    const auto first = cql_lexer(cql).next();
    return detail::equals_folded(first.text, "select") ||
           detail::equals_folded(first.text, "list") ||
           detail::equals_folded(first.text, "describe") ||
           detail::equals_folded(first.text, "desc");
}

}  // namespace dualwrite::policy
