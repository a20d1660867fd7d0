#include <dualwrite/policy/schema_effect.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace dualwrite::policy;

namespace {

using names = std::vector<schema_effect::name>;

// Done, as far as these rows say?
bool done(std::string_view text, const names& found, std::string_view message = "")
{
    const auto effect = effect_of_schema(text);
    REQUIRE(effect);
    return is_there(*effect, found, message);
}

const names before{{"a", "int"}, {"b", "text"}};

names with(names more)
{
    auto out = before;
    out.insert(out.end(), more.begin(), more.end());
    return out;
}

}  // namespace

TEST_SUITE_BEGIN("policy/schema_effect");

TEST_CASE("schema_effect: columns that are added are there, with their types, or not")
{
    const std::string one = "ALTER TABLE \"k\".t ADD c int";
    CHECK(done(one, with({{"c", "int"}})));
    CHECK_FALSE(done(one, before));
    CHECK_FALSE(done(one, with({{"c", "text"}})));
    CHECK_FALSE(done(one, with({{"\"C\"", "int"}})));
    CHECK(done("ALTER TABLE k.t ADD \"C\" int;", with({{"C", "int"}})));
    CHECK_FALSE(done("ALTER TABLE k.t ADD \"C\" int;", with({{"c", "int"}})));
    const std::string several =
        "alter table k.t add (c MAP<varchar, Frozen<k.pair>>, d list<int> static, e int masked "
        "with mask_inner(1, null), f vector<float, 3>)";
    const names all{
        {"c", "map<text, frozen<pair>>"},
        {"d", "list<int>"},
        {"e", "int"},
        {"f", "vector<float, 3>"}};
    CHECK(done(several, with(all)));
    for (std::size_t i = 0; i < all.size(); ++i) {
        auto some = all;
        some.erase(some.begin() + static_cast<std::ptrdiff_t>(i));
        CHECK_FALSE(done(several, with(some)));
    }
    // Types of another keyspace are others.
    CHECK_FALSE(done("ALTER TABLE k.t ADD c frozen<xk.pair>", with({{"c", "frozen<xpair>"}})));
}

TEST_CASE("schema_effect: columns that are dropped are gone from a table that is there")
{
    CHECK(done("ALTER TABLE k.t DROP c", before));
    CHECK(done("ALTER TABLE k.t DROP (c, d)", before));
    CHECK_FALSE(done("ALTER TABLE k.t DROP (c, b)", before));
    CHECK_FALSE(done("ALTER TABLE k.t DROP b", before));
    CHECK_FALSE(done("ALTER TABLE k.t DROP c", {}));
    CHECK_FALSE(done("ALTER TABLE k.t ADD c int", {}));
}

TEST_CASE("schema_effect: what is renamed has its new name and not its old one")
{
    CHECK(done("ALTER TABLE k.t RENAME x TO a AND y TO b", before));
    CHECK_FALSE(done("ALTER TABLE k.t RENAME x TO a AND b TO c", before));
    CHECK_FALSE(done("ALTER TABLE k.t RENAME a TO b", before));
    CHECK(done("ALTER TYPE k.u RENAME x TO a", before));
    CHECK_FALSE(done("ALTER TYPE k.u RENAME a TO x", before));
}

TEST_CASE("schema_effect: fields of a type are looked at like columns")
{
    const auto effect = effect_of_schema("ALTER TYPE k.\"U\" ADD c frozen<set<int>>");
    REQUIRE(effect);
    CHECK(
        effect->query ==
        "SELECT keyspace_name, type_name, field_names, field_types FROM system_schema.types WHERE "
        "keyspace_name = 'k' AND type_name = 'U'"
    );
    CHECK(effect->of == "field_names");
    CHECK(is_there(*effect, with({{"c", "frozen<set<int>>"}}), ""));
    CHECK_FALSE(is_there(*effect, before, ""));
}

TEST_CASE("schema_effect: what is created is there, what is dropped is not")
{
    struct one {
        std::string what;
        std::string query;
    };
    for (const auto& its : std::vector<one>{
             {"TYPE k.x", "SELECT keyspace_name, type_name FROM system_schema.types"},
             {"TABLE k.x", "SELECT keyspace_name, table_name FROM system_schema.tables"},
             {"MATERIALIZED VIEW k.x", "SELECT keyspace_name, view_name FROM system_schema.views"},
             {"INDEX k.x", "SELECT keyspace_name, index_name FROM system_schema.indexes"}}) {
        CAPTURE(its.what);
        const auto effect = effect_of_schema("DROP " + its.what);
        REQUIRE(effect);
        CHECK(effect->query == its.query + " WHERE keyspace_name = 'k'");
        CHECK(is_there(*effect, {{"y"}}, ""));
        CHECK(is_there(*effect, {}, ""));
        CHECK_FALSE(is_there(*effect, {{"x"}}, ""));
    }
    CHECK(done("CREATE TYPE k.x (a int)", {{"y"}, {"x"}}));
    CHECK_FALSE(done("CREATE TYPE k.x (a int)", {{"y"}}));
    CHECK(done("CREATE INDEX i ON k.t (b)", {{"i"}}));
    CHECK(done("DROP KEYSPACE k", {}));
    CHECK_FALSE(done("DROP KEYSPACE k", {{"k"}}));
}

TEST_CASE("schema_effect: where names do not tell it, the cluster's words have to")
{
    CHECK(done(
        "CREATE INDEX ON k.t (b)", {}, "Index t_b_idx_1 is a duplicate of existing index t_b_idx"
    ));
    CHECK_FALSE(done("CREATE INDEX ON k.t (b)", {{"t_b_idx"}}, "Undefined column name b"));
    const std::string function = "CREATE FUNCTION k.f (a int) RETURNS NULL ON NULL INPUT RETURNS "
                                 "int LANGUAGE java AS 'return a;'";
    CHECK(done(function, {}, "Function 'f(int)' ALREADY EXISTS"));
    CHECK_FALSE(done(function, {{"f"}}, "User-defined functions are disabled"));
    CHECK(done("DROP FUNCTION k.f", {}, "Function 'f' doesn't exist"));
    CHECK_FALSE(done("DROP FUNCTION k.f", {}, "Function 'f' is still referenced"));
}

TEST_CASE("schema_effect: nobody can tell it of statements that can be repeated, or are not known")
{
    for (const std::string_view text :
         {"ALTER TABLE k.t WITH comment = 'x'",
          "ALTER KEYSPACE k WITH durable_writes = true",
          "ALTER TABLE k.t ADD",
          "ALTER TABLE k.t ADD c",
          "ALTER TABLE k.t ADD (c int, d",
          "ALTER TABLE k.t RENAME a b",
          "ALTER TABLE k.t DROP b USING TIMESTAMP 5",
          "ALTER TABLE t ADD c int",
          "CREATE TRIGGER x ON k.t USING 'y'",
          "CREATE ROLE r",
          "TRUNCATE k.t",
          "INSERT INTO k.t (a) VALUES (1)",
          ""})
        CHECK_FALSE(effect_of_schema(text));
}

TEST_CASE("schema_effect: names with quotes cannot change the question")
{
    const auto effect = effect_of_schema("ALTER TABLE \"k'x\".\"t\"\"y\" ADD c int");
    REQUIRE(effect);
    CHECK(effect->query.ends_with("WHERE keyspace_name = 'k''x' AND table_name = 't\"y'"));
}

TEST_SUITE_END();
