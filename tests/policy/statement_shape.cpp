#include <dualwrite/policy/statement_shape.hpp>

#include <doctest/doctest.h>

using dualwrite::policy::statement_shape;

TEST_SUITE("policy/statement_shape")
{
    TEST_CASE("statement_shape: keeps words and signs, hides every value")
    {
        CHECK(
            statement_shape("PRUNE  x 'secret' 5 -1.5 0xcafe :name ? $$code$$ -- why\n [1h]") ==
            "PRUNE x ? ? ? ? : name ? ? [ ? ]"
        );
        CHECK(
            statement_shape("SET \"secret\" = 123e4567-e89b-12d3-a456-426655440000") == "SET ? = ?"
        );
        CHECK(statement_shape("") == "");
    }
    TEST_CASE("statement_shape: is the same for other values and other blanks")
    {
        CHECK(
            statement_shape("KEEP 'a',/**/7 IN t") ==
            statement_shape("KEEP\n'another' , 12345 IN t")
        );
    }
    TEST_CASE("statement_shape: shows nothing of a literal that is not closed")
    {
        CHECK(statement_shape("KEEP 'secret and more") == "KEEP ? ...");
        CHECK(statement_shape("KEEP $$secret") == "KEEP ? ...");
        CHECK(statement_shape("KEEP \"secret") == "KEEP ? ...");
    }
    TEST_CASE("statement_shape: is no longer than it may be")
    {
        const std::string word(30, 'a');
        std::string text;
        for (int i = 0; i < 100; ++i) text += word + ' ';
        CHECK(statement_shape(text, 100).size() <= 104);
        CHECK(statement_shape(text, 100).ends_with(" ..."));
        CHECK(statement_shape(std::string(1000, 'a'), 100) == " ...");
    }
}
