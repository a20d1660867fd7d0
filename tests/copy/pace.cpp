#include <dualwrite/copy/pace.hpp>

#include <doctest/doctest.h>

#include <deque>

using namespace dualwrite::copy;
using namespace std::chrono_literals;

namespace {

constexpr steady_time start{std::chrono::hours(1)};

}  // namespace

namespace {

// Sends as fast as the limit lets it, 20 at once, each answered after 10 ms. Gives the units
// that were spent in `seconds`.
double spend(unit_limit& limit, double cost, int seconds)
{
    double total = 0;
    std::deque<steady_time> answers;
    for (auto now = start; now < start + std::chrono::seconds(seconds); now += 1ms) {
        for (; !answers.empty() && answers.front() <= now; answers.pop_front()) {
            limit.on_end(cost, 1, true);
            total += cost;
        }
        while (answers.size() < 20 && limit.wait(now) == 0ns) {
            limit.on_send();
            answers.push_back(now + 10ms);
        }
    }
    return total;
}

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

    TEST_CASE("rate_limit: what is owed is waited for at a new rate")
    {
        rate_limit limit(10);
        CHECK(limit.take(100, start) == 9900ms);
        limit.set(1000, start);
        CHECK(limit.wait(start) == 99ms);
        limit.set(100, start + 49ms);
        CHECK(limit.wait(start + 49ms) == 500ms);
        limit.set(0, start + 49ms);
        CHECK(limit.wait(start + 49ms) == 0ns);
        limit.set(10, start + 1s);
        CHECK(limit.take(10, start + 1s) == 900ms);
    }

    TEST_CASE("unit_limit: keeps the budget whatever a request costs")
    {
        for (const double cost : {0.5, 5.0, 37.5, 400.0}) {
            CAPTURE(cost);
            unit_limit limit(1000);
            const auto total = spend(limit, cost, 10);
            CHECK(total <= 10'000 + 100 + cost);
            CHECK(total >= 9'500 - cost);
        }
    }

    TEST_CASE("unit_limit: a cost that was not expected is paid back")
    {
        unit_limit limit(1000);
        CHECK(limit.wait(start) == 0ns);
        limit.on_send();
        CHECK(limit.wait(start) > 0ns);  // nobody knows yet what one costs
        limit.on_end(500, 1, true);
        CHECK(limit.wait(start) >= 499ms);
        CHECK(limit.wait(start + 400ms) > 0ns);
        CHECK(limit.wait(start + 501ms) == 0ns);
        limit.set(0);
        CHECK(limit.wait(start) == 0ns);
    }

    TEST_CASE("unit_limit: who does not say what it costs is not limited; failures say nothing")
    {
        unit_limit limit(10);
        for (int i = 0; i < 50; ++i) {
            limit.on_send();
            limit.on_end(0, 0, false);
        }
        CHECK_FALSE(limit.is_ignored());
        for (int i = 0; i < 20; ++i) {
            CHECK(limit.wait(start) == 0ns);
            limit.on_send();
            limit.on_end(0, 0, true);
        }
        CHECK(limit.is_ignored());
        for (int i = 0; i < 5; ++i) {
            CHECK(limit.wait(start) == 0ns);
            limit.on_send();
        }
    }

    TEST_CASE("rate_limit: 0 is no limit")
    {
        rate_limit limit;
        for (int i = 0; i < 10; ++i) CHECK(limit.take(1'000'000, start) == 0ns);
    }
}
