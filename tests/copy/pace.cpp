#include <dualwrite/copy/pace.hpp>

#include <doctest/doctest.h>

using namespace dualwrite::copy;
using namespace std::chrono_literals;

namespace {

constexpr steady_time start{std::chrono::hours(1)};

}  // namespace

TEST_SUITE("copy/pace")
{
    TEST_CASE("request_window: grows by one for a window of successes, only while it is used up")
    {
        request_window w({.first = 4, .min = 1, .max = 6});
        for (int i = 0; i < 100; ++i) w.on_success(3);
        CHECK(w.size() == 4);
        for (int i = 0; i < 4; ++i) w.on_success(4);
        CHECK(w.size() == 5);
        for (int i = 0; i < 1000; ++i) w.on_success(w.size());
        CHECK(w.size() == 6);
    }

    TEST_CASE("request_window: halves once for each round of requests and keeps its least size")
    {
        request_window w({.first = 64, .min = 3, .max = 100});
        w.on_overload(start, start + 1s);
        CHECK(w.size() == 32);
        // These were sent before the window shrank.
        for (int i = 0; i < 50; ++i) w.on_overload(start + 500ms, start + 2s);
        CHECK(w.size() == 32);
        for (int i = 1; i < 10; ++i) w.on_overload(start + i * 10s, start + i * 10s + 1s);
        CHECK(w.size() == 3);
    }

    TEST_CASE("rate_limit: keeps the average, whatever the pieces")
    {
        rate_limit limit(1000);
        auto now = start;
        std::uint64_t rows = 0;
        for (int i = 0; i < 200; ++i) {
            const auto count = static_cast<std::uint64_t>(1 + i % 50);
            now += limit.take(count, now);
            rows += count;
        }
        const auto expected = std::chrono::milliseconds(rows);
        CHECK(now - start >= expected - 150ms);
        CHECK(now - start <= expected);
    }

    TEST_CASE("rate_limit: a pause does not save up more than a short burst")
    {
        rate_limit limit(1000);
        limit.take(1, start);
        const auto later = start + 1h;
        CHECK(limit.take(100, later) == 0ns);
        CHECK(limit.take(100, later) == 100ms);
        CHECK(limit.take(1, later) == 101ms);
    }

    TEST_CASE("rate_limit: 0 is no limit")
    {
        rate_limit limit;
        for (int i = 0; i < 10; ++i) CHECK(limit.take(1'000'000, start) == 0ns);
    }
}
