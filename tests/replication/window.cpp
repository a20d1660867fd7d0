#include <dualwrite/replication/window.hpp>

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace dualwrite;
using namespace dualwrite::replication;

namespace {

bytes_view some(std::size_t size)
{
    static const std::string text(1000, 'x');
    return as_bytes(std::string_view(text).substr(0, size));
}

}  // namespace

TEST_SUITE("replication/window")
{
    TEST_CASE("window: an entry is sent only after the source has it")
    {
        window w(16, 1000);
        w.add(1, some(10), false, false);
        CHECK_FALSE(w.take_ready());
        w.mark_applied(1);
        CHECK(w.take_ready() == 1u);
        CHECK_FALSE(w.take_ready());
        w.finish(1);
        CHECK(w.empty());
    }

    TEST_CASE("window: one that lies too far ahead waits, although there is room for others")
    {
        window w(16, 1000);
        CHECK(w.has_room_for(1'000'000));  // empty: it begins there
        w.add(5, some(10), false, false);
        CHECK(w.has_room_for(20));
        CHECK_FALSE(w.has_room_for(21));
        w.add(20, some(10), true, false);  // 6 to 19 were finished before
        CHECK_FALSE(w.has_room());
        w.finish(5);
        CHECK(w.base() == 20);
        CHECK(w.has_room_for(35));
        CHECK_FALSE(w.has_room_for(36));
    }

    TEST_CASE("window: applied before it was read, it is ready at once")
    {
        window w(16, 1000);
        w.add(5, some(10), true, false);
        CHECK(w.take_ready() == 5u);
        CHECK(w.base() == 5);
    }

    TEST_CASE("window: a second answer changes nothing")
    {
        window w(16, 1000);
        w.add(1, some(10), true, false);
        w.mark_applied(1);
        CHECK(w.take_ready() == 1u);
        w.mark_applied(1);
        CHECK_FALSE(w.take_ready());
        w.finish(1);
        w.mark_applied(1);
        CHECK_FALSE(w.has_ready());
    }

    TEST_CASE("window: numbers that were left out count as finished")
    {
        window w(16, 1000);
        w.add(3, some(1), true, false);
        w.add(7, some(1), true, false);
        CHECK_FALSE(w.contains(5));
        CHECK(w.take_ready() == 3u);
        w.finish(3);
        CHECK(w.base() == 7);
    }

    TEST_CASE("window: what is postponed comes back when it is due, not before")
    {
        window w(16, 1000);
        w.add(1, some(1), true, false);
        w.add(2, some(1), true, false);
        w.postpone(*w.take_ready(), 300);
        w.postpone(*w.take_ready(), 200);
        CHECK(w.wake(199) == 200);
        CHECK_FALSE(w.has_ready());
        CHECK(w.wake(200) == 300);
        CHECK(w.take_ready() == 2u);
        CHECK(w.attempts(2) == 1);
        CHECK_FALSE(w.wake(1000).has_value());
        CHECK(w.take_ready() == 1u);
    }

    TEST_CASE("window: a barrier is sent after all before it, and holds off all behind it")
    {
        window w(16, 1000);
        w.add(1, some(1), true, false);
        w.add(2, some(1), false, false);
        w.add(3, some(1), true, true);
        CHECK_FALSE(w.has_room());
        CHECK(w.take_ready() == 1u);
        w.finish(1);
        CHECK_FALSE(w.take_ready());
        w.mark_applied(2);
        CHECK(w.take_ready() == 2u);
        w.finish(2);
        CHECK(w.take_ready() == 3u);
        CHECK_FALSE(w.has_room());
        w.finish(3);
        CHECK(w.has_room());
    }

    TEST_CASE("window: a barrier that the source refuses opens the way again")
    {
        window w(16, 1000);
        w.add(1, some(1), false, false);
        w.add(2, some(1), false, true);
        w.finish(2);
        CHECK(w.has_room());
        w.finish(1);
        CHECK(w.empty());
    }

    TEST_CASE("window: a barrier that is answered late is sent when it is the first")
    {
        window w(16, 1000);
        w.add(1, some(1), true, false);
        w.add(2, some(1), false, true);
        w.finish(*w.take_ready());
        CHECK_FALSE(w.take_ready());
        w.mark_applied(2);
        CHECK(w.take_ready() == 2u);
    }

    TEST_CASE("window: room ends with its capacity and with its bytes")
    {
        window by_count(4, 1000);
        for (std::uint64_t lsn = 1; lsn <= 4; ++lsn) {
            CHECK(by_count.has_room());
            by_count.add(lsn, some(1), false, false);
        }
        CHECK_FALSE(by_count.has_room());
        by_count.finish(2);
        CHECK_FALSE(by_count.has_room());  // 1 is still there
        by_count.finish(1);
        CHECK(by_count.has_room());

        window by_bytes(16, 100);
        by_bytes.add(1, some(99), false, false);
        CHECK(by_bytes.has_room());
        by_bytes.add(2, some(1), false, false);
        CHECK_FALSE(by_bytes.has_room());
    }

    TEST_CASE("window: whatever the order, every entry is finished once and none is lost")
    {
        for (std::uint32_t seed = 1; seed <= 300; ++seed) {
            CAPTURE(seed);
            std::mt19937 random(seed);
            window w(32, 4000);
            std::uint64_t next = 1;
            std::int64_t now = 0;
            std::set<std::uint64_t> open;
            std::set<std::uint64_t> taken;
            std::set<std::uint64_t> delivered;
            constexpr std::uint64_t total = 200;
            for (int step = 0; step < 20'000 && delivered.size() < total; ++step) {
                ++now;
                w.wake(now);
                switch (random() % 6) {
                case 0:
                    if (next <= total && w.has_room()) {
                        w.add(next, some(random() % 50), false, random() % 20 == 0);
                        open.insert(next++);
                    }
                    break;
                case 1:
                    if (!open.empty()) {
                        auto it =
                            std::next(open.begin(), static_cast<long>(random() % open.size()));
                        w.mark_applied(*it);
                        open.erase(it);
                    }
                    break;
                case 2:
                    if (const auto lsn = w.take_ready()) CHECK(taken.insert(*lsn).second);
                    break;
                default:
                    if (taken.empty()) break;
                    const auto lsn = *taken.begin();
                    taken.erase(lsn);
                    if (random() % 3 == 0) {
                        w.postpone(lsn, now + static_cast<std::int64_t>(random() % 10));
                    } else if (random() % 5 == 0) {
                        w.put_back(lsn);
                    } else {
                        w.finish(lsn);
                        CHECK(delivered.insert(lsn).second);
                    }
                }
            }
            CHECK(delivered.size() == total);
            CHECK(w.empty());
        }
    }
}
