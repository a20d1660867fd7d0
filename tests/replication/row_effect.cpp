#include <dualwrite/policy/statement.hpp>
#include <dualwrite/replication/row_effect.hpp>

#include <doctest/doctest.h>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::replication;
using test::values;

namespace {

// As a statement of table k.clustered: key a, (b, c); static s; a collection m.
bool empties(std::string_view cql, const values& bound = {}, bool named = false)
{
    static const auto shapes = test::shapes();
    const auto effect = effect_of(policy::classify(cql), cql, "k", shapes);
    return may_empty(effect, bound.view(), named);
}

std::string update(std::string_view assignments)
{
    return "UPDATE clustered SET " + std::string(assignments) +
           " WHERE a = 1 AND b = 2 AND c = 'x'";
}

}  // namespace

TEST_SUITE_BEGIN("replication/row_effect");

TEST_CASE("may_empty: what gives a row a marker or a cell, or takes all of it, does not")
{
    for (const auto* cql :
         {"INSERT INTO clustered (a, b, c, x) VALUES (1, 2, 'x', null)",
          "DELETE FROM clustered WHERE a = 1",
          "DELETE FROM clustered WHERE a = 1 AND b = 2 AND c = 'x'",
          "DELETE s FROM clustered WHERE a = 1",
          "UPDATE clustered SET s = null WHERE a = 1"}) {
        CAPTURE(cql);
        CHECK_FALSE(empties(cql));
    }
    for (const auto* assignments :
         {"x = 1",
          "x = 1, y = null",
          "y = null, x = 'null'",
          "m = {'a': 1}",
          "m['a'] = 1",
          "m = m + {'a': 1}, n = {'a'} + n",
          "m += {'a': 1}",
          "u.f = 1"}) {
        CAPTURE(assignments);
        CHECK_FALSE(empties(update(assignments)));
    }
}

TEST_CASE("may_empty: what takes cells and leaves none for sure does")
{
    CHECK(empties("DELETE x FROM clustered WHERE a = 1 AND b = 2 AND c = 'x'"));
    CHECK(empties("DELETE m['a'], u.f FROM clustered WHERE a = 1 AND b = 2 AND c = 'x'"));
    for (const auto* assignments :
         {"x = null",
          "x = NULL, y = null",
          "m = {}",
          "m = [ ]",
          "m = m - {'a'}",
          "m -= {'a'}",
          "m['a'] = null",
          "u.f = null",
          "x = f(1)",
          "s = 1, x = null"}) {
        CAPTURE(assignments);
        CHECK(empties(update(assignments)));
    }
}

TEST_CASE("may_empty: a bound value decides where the column is one cell of the row")
{
    CHECK_FALSE(empties(update("x = ?"), values().of(0)));
    CHECK_FALSE(empties(update("x = ?, y = ?"), values().null().of("")));
    CHECK(empties(update("x = ?, y = ?"), values().null().unset()));
    CHECK(empties(update("x = ?, s = ?"), values().null().of(1)));    // static
    CHECK(empties(update("m = ?"), values().of(std::string(4, 0))));  // perhaps an empty collection
    CHECK(empties(update("x = ?"), values().named("x", 1), true));    // place unknown
    CHECK(empties(update("x = x - ?"), values().of(1)));
    // Markers of the key and of USING are none of a cell.
    CHECK(empties(
        "UPDATE clustered USING TTL ? SET x = ? WHERE a = ? AND b = 2 AND c = 'x'",
        values().of(5).null().of(1)
    ));
}

TEST_CASE("may_empty: one child is enough")
{
    const std::string batch = "BEGIN BATCH " + update("x = 1") + "; " + update("x = null");
    CHECK(empties(batch + " APPLY BATCH"));
    CHECK_FALSE(empties("BEGIN BATCH " + update("x = 1") + " APPLY BATCH"));
}

TEST_CASE("may_empty: of a table that is not known yet every column may be static")
{
    CHECK(empties("UPDATE unknown SET x = 1, y = null WHERE a = 1"));
    CHECK_FALSE(empties("UPDATE unknown SET x = 1 WHERE a = 1"));
}

TEST_SUITE_END();
