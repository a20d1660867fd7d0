#include <dualwrite/policy/evaluate.hpp>
#include <dualwrite/policy/statement_shape.hpp>
#include <dualwrite/policy/table_selection.hpp>

#include "../policy/describe.hpp"
#include "fuzz.hpp"

// For any text: classify() ends and all its spans lie inside the text; and whatever is rewritten
// says the same as before, but for what the rewriting is for.
using namespace dualwrite::policy;
using dualwrite::fuzz::check;

namespace {

void check_spans(std::string_view cql, const statement_facts& facts)
{
    const auto inside = [&](text_span s) { return std::size_t{s.offset} + s.size <= cql.size(); };
    check(inside(facts.table_name) && inside(facts.second_name) && inside(facts.ttl_text));
    check(inside(facts.text) && (!facts.json_value || inside(facts.json_value->text)));
    for (const auto& relation : facts.key_relations) check(inside(relation.source.text));
    for (const auto& call : facts.calls) check(inside(call.text));
    for (const auto& child : facts.children) check_spans(cql, child);
}

void set_keyspace(statement_facts& facts)
{
    if (facts.table_name.size != 0 && !facts.qualified) facts.keyspace = "k\"S";
    if (facts.table_name.size != 0) facts.qualified = true;
    for (auto& child : facts.children) set_keyspace(child);
}

// Every name gets a keyspace, nothing else changes.
void check_qualified(std::string_view cql, statement_facts facts)
{
    const auto qualified = qualify(cql, facts, "k\"S");
    check(is_read_quick(cql) == is_read_quick(qualified));
    set_keyspace(facts);
    check(describe(cql, facts) == describe(qualified, classify(qualified)));
}

// Literals, or markers, in place of the calls: the same statement about the same table, without a
// function that varies, and with so many markers more.
void check_evaluated(std::string_view cql, const statement_facts& facts)
{
    if (!is_evaluable(facts)) return;
    function_evaluator evaluator([] { return 0x0123456789abcdefull; });
    const auto with_literals = evaluate(cql, facts, evaluator, 1'700'000'000'000);
    const auto hiding = hide_calls(cql, facts);
    const auto hidden = hidden_markers(hiding);
    check(hidden.size() == facts.calls.size());
    for (const auto& text : {with_literals, hiding}) {
        const auto again = classify(text);
        check(again.kind == facts.kind && again.table == facts.table && !again.unparsed);
        check(!again.nondeterministic && again.calls.empty());
        check(again.conditional == facts.conditional);
        check(again.children.size() == facts.children.size());
        const auto more = text == hiding ? hidden.size() : 0;
        check(again.marker_count == facts.marker_count + more);
    }
}

// What is left of a batch are the children that were to be left, as they were.
void check_part(std::string_view cql, const statement_facts& facts)
{
    table_selection some;
    some.exclude = {{"*", "*t*"}};
    const auto part = selected_part(cql, facts, "ks", some);
    if (!part) return;
    const auto left = classify(part->text);
    check(left.kind == statement_kind::batch && !left.unparsed);
    std::vector<std::string> wanted, found;
    const auto text_of = [](std::string_view of, text_span s) {
        return of.substr(s.offset, s.size);
    };
    for (const auto& child : facts.children)
        if (some.takes(child, "ks")) wanted.emplace_back(text_of(cql, child.text));
    for (const auto& child : left.children) found.emplace_back(text_of(part->text, child.text));
    check(wanted == found);
    check(left.marker_count + part->left_out.size() == facts.marker_count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view cql(reinterpret_cast<const char*>(data), size);
    const auto facts = classify(cql);
    check_spans(cql, facts);
    check_qualified(cql, facts);
    check_evaluated(cql, facts);
    check_part(cql, facts);
    check(statement_shape(cql).size() <= 210);
    return 0;
}
