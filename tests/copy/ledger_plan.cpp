#include <dualwrite/copy/ledger_plan.hpp>
#include <dualwrite/copy/range_plan.hpp>

#include <doctest/doctest.h>

#include <random>

using namespace dualwrite::copy;

namespace {

token_range range(std::int64_t start, std::int64_t end)
{
    return {{start}, {end}};
}

}  // namespace

TEST_SUITE("copy/ledger_plan")
{
    TEST_CASE("range_set: neighbours and overlapping ranges become one")
    {
        range_set set;
        set.add(range(0, 10));
        set.add(range(20, 30));
        CHECK(set.ranges() == std::vector{range(0, 10), range(20, 30)});
        set.add(range(10, 15));
        CHECK(set.ranges() == std::vector{range(0, 15), range(20, 30)});
        set.add(range(5, 25));
        CHECK(set.ranges() == std::vector{range(0, 30)});
        set.add(range(-10, 40));
        CHECK(set.ranges() == std::vector{range(-10, 40)});
        set.add(range(0, 1));
        CHECK(set.ranges() == std::vector{range(-10, 40)});
    }

    TEST_CASE("range_set: missing_from gives exactly what is not there")
    {
        range_set set;
        set.add(range(0, 10));
        set.add(range(20, 30));
        CHECK(set.missing_from(range(0, 10)).empty());
        CHECK(set.missing_from(range(2, 8)).empty());
        CHECK(set.missing_from(range(-5, 5)) == std::vector{range(-5, 0)});
        CHECK(set.missing_from(range(5, 25)) == std::vector{range(10, 20)});
        CHECK(set.missing_from(range(10, 20)) == std::vector{range(10, 20)});
        CHECK(set.missing_from(range(9, 21)) == std::vector{range(10, 20)});
        CHECK(
            set.missing_from(range(-1, 31)) ==
            std::vector{range(-1, 0), range(10, 20), range(30, 31)}
        );
        CHECK(set.overlaps(range(9, 21)));
        CHECK_FALSE(set.overlaps(range(10, 20)));
    }

    TEST_CASE("range_set: agrees with a set of single tokens on random ranges")
    {
        std::mt19937 random(42);
        std::uniform_int_distribution<std::int64_t> any(0, 40);
        for (int round = 0; round < 300; ++round) {
            range_set set;
            std::vector<bool> tokens(42);
            for (int i = 0; i < 6; ++i) {
                const auto a = any(random);
                const auto b = a + 1 + any(random) % (41 - a);
                set.add(range(a, b));
                for (auto t = a + 1; t <= b; ++t) tokens[static_cast<std::size_t>(t)] = true;
            }
            std::vector<bool> missing(42);
            for (const auto& r : set.missing_from(range(0, 41)))
                for (auto t = r.start.value + 1; t <= r.end.value; ++t)
                    missing[static_cast<std::size_t>(t)] = true;
            for (std::size_t t = 1; t <= 41; ++t) CHECK(missing[t] != tokens[t]);
        }
    }

    TEST_CASE("complement: what is in one of both, and never in both, is the ring")
    {
        range_set some;
        some.add({{-50}, {-20}});
        some.add({{10}, {11}});
        const auto rest = complement(some);
        auto all = some.ranges();
        for (const auto& range : rest.ranges()) all.push_back(range);
        CHECK(covers_ring_once(all));
        CHECK(complement(rest).ranges() == some.ranges());
        CHECK(complement({}).covers_ring());
    }

    TEST_CASE("remaining: a resume at any other split covers the ring exactly once")
    {
        std::mt19937 random(7);
        for (const std::uint32_t before : {1u, 3u, 64u, 100u})
            for (const std::uint32_t after : {1u, 2u, 5u, 64u, 77u}) {
                CAPTURE(before);
                CAPTURE(after);
                range_set done;
                std::vector<token_range> covered;
                for (const auto& r : split(whole_ring, before)) {
                    if (random() % 2 == 0) continue;
                    done.add(r);
                    covered.push_back(r);
                }
                const auto plan = plan_ranges({}, {}, {.ranges = after});
                for (const auto& left : remaining(plan, done)) {
                    CHECK_FALSE(done.overlaps(left.range));
                    covered.push_back(left.range);
                }
                CHECK(covers_ring_once(covered));
                for (const auto& r : covered) done.add(r);
                CHECK(done.covers_ring());
                CHECK(done.done_fraction() == doctest::Approx(1));
            }
    }
}
