#include "../../src/engine/config_moment.hpp"

#include <doctest/doctest.h>

#include <ostream>

using namespace dualwrite;
using namespace dualwrite::engine;

namespace {

constexpr std::int64_t now_us = 1'795'000'000'000'000;  // in November 2026

std::string refusal(const std::string& text)
{
    std::string why;
    CHECK(parse_writetime(text, now_us, why).error() == make_error_code(errc::invalid_argument));
    return why;
}

bool says(const std::string& text, std::string_view words)
{
    return text.find(words) != std::string::npos;
}

}  // namespace

TEST_SUITE_BEGIN("engine/config_moment");

TEST_CASE("parse_date_time: RFC 3339 in any zone, to the microsecond")
{
    CHECK(parse_date_time("1970-01-01T00:00:00Z") == 0);
    CHECK(parse_date_time("2026-11-26T08:30:00Z") == 1'795'681'800'000'000);
    CHECK(parse_date_time("2026-11-26T08:30:00+02:00") == 1'795'674'600'000'000);
    CHECK(parse_date_time("2026-11-26T08:30:00-00:30") == 1'795'683'600'000'000);
    CHECK(parse_date_time("2026-11-26T08:30:00.5z") == 1'795'681'800'500'000);
    CHECK(parse_date_time("2026-11-26T08:30:00.000001Z") == 1'795'681'800'000'001);
    for (const auto* text :
         {"",
          "2026-11-26",
          "2026-11-26T08:30:00",
          "2026-11-26 08:30:00Z",
          "2026-13-26T08:30:00Z",
          "2026-11-26T08:30:00.Z",
          "2026-11-26T08:30:00.1234567Z",
          "2026-11-26T08:30:00Zx",
          "2026-11-26T08:30:00+2:00",
          "2026-11-26T08:30:00+25:00",
          "2026-11-26T08:30:00+02:0x"})
        CHECK_FALSE(parse_date_time(text));
}

TEST_CASE(
    "parse_writetime: microseconds or a date; seconds, milliseconds and the future are refused"
)
{
    std::string why;
    CHECK(*parse_writetime("1700000000000000", now_us, why) == 1'700'000'000'000'000);
    CHECK(*parse_writetime("2023-11-14T22:13:20Z", now_us, why) == 1'700'000'000'000'000);
    CHECK(*parse_writetime(std::to_string(now_us), now_us, why) == now_us);
    CHECK(says(refusal("1700000000"), "seconds are meant?"));
    CHECK(says(refusal("1700000000000"), "milliseconds are meant?"));
    CHECK(says(refusal(std::to_string(now_us + 1)), "lies ahead"));
    CHECK(says(refusal("1700000000000000000"), "lies ahead"));  // nanoseconds
    CHECK(says(refusal("1999-12-31T00:00:00Z"), "before the year 2000"));
    CHECK(says(refusal("-5"), "before the year 2000"));
    for (const auto* text : {"yesterday", "17e14", "2026-11-26T08:30:00", ""})
        CHECK(says(refusal(text), "is no time"));
}

TEST_SUITE_END();
