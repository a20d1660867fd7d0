#include <dualwrite/policy/cql_lexer.hpp>
#include <dualwrite/policy/statement.hpp>
#include <dualwrite/protocol/query_parameters.hpp>
#include <dualwrite/protocol/type_parse.hpp>
#include <dualwrite/protocol/value.hpp>
#include <dualwrite/replication/statements.hpp>

#include "dead_letter.hpp"

// A dead letter as CQL text: what its markers stand for, and the text with the values in it.

namespace dualwrite::engine {

namespace {

using policy::term_kind;

class type_finder {
public:
    type_finder(const replication::table_shapes& shapes, std::size_t count)
        : shapes_(shapes), types_(count)
    {
    }

    void look(const policy::statement_facts& facts)
    {
        if (facts.kind == policy::statement_kind::batch) {
            for (const auto& child : facts.children) look(child);
            return;
        }
        if (facts.timestamp_marker) set(*facts.timestamp_marker, "bigint");
        if (facts.ttl_marker) set(*facts.ttl_marker, "int");
        const auto* shape = replication::find_shape(shapes_, facts.keyspace, facts.table);
        if (shape == nullptr) return;
        for (const auto& relation : facts.key_relations)
            if (!relation.multiple) look(relation.column, relation.source, *shape);
        for (const auto& its : facts.assignments)
            if (its.kind == policy::assignment_kind::value) look(its.column, its.source, *shape);
    }

    std::vector<std::string> take() { return std::move(types_); }

private:
    void look(
        const std::string& column,
        const policy::term_source& source,
        const replication::table_shape& shape
    )
    {
        const auto type = shape.types.find(column);
        if (source.kind == term_kind::marker && source.text.size != 0 && type != shape.types.end())
            set(source.marker, type->second);
    }
    void set(std::size_t marker, const std::string& type)
    {
        if (marker < types_.size()) types_[marker] = type;
    }

    const replication::table_shapes& shapes_;
    std::vector<std::string> types_;
};

// What stands for one value in the text; nothing if there is no such literal.
std::optional<std::string> literal_of(const protocol::bound_value& value, const std::string& type)
{
    if (value.is == protocol::bound_value::state::null) return "null";
    if (value.is != protocol::bound_value::state::present || type.empty()) return {};
    const auto parsed = protocol::parse_type_text(type);
    std::string out;
    if (!parsed || parsed->id == protocol::type_id::custom ||
        !protocol::detail::append_value_text(out, *parsed, value.bytes))
        return {};
    return out;
}

}  // namespace

std::vector<std::string>
types_of_values(std::string_view text, const replication::table_shapes& shapes)
{
    const auto facts = policy::classify(text);
    if (facts.unparsed || facts.marker_count == 0) return {};
    type_finder finder(shapes, facts.marker_count);
    finder.look(facts);
    return finder.take();
}

std::optional<std::string> cql_of(const kept_statement& its)
{
    std::vector<std::optional<std::string>> literals;
    const auto read = protocol::for_each_value(
        as_bytes(its.values),
        its.named_values,
        [&](std::string_view, const auto& value) {
            const auto index = literals.size();
            const auto known = index < its.types.size();
            literals.push_back(literal_of(value, known ? its.types[index] : std::string()));
        }
    );
    if (!read || its.named_values) return {};
    std::string out;
    std::size_t copied = 0;
    std::size_t next = 0;
    policy::cql_lexer lexer(its.text);
    for (auto token = lexer.next(); token.kind != policy::token_kind::end; token = lexer.next()) {
        if (token.kind == policy::token_kind::invalid) return {};
        if (token.kind != policy::token_kind::marker) continue;
        if (next >= literals.size() || !literals[next]) return {};
        out += its.text.substr(copied, token.offset - copied);
        out += *literals[next++];
        copied = token.offset + token.text.size();
    }
    if (next != literals.size()) return {};
    return out + its.text.substr(copied);
}

}  // namespace dualwrite::engine
