#include <dualwrite/copy/token_range.hpp>

#include <doctest/doctest.h>

using namespace dualwrite::copy;

namespace {

constexpr std::int64_t lowest = token_min.value;
constexpr std::int64_t highest = token_max.value;

token_range range(std::int64_t start, std::int64_t end)
{
    return {{start}, {end}};
}

}  // namespace

TEST_SUITE("copy/token_range")
{
    TEST_CASE("contains: the start is outside, the end inside")
    {
        const auto r = range(10, 20);
        CHECK_FALSE(contains(r, {10}));
        CHECK(contains(r, {11}));
        CHECK(contains(r, {20}));
        CHECK_FALSE(contains(r, {21}));
        CHECK(contains(whole_ring, {lowest + 1}));
        CHECK(contains(whole_ring, {highest}));
    }

    TEST_CASE("width: counts tokens without overflow up to the whole ring")
    {
        CHECK(width(range(10, 11)) == 1);
        CHECK(width(range(-5, 5)) == 10);
        CHECK(width(whole_ring) == ~std::uint64_t{0});
    }

    TEST_CASE("unwrap: cuts at the ring's end and leaves out what is empty")
    {
        CHECK(unwrap(range(1, 5)) == std::vector{range(1, 5)});
        CHECK(unwrap(range(5, 1)) == std::vector{range(5, highest), range(lowest, 1)});
        CHECK(unwrap(range(7, 7)) == std::vector{range(7, highest), range(lowest, 7)});
        CHECK(unwrap(range(highest, 1)) == std::vector{range(lowest, 1)});
        CHECK(unwrap(range(5, lowest)) == std::vector{range(5, highest)});
        CHECK(unwrap(range(lowest, lowest)) == std::vector{whole_ring});
    }

    TEST_CASE("split: covers the range exactly once at any number of parts")
    {
        for (const std::uint32_t parts : {1u, 2u, 3u, 7u, 64u, 1000u, 4'000'000u}) {
            CAPTURE(parts);
            const auto pieces = split(whole_ring, parts);
            CHECK(pieces.size() == parts);
            CHECK(covers_ring_once(pieces));
            const auto narrow = width(pieces.front());
            CHECK(narrow / 2 < width(pieces.back()));
            CHECK(width(pieces.back()) / 2 < narrow);
        }
    }

    TEST_CASE("split: never makes an empty part of a narrow range")
    {
        CHECK(split(range(5, 8), 10) == std::vector{range(5, 6), range(6, 7), range(7, 8)});
        CHECK(split(range(highest - 1, highest), 4) == std::vector{range(highest - 1, highest)});
    }

    TEST_CASE("parse_range: reads what people write and what to_text says, and nothing else")
    {
        CHECK(parse_range("-5..7") == range(-5, 7));
        CHECK(parse_range("-9223372036854775808..9223372036854775807") == whole_ring);
        for (const auto& one : {whole_ring, range(-3, -2)}) CHECK(parse_range(to_text(one)) == one);
        for (const auto* text :
             {"",
              "..",
              "5..5",
              "7..5",
              "1..",
              "..1",
              "1.5..3",
              "1-3",
              "1, 3",
              "(1, 3)",
              "(1..3]",
              " 1..3",
              "1..3 ",
              "1..9223372036854775808",
              "(1, 3"})
            CHECK_FALSE(parse_range(text));
    }

    TEST_CASE("covers_ring_once: refuses a gap, an overlap, a repetition and an open end")
    {
        CHECK(covers_ring_once({whole_ring}));
        CHECK(covers_ring_once({range(0, highest), range(lowest, 0)}));
        CHECK_FALSE(covers_ring_once({}));
        CHECK_FALSE(covers_ring_once({range(lowest, 0), range(1, highest)}));
        CHECK_FALSE(covers_ring_once({range(lowest, 1), range(0, highest)}));
        CHECK_FALSE(covers_ring_once({whole_ring, whole_ring}));
        CHECK_FALSE(covers_ring_once({range(lowest + 1, highest)}));
        CHECK_FALSE(covers_ring_once({range(lowest, highest - 1)}));
        CHECK_FALSE(covers_ring_once({range(0, 0)}));
    }
}
