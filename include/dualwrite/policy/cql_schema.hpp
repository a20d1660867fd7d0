#pragma once

#include <dualwrite/policy/cql_writes.hpp>

#include <array>
#include <string_view>
#include <utility>

// CREATE, ALTER and DROP. Their bodies are not read: the server that gets the text does that.

namespace dualwrite::policy::detail {

struct schema_word {
    std::string_view word;
    schema_object object;  // none: a role
};

inline constexpr auto schema_words = std::to_array<schema_word>({
    {"keyspace", schema_object::keyspace},
    {"schema", schema_object::keyspace},
    {"table", schema_object::table},
    {"columnfamily", schema_object::table},
    {"type", schema_object::type},
    {"index", schema_object::index},
    {"materialized", schema_object::view},
    {"function", schema_object::function},
    {"aggregate", schema_object::aggregate},
    {"trigger", schema_object::trigger},
    {"role", schema_object::none},
    {"user", schema_object::none},
    {"identity", schema_object::none},
});

class cql_schema : public cql_writes {
public:
    using cql_writes::cql_writes;

protected:
    // The first word is taken. Leaves kind `unknown` if the object is none that we know.
    void schema(statement_facts& facts, schema_action action)
    {
        if (action == schema_action::create && accept_word("or")) accept_word("replace");
        if (action == schema_action::create) accept_word("custom");
        for (const auto& known : schema_words) {
            if (!accept_word(known.word)) continue;
            facts.kind =
                known.object == schema_object::none ? statement_kind::role : statement_kind::ddl;
            facts.ddl_object = known.object;
            facts.ddl_action = action;
            if (facts.kind == statement_kind::ddl && !(if_exists(facts) && names(facts)))
                facts.unparsed = true;
            return;
        }
    }

private:
    // [IF [NOT] EXISTS], behind MATERIALIZED's VIEW
    bool if_exists(statement_facts& facts)
    {
        if (facts.ddl_object == schema_object::view && !accept_word("view")) return false;
        if (!accept_word("if")) return true;
        facts.if_exists = true;
        accept_word("not");
        return accept_word("exists");
    }

    bool names(statement_facts& facts)
    {
        switch (facts.ddl_object) {
        case schema_object::keyspace:
            facts.qualified = true;
            return name(facts.keyspace);
        case schema_object::table:
            return table(facts) && (!accept_word("like") || base(facts));
        case schema_object::view:
            return view(facts);
        case schema_object::trigger:
            return name(facts.object) && accept_word("on") && table(facts);
        case schema_object::index:
            if (facts.ddl_action == schema_action::create) return create_index(facts);
            [[fallthrough]];
        default:
            if (!table(facts)) return false;
            facts.object = std::exchange(facts.table, {});
            return true;
        }
    }

    // [name] ON table; the index's name cannot have a keyspace
    bool create_index(statement_facts& facts)
    {
        if (!is_word("on") && !name(facts.object)) return false;
        return accept_word("on") && table(facts);
    }

    // CREATE: view AS SELECT ... FROM base; ALTER, DROP: view
    bool view(statement_facts& facts)
    {
        if (!table(facts)) return false;
        if (facts.ddl_action != schema_action::create) return true;
        while (!at_end() && !is_word("from")) take();
        return accept_word("from") && base(facts);
    }

    bool base(statement_facts& facts)
    {
        qualified_name found;
        if (!name_with_keyspace(found)) return false;
        facts.second_name = found.span;
        facts.second_qualified = found.qualified;
        return true;
    }
};

}  // namespace dualwrite::policy::detail
