#include <dualwrite/engine/memory_budget.hpp>

#include <doctest/doctest.h>

using dualwrite::engine::memory_budget;

TEST_SUITE("engine/memory_budget")
{
    TEST_CASE("memory_budget: is short from three quarters on")
    {
        memory_budget budget(1000);
        budget.add(749);
        CHECK_FALSE(budget.is_short());
        budget.add(1);
        CHECK(budget.is_short());
        budget.take_away(1);
        CHECK_FALSE(budget.is_short());
        CHECK(budget.used() == 749);
    }
    TEST_CASE("memory_budget: admits what fits, and one at a time whatever its size")
    {
        memory_budget budget(1000);
        budget.add(900);
        REQUIRE(budget.admit(5000));
        CHECK(budget.used() == 5900);
        CHECK_FALSE(budget.admit(1));
        budget.leave(5000);
        REQUIRE(budget.admit(60));
        CHECK(budget.admit(40));
        CHECK_FALSE(budget.admit(1));
        budget.leave(60);
        CHECK_FALSE(budget.admit(61));
        CHECK(budget.admit(60));
        budget.leave(60);
        budget.leave(40);
        CHECK(budget.used() == 900);
        CHECK(budget.admit(5000));
    }
}
