#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../policy/describe.hpp"

// For any text: classify() ends, all its spans lie inside the text, and the text that qualify()
// makes of it has the same facts, except that every name now has a keyspace.
using namespace dualwrite::policy;

static void check(bool holds)
{
    if (!holds) std::abort();
}

static void check_spans(std::string_view cql, const statement_facts& facts)
{
    const auto inside = [&](text_span s) { return std::size_t{s.offset} + s.size <= cql.size(); };
    check(inside(facts.table_name) && inside(facts.second_name) && inside(facts.ttl_text));
    check(!facts.json_value || inside(facts.json_value->text));
    for (const auto& relation : facts.key_relations) check(inside(relation.source.text));
    for (const auto& child : facts.children) check_spans(cql, child);
}

static void set_keyspace(statement_facts& facts)
{
    if (facts.table_name.size != 0 && !facts.qualified) facts.keyspace = "k\"S";
    if (facts.table_name.size != 0) facts.qualified = true;
    for (auto& child : facts.children) set_keyspace(child);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view cql(reinterpret_cast<const char*>(data), size);
    auto facts = classify(cql);
    check_spans(cql, facts);
    const auto qualified = qualify(cql, facts, "k\"S");
    check(is_read_quick(cql) == is_read_quick(qualified));
    set_keyspace(facts);
    check(describe(cql, facts) == describe(qualified, classify(qualified)));
    return 0;
}
