#include <dualwrite/policy/retry.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>

using namespace dualwrite::policy;
using namespace std::chrono_literals;

static_assert(delay({50ms, 30s}, 1, 25) == 50ms);
static_assert(delay({50ms, 30s}, 1, 0) == 25ms);

TEST_SUITE("policy/retry")
{
    TEST_CASE("delay: doubles from the first to the longest, and jitters in the upper half")
    {
        const retry_schedule schedule{50ms, 30s};
        auto full = 50ms;
        for (std::uint32_t attempt = 1; attempt < 40; ++attempt) {
            CAPTURE(attempt);
            const auto half = full / 2;
            CHECK(delay(schedule, attempt, 0) == half);
            CHECK(
                delay(schedule, attempt, static_cast<std::uint64_t>((full - half).count())) == full
            );
            for (std::uint64_t random = 0; random < 1000; random += 7) {
                CHECK(delay(schedule, attempt, random) >= half);
                CHECK(delay(schedule, attempt, random) <= full);
            }
            full = full * 2 > 30'000ms ? 30'000ms : full * 2;
        }
    }

    TEST_CASE("delay: stays in its bounds for any argument")
    {
        constexpr auto most = std::numeric_limits<std::uint32_t>::max();
        constexpr auto random = std::numeric_limits<std::uint64_t>::max();
        CHECK(delay({50ms, 30s}, most, random) <= 30s);
        CHECK(delay({50ms, 30s}, 0, 0) == 25ms);
        CHECK(delay({0ms, 30s}, most, random) == 0ms);
        CHECK(delay({5s, 1s}, 1, 500) == 1s);
        const auto longest = std::chrono::milliseconds::max();
        CHECK(delay({1ms, longest}, most, random) <= longest);
    }
}
