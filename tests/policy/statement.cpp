#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "describe.hpp"

using namespace dualwrite::policy;

namespace {

void check_spans(std::string_view cql, const statement_facts& facts)
{
    const auto inside = [&](text_span span) {
        return std::size_t{span.offset} + span.size <= cql.size();
    };
    CHECK(inside(facts.table_name));
    CHECK(inside(facts.second_name));
    CHECK(inside(facts.ttl_text));
    for (const auto& r : facts.key_relations) CHECK(inside(r.source.text));
    for (const auto& child : facts.children) check_spans(cql, child);
}

constexpr std::string_view rich_batch =
    "BEGIN UNLOGGED BATCH USING TIMESTAMP ? INSERT INTO \"K\".t (a, b) VALUES (?, {'x': :y}) "
    "IF NOT EXISTS USING TTL 5; /* c */ UPDATE u SET l = [1] + l, m[?] = $$x$$ WHERE k IN (1, 2) "
    "AND (c, d) = (uuid(), deadbeef-dead-beef-dead-beefdeadbeef) IF a = 1 DELETE x.y FROM v "
    "WHERE k = -1.5e3 APPLY BATCH;";

}  // namespace

TEST_SUITE("policy/statement")
{
    TEST_CASE("classify: stays a visible write at every length to which its text is cut")
    {
        REQUIRE_FALSE(classify(rich_batch).unparsed);
        for (std::size_t size = 0; size < rich_batch.size() - 1; ++size) {
            const auto cut = rich_batch.substr(0, size);
            CAPTURE(cut);
            const auto facts = classify(cut);
            check_spans(cut, facts);
            const bool placed = size >= std::string_view("BEGIN UNLOGGED").size();
            CHECK((facts.kind == statement_kind::batch) == placed);
            if (placed) CHECK(facts.unparsed);
            if (placed) CHECK(facts.may_be_several);
        }
    }

    TEST_CASE("classify: gives spans that show the text they stand for")
    {
        const std::string_view cql = "UPDATE  \"Ks\" . t USING TTL 77 SET a = 1 WHERE k = 'x y'";
        const auto facts = classify(cql);
        const auto at = [&](text_span span) { return cql.substr(span.offset, span.size); };
        CHECK(at(facts.table_name) == "\"Ks\" . t");
        CHECK(at(facts.ttl_text) == "77");
        REQUIRE(facts.key_relations.size() == 1);
        CHECK(at(facts.key_relations[0].source.text) == "'x y'");
    }

    TEST_CASE("classify: numbers the markers of a batch's children over the whole text")
    {
        const auto facts = classify(
            "BEGIN BATCH USING TIMESTAMP ? INSERT INTO t (a) VALUES (?) DELETE FROM t WHERE k = ? "
            "APPLY BATCH"
        );
        REQUIRE(facts.children.size() == 2);
        CHECK(facts.timestamp_marker == 0);
        CHECK(facts.children[0].marker_first == 1);
        CHECK(facts.children[1].marker_first == 2);
        CHECK(facts.children[1].marker_count == 1);
        CHECK(facts.children[1].key_relations[0].source.marker == 2);
    }

    TEST_CASE("classify: knows object and action of schema statements")
    {
        const auto create = classify("CREATE CUSTOM INDEX i ON t (a) USING 'x'");
        CHECK(create.ddl_object == schema_object::index);
        CHECK(create.ddl_action == schema_action::create);
        const auto drop = classify("DROP MATERIALIZED VIEW v");
        CHECK(drop.ddl_object == schema_object::view);
        CHECK(drop.ddl_action == schema_action::drop);
        CHECK(classify("ALTER TYPE t ADD a int").ddl_action == schema_action::alter);
    }

    TEST_CASE("classify: refuses to follow nesting that would use up the stack")
    {
        for (const auto open : {"(", "[", "{", "f(", "- (", "CAST("}) {
            CAPTURE(open);
            std::string deep = "INSERT INTO t (a) VALUES (";
            for (int i = 0; i < 200'000; ++i) deep += open;
            const auto facts = classify(deep);
            CHECK(facts.kind == statement_kind::insert);
            CHECK(facts.table == "t");
            CHECK(facts.unparsed);
        }
        std::string relations = "DELETE FROM t WHERE ";
        relations.append(200'000, '(');
        CHECK(classify(relations).unparsed);
        CHECK_FALSE(classify("INSERT INTO t (a) VALUES (((((((((((1)))))))))))").unparsed);
    }

    TEST_CASE("classify: counts 65535 markers and admits that it cannot count more")
    {
        const auto with_markers = [](int count) {
            std::string cql = "INSERT INTO t (a) VALUES ([";
            for (int i = 1; i < count; ++i) cql += "?,";
            return cql + "?])";
        };
        const auto most = classify(with_markers(65535));
        CHECK_FALSE(most.unparsed);
        CHECK(most.marker_count == 65535);
        CHECK(classify(with_markers(65536)).unparsed);
    }

    TEST_CASE("is_read_quick: agrees with classify on what is a read")
    {
        for (const auto cql :
             {"SELECT 1",
              "select",
              " \n/* x */ -- y\n SeLeCt * FROM t",
              "LIST USERS",
              "DESCRIBE TABLES",
              "desc t",
              "// x\rSELECT"}) {
            CAPTURE(cql);
            CHECK(is_read_quick(cql));
            const auto kind = classify(cql).kind;
            CHECK((kind == statement_kind::select || kind == statement_kind::other_read));
        }
        for (const auto cql :
             {"",
              "-- SELECT",
              "/* SELECT",
              "SELECTED",
              "SELEC",
              "'SELECT'",
              "\"SELECT\"",
              "INSERT INTO t (a) VALUES (1)",
              "-- x\rDELETE FROM t WHERE k = 1",
              "USE k",
              "BEGIN BATCH APPLY BATCH",
              "(SELECT)"}) {
            CAPTURE(cql);
            CHECK_FALSE(is_read_quick(cql));
        }
    }
}
