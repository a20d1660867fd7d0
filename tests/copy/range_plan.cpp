#include <dualwrite/copy/range_plan.hpp>

#include <doctest/doctest.h>

using namespace dualwrite::copy;

namespace {

std::vector<token_range> ranges_of(const std::vector<planned_range>& plan)
{
    std::vector<token_range> out;
    for (const auto& planned : plan) out.push_back(planned.range);
    return out;
}

const std::vector<ring_token> three_nodes{
    {{-3'000'000'000'000'000'000}, 0},
    {{100}, 1},
    {{3'000'000'000'000'000'000}, 2},
    {{4'000'000'000'000'000'000}, 0}};

}  // namespace

TEST_SUITE("copy/range_plan")
{
    TEST_CASE("plan_ranges: covers the ring once and keeps each range inside one owner's")
    {
        for (const std::uint32_t wanted : {1u, 4u, 50u, 999u}) {
            CAPTURE(wanted);
            const auto plan = plan_ranges(three_nodes, {}, {.ranges = wanted});
            CHECK(covers_ring_once(ranges_of(plan)));
            CHECK(plan.size() >= 5);  // four owned ranges, one of them cut at the ring's end
            for (const auto& planned : plan) {
                const auto end = planned.range.end.value;
                const auto owner = end <= -3'000'000'000'000'000'000  ? 0u
                                   : end <= 100                       ? 1u
                                   : end <= 3'000'000'000'000'000'000 ? 2u
                                                                      : 0u;
                CHECK(planned.node == owner);
            }
        }
    }

    TEST_CASE("plan_ranges: an unknown ring is one range, a token given twice counts once")
    {
        CHECK(plan_ranges({}, {}, {.ranges = 1}).size() == 1);
        const std::vector<ring_token> doubled{{{5}, 0}, {{5}, 1}};
        CHECK(covers_ring_once(ranges_of(plan_ranges(doubled, {}, {.ranges = 10}))));
    }

    TEST_CASE("plan_ranges: the order depends on the seed, the ranges do not")
    {
        const auto a = ranges_of(plan_ranges(three_nodes, {}, {.ranges = 100, .seed = 1}));
        const auto b = ranges_of(plan_ranges(three_nodes, {}, {.ranges = 100, .seed = 2}));
        CHECK(a != b);
        auto sorted_a = a;
        auto sorted_b = b;
        std::sort(sorted_a.begin(), sorted_a.end());
        std::sort(sorted_b.begin(), sorted_b.end());
        CHECK(sorted_a == sorted_b);
        CHECK(sorted_a != a);
    }

    TEST_CASE("wanted_ranges: by size within bounds, or as asked")
    {
        const range_plan_options by_size{.range_size = 100, .ranges_min = 10, .ranges_max = 1000};
        CHECK(wanted_ranges(by_size, {.bytes = 5000}) == 50);
        CHECK(wanted_ranges(by_size, {.bytes = 0}) == 10);
        CHECK(wanted_ranges(by_size, {.bytes = 1e12}) == 1000);
        auto asked = by_size;
        asked.ranges = 3;
        CHECK(wanted_ranges(asked, {.bytes = 1e12}) == 3);
    }

    TEST_CASE("estimate_table: scales one node's part of the ring up to the whole")
    {
        const std::vector<size_estimate> half{{{token_min, {0}}, 100, 10}, {{{0}, {0}}, 0, 0}};
        const auto whole = estimate_table(half);
        CHECK(whole.partitions == doctest::Approx(100));  // the second range is the whole ring
        const auto scaled = estimate_table(std::span(half).first(1));
        CHECK(scaled.partitions == doctest::Approx(200));
        CHECK(scaled.bytes == doctest::Approx(2000));
        CHECK(estimate_table({}).partitions == 0);
    }
}
