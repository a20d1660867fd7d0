#include "source_clock.hpp"

#include <doctest/doctest.h>

#include <random>

using dualwrite::engine::source_clock;

TEST_SUITE_BEGIN("engine/source_clock");

TEST_CASE("source_clock: knows nothing before the first answer, and after a minute without one")
{
    source_clock clock;
    CHECK_FALSE(clock.at_least(0));
    CHECK_FALSE(clock.at_most(0));
    CHECK(clock.learn(1000, 1010, 5000));
    CHECK(clock.at_least(1010) == 5000);
    CHECK(clock.at_most(1010) == 5011);  // it was asked 10 ms before, and its milliseconds are cut
    CHECK(clock.at_least(61'010));
    CHECK_FALSE(clock.at_least(61'011));
    CHECK_FALSE(clock.at_most(61'011));
    CHECK(clock.learn(70'000, 70'000, 90'000));
    CHECK_FALSE(clock.learn(70'001, 70'001, 90'001));
}

TEST_CASE("source_clock: an answer that took long says nothing")
{
    source_clock clock;
    CHECK_FALSE(clock.learn(0, 1001, 5000));
    CHECK_FALSE(clock.learn(10, 9, 5000));
    CHECK_FALSE(clock.at_least(1001));
    CHECK(clock.learn(0, 1000, 5000));
}

TEST_CASE("source_clock: a slow answer does not replace a quick one of a moment ago")
{
    source_clock clock;
    CHECK(clock.learn(0, 2, 5000));
    CHECK_FALSE(clock.learn(100, 600, 5300));
    CHECK(clock.at_most(600) == 5601);
    // It is too old in the end.
    CHECK_FALSE(clock.learn(10'100, 10'600, 15'300));
    CHECK(clock.at_most(10'600) == 15'801);
}

TEST_CASE("source_clock: follows a clock that was set, back or forwards, at once")
{
    for (const std::int64_t by : {-3'600'000, -50, 50, 3'600'000}) {
        source_clock clock;
        CHECK(clock.learn(0, 2, 10'000'000));
        CHECK_FALSE(clock.learn(1000, 1010, 10'001'005 + by));
        CHECK(clock.at_least(1010) == 10'001'005 + by);
        CHECK(clock.at_most(1010) == 10'001'016 + by);
    }
}

TEST_CASE("source_clock: what the clock says lies between, whatever the answers take")
{
    std::mt19937_64 random(7);
    const auto below = [&](std::int64_t n) {
        return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
    };
    for (int round = 0; round < 200; ++round) {
        source_clock clock;
        const auto ahead_ms = below(100'000) + 1'000'000;
        std::int64_t steady = 0;
        for (int i = 0; i < 50; ++i) {
            const auto asked = steady += below(20'000);
            const auto looked = asked + below(i % 3 == 0 ? 900 : 5);
            steady = looked + below(i % 5 == 0 ? 900 : 5);
            clock.learn(asked, steady, looked + ahead_ms);
            const auto then = steady + below(1000);
            if (!clock.at_least(then)) continue;
            REQUIRE(*clock.at_least(then) <= then + ahead_ms);
            REQUIRE(*clock.at_most(then) >= then + ahead_ms);
        }
    }
}

TEST_SUITE_END();
