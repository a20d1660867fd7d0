#include <dualwrite/copy/sample.hpp>

#include <doctest/doctest.h>

using namespace dualwrite::copy;

TEST_SUITE("copy/sample")
{
    TEST_CASE("sample_ring: takes the share that was asked for, from every slice")
    {
        for (const double share : {1.0, 0.5, 0.01, 0.000001}) {
            CAPTURE(share);
            const auto sample = sample_ring(share, 7);
            CHECK(sample.done_fraction() == doctest::Approx(share).epsilon(0.001));
            for (const auto& slice : split(whole_ring, sample_slices))
                CHECK(sample.overlaps(slice));
        }
        CHECK(sample_ring(1, 1).covers_ring());
    }

    TEST_CASE("sample_ring: the same seed gives the same sample, another one another")
    {
        CHECK(sample_ring(0.1, 3).ranges() == sample_ring(0.1, 3).ranges());
        CHECK(sample_ring(0.1, 3).ranges() != sample_ring(0.1, 4).ranges());
    }

    TEST_CASE("sample_ring: over many seeds each token is in the sample as often as the others")
    {
        const auto slice = split(whole_ring, sample_slices)[100];
        const auto parts = split(slice, 8);
        std::vector<int> hits(parts.size());
        constexpr int runs = 4000;
        for (std::uint64_t seed = 1; seed <= runs; ++seed) {
            const auto sample = sample_ring(0.25, seed);
            for (std::size_t i = 0; i < parts.size(); ++i)
                if (sample.overlaps({{parts[i].end.value - 1}, parts[i].end})) ++hits[i];
        }
        // A quarter of the runs each; six standard deviations are 164.
        for (const auto count : hits) CHECK(std::abs(count - runs / 4) < 164);
    }

    TEST_CASE("intersection: what lies in both")
    {
        range_set a;
        a.add({{0}, {10}});
        a.add({{20}, {30}});
        range_set b;
        b.add({{5}, {25}});
        CHECK(intersection(a, b).ranges() == std::vector<token_range>{{{5}, {10}}, {{20}, {25}}});
        CHECK(intersection(a, range_set{}).ranges().empty());
    }
}
