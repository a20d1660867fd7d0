#include "corpus.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "describe.hpp"

using namespace dualwrite::policy;

namespace {

const std::vector<corpus_row>& corpus()
{
    static const auto rows = read_corpus(DW_STATEMENTS_FILE);
    return rows;
}

void set_keyspace(statement_facts& facts)
{
    if (facts.table_name.size != 0 && !facts.qualified) facts.keyspace = "k\"S";
    if (facts.table_name.size != 0) facts.qualified = true;
    for (auto& child : facts.children) set_keyspace(child);
}

}  // namespace

TEST_SUITE("policy/statement")
{
    TEST_CASE("statements.txt: holds enough of every kind, none of them twice")
    {
        std::set<std::string> texts, kinds;
        std::size_t refused = 0;
        for (const auto& row : corpus()) {
            CAPTURE(row.line);
            CHECK(texts.insert(row.cql).second);
            CHECK((row.verdict == "good" || row.verdict == "late" || row.verdict == "bad"));
            kinds.insert(row.facts.substr(0, row.facts.find(' ')));
            refused += row.verdict == "bad";
        }
        CHECK(texts.size() >= 700);
        CHECK(refused >= 150);
        CHECK(kinds.size() == 11);
    }
    TEST_CASE("classify: finds every fact of each statement of statements.txt")
    {
        for (const auto& row : corpus()) {
            CAPTURE(row.line);
            CAPTURE(row.cql);
            CHECK(describe(row.cql, classify(row.cql)) == row.facts);
        }
    }
    TEST_CASE("classify: understands everything that the server's grammar takes")
    {
        for (const auto& row : corpus()) {
            if (row.verdict != "good") continue;
            CAPTURE(row.line);
            CAPTURE(row.cql);
            const auto facts = classify(row.cql);
            CHECK(facts.kind != statement_kind::unknown);
            CHECK_FALSE(facts.unparsed);
        }
    }
    TEST_CASE("is_read_quick: says the same as classify for each statement of statements.txt")
    {
        for (const auto& row : corpus()) {
            CAPTURE(row.line);
            CAPTURE(row.cql);
            const auto kind = classify(row.cql).kind;
            const bool reads = kind == statement_kind::select || kind == statement_kind::other_read;
            CHECK(is_read_quick(row.cql) == reads);
        }
    }
    TEST_CASE("qualify: changes nothing but the keyspace in each statement of statements.txt")
    {
        for (const auto& row : corpus()) {
            CAPTURE(row.line);
            CAPTURE(row.cql);
            auto facts = classify(row.cql);
            const auto qualified = qualify(row.cql, facts, "k\"S");
            set_keyspace(facts);
            CHECK(describe(row.cql, facts) == describe(qualified, classify(qualified)));
        }
    }
}
