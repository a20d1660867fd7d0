#include <dualwrite/policy/writetime.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <thread>
#include <vector>

using namespace dualwrite::policy;

TEST_SUITE("policy/writetime")
{
    TEST_CASE("writetime_clock: gives the millisecond times 1000 and then a sequence")
    {
        writetime_clock clock;
        CHECK(clock.next(5) == 5000);
        CHECK(clock.next(5) == 5001);
        CHECK(clock.next(5) == 5002);
        CHECK(clock.next(6) == 6000);
        CHECK(clock.high_water() == 6000);
    }

    TEST_CASE("writetime_clock: never goes back with the machine's clock")
    {
        writetime_clock clock;
        CHECK(clock.next(100) == 100'000);
        CHECK(clock.next(7) == 100'001);
        CHECK(clock.next(0) == 100'002);
    }

    TEST_CASE("writetime_clock: runs on into the next millisecond when one is used up")
    {
        writetime_clock clock;
        for (std::int64_t i = 0; i < 1000; ++i) CHECK(clock.next(1) == 1000 + i);
        CHECK(clock.next(1) == 2000);
        CHECK(clock.next(2) == 2001);
    }

    TEST_CASE("writetime_clock: starts above the high water mark of the run before")
    {
        writetime_clock clock(9'000'000);
        CHECK(clock.next(5) == 9'000'001);
        CHECK(clock.next(9'001) == 9'001'000);
    }

    TEST_CASE("writetime_clock: a fence puts later writes into the next millisecond")
    {
        writetime_clock clock;
        CHECK(clock.next(5) == 5000);
        clock.fence(5);
        CHECK(clock.next(5) == 6000);
        CHECK(clock.next(5) == 6001);

        clock.fence(3);  // one that is behind changes nothing
        CHECK(clock.next(5) == 6002);
        CHECK(clock.high_water() == 6002);
    }

    TEST_CASE("writetime_clock: gives no value twice, whatever the number of threads")
    {
        constexpr std::size_t each = 20'000;
        writetime_clock clock;
        std::array<std::vector<std::int64_t>, 3> given;
        std::vector<std::thread> threads;
        for (auto& mine : given)
            threads.emplace_back([&] {
                for (std::size_t i = 0; i < each; ++i) mine.push_back(clock.next(42));
            });
        for (auto& thread : threads) thread.join();

        std::vector<std::int64_t> all;
        for (const auto& mine : given) {
            CHECK(std::is_sorted(mine.begin(), mine.end()));
            all.insert(all.end(), mine.begin(), mine.end());
        }
        std::sort(all.begin(), all.end());
        CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
        CHECK(all.back() == 42'000 + static_cast<std::int64_t>(3 * each) - 1);
    }
}
