#include <dualwrite/engine/loop.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace dualwrite::engine::test {

namespace {

struct socket_ends {
    socket_ends()
    {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
        near.reset(ends[0]);
        far.reset(ends[1]);
    }
    void send() const { REQUIRE(::send(far.get(), "x", 1, 0) == 1); }

    unique_fd near;
    unique_fd far;
};

using journal = std::vector<std::string>;

// Writes down each call, and then does what the case asks for.
struct recorder final : io_handler, flush_handler {
    recorder(journal& to, std::string called) : entries(to), name(std::move(called)) {}
    void on_io(std::uint32_t) override
    {
        entries.push_back(name + " io");
        if (io) io();
    }
    void on_flush() override
    {
        entries.push_back(name + " flush");
        if (flush) flush();
    }

    journal& entries;
    std::string name;
    std::function<void()> io;
    std::function<void()> flush;
};

}  // namespace

TEST_SUITE_BEGIN("engine/loop");

TEST_CASE("loop: commits once at the end of the turn, before anything is written")
{
    loop l;
    journal entries;
    socket_ends a;
    socket_ends b;
    recorder first(entries, "first");
    recorder second(entries, "second");
    first.io = [&] { l.schedule_flush(first); };
    second.io = [&] {
        l.schedule_flush(second);
        l.schedule_flush(second);
    };
    l.set_commit([&] {
        entries.push_back("commit");
        return true;
    });
    l.add(a.near.get(), first, EPOLLIN);
    l.add(b.near.get(), second, EPOLLIN);
    a.send();
    b.send();
    CHECK(l.turn(0));
    REQUIRE(entries.size() == 5);
    CHECK(entries[2] == "commit");
    CHECK(std::count(entries.begin(), entries.begin() + 2, "first io") == 1);
    CHECK(std::count(entries.begin(), entries.begin() + 2, "second io") == 1);
    CHECK(std::count(entries.begin() + 3, entries.end(), "first flush") == 1);
    CHECK(std::count(entries.begin() + 3, entries.end(), "second flush") == 1);
}

TEST_CASE("loop: a write that schedules another is followed by a commit of its own")
{
    loop l;
    journal entries;
    recorder first(entries, "first");
    recorder second(entries, "second");
    first.flush = [&] { l.schedule_flush(second); };
    l.set_commit([&] {
        entries.push_back("commit");
        return true;
    });
    l.post([&] { l.schedule_flush(first); });
    CHECK(l.turn(0));
    CHECK(entries == journal{"commit", "first flush", "commit", "second flush"});
}

TEST_CASE("loop: a failed commit stops it and nothing is written any more")
{
    loop l;
    journal entries;
    recorder handler(entries, "handler");
    l.set_commit([] { return false; });
    l.post([&] { l.schedule_flush(handler); });
    CHECK_FALSE(l.turn(0));
    CHECK(entries.empty());
    CHECK_FALSE(l.turn(0));

    loop later;
    int commits = 0;
    recorder first(entries, "first");
    recorder second(entries, "second");
    first.flush = [&] { later.schedule_flush(second); };
    later.set_commit([&] { return ++commits == 1; });
    later.post([&] { later.schedule_flush(first); });
    CHECK_FALSE(later.turn(0));
    CHECK(entries == journal{"first flush"});
}

TEST_CASE("loop: a cancelled flush is not called, whether it waits or its turn comes next")
{
    loop l;
    journal entries;
    recorder waiting(entries, "waiting");
    recorder first(entries, "first");
    recorder next(entries, "next");
    first.flush = [&] { l.cancel_flush(next); };
    l.post([&] {
        l.schedule_flush(waiting);
        l.schedule_flush(first);
        l.schedule_flush(next);
        l.cancel_flush(waiting);
        l.cancel_flush(waiting);
    });
    CHECK(l.turn(0));
    CHECK(entries == journal{"first flush"});
    CHECK_FALSE(waiting.flush_scheduled);
    CHECK_FALSE(next.flush_scheduled);

    l.post([&] { l.schedule_flush(next); });
    CHECK(l.turn(0));
    CHECK(entries == journal{"first flush", "next flush"});
}

TEST_CASE("loop: a handler removed in the turn gets none of the events fetched before")
{
    loop l;
    journal entries;
    std::array<socket_ends, 3> sockets;
    std::vector<std::unique_ptr<recorder>> handlers;
    for (std::size_t i = 0; i < 3; ++i) {
        handlers.push_back(std::make_unique<recorder>(entries, "handler"));
        l.add(sockets[i].near.get(), *handlers[i], EPOLLIN);
        sockets[i].send();
    }
    // Whichever comes first removes and destroys the other two.
    for (auto& one : handlers) {
        one->io = [&, self = one.get()] {
            for (std::size_t i = 0; i < 3; ++i) {
                if (!handlers[i] || handlers[i].get() == self) continue;
                l.remove(sockets[i].near.get(), *handlers[i]);
                handlers[i].reset();
            }
        };
    }
    CHECK(l.turn(0));
    CHECK(entries.size() == 1);
    CHECK(l.turn(0));
    CHECK(entries.size() == 2);  // the one that is left: its byte is still unread
}

TEST_CASE("loop: modify() changes what a handler waits for")
{
    loop l;
    journal entries;
    socket_ends ends;
    recorder handler(entries, "handler");
    l.add(ends.near.get(), handler, 0);
    ends.send();
    CHECK(l.turn(0));
    CHECK(entries.empty());
    l.modify(ends.near.get(), handler, EPOLLIN);
    CHECK(l.turn(0));
    CHECK(entries.size() == 1);
    l.remove(ends.near.get(), handler);
    CHECK(l.turn(0));
    CHECK(entries.size() == 1);
    CHECK_THROWS_AS(l.modify(ends.near.get(), handler, EPOLLIN), std::system_error);
}

TEST_CASE("loop: more handlers than one wait can report are all served in time")
{
    loop l;
    journal entries;
    std::vector<socket_ends> sockets(600);
    std::vector<std::unique_ptr<recorder>> handlers;
    std::set<std::string> seen;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        handlers.push_back(std::make_unique<recorder>(entries, std::to_string(i)));
        l.add(sockets[i].near.get(), *handlers[i], EPOLLIN);
        sockets[i].send();
    }
    for (int turn = 0; turn < 10 && seen.size() < sockets.size(); ++turn) {
        CHECK(l.turn(0));
        seen.insert(entries.begin(), entries.end());
    }
    CHECK(seen.size() == sockets.size());
}

TEST_CASE("loop: timers fire once, in the order of their deadlines, then of their start")
{
    loop l;
    journal entries;
    const auto note = [&](const char* name) {
        return [&entries, name] { entries.emplace_back(name); };
    };
    l.start_timer(20, note("late"));
    l.start_timer(5, note("early"));
    l.start_timer(5, note("early too"));
    const auto cancelled = l.start_timer(1, note("cancelled"));
    l.start_timer(-7, note("at once"));
    l.cancel_timer(cancelled);
    l.cancel_timer(cancelled);
    l.cancel_timer(12345);
    while (entries.size() < 4) REQUIRE(l.turn(1000));
    CHECK(entries == journal{"at once", "early", "early too", "late"});
    CHECK(l.turn(30));
    CHECK(entries.size() == 4);
}

TEST_CASE("loop: waits no longer than its next timer, and not shorter")
{
    loop l;
    bool fired = false;
    CHECK(l.turn(0));
    const auto begin = std::chrono::steady_clock::now();
    l.start_timer(30, [&] { fired = true; });
    int turns = 0;
    while (!fired && ++turns < 100) CHECK(l.turn(-1));
    const auto elapsed = std::chrono::steady_clock::now() - begin;
    CHECK(fired);
    CHECK(elapsed >= std::chrono::milliseconds(28));
    CHECK(turns < 5);  // it slept
}

TEST_CASE("loop: a timer that renews itself without delay fires once a turn")
{
    loop l;
    int count = 0;
    std::function<void()> again = [&] {
        ++count;
        l.start_timer(0, again);
    };
    l.start_timer(0, again);
    for (int turn = 1; turn <= 5; ++turn) {
        CHECK(l.turn(0));
        CHECK(count == turn);
    }
}

TEST_CASE("loop: an action may cancel a timer that is due in the same turn")
{
    loop l;
    journal entries;
    loop::timer_id second = 0;
    l.start_timer(0, [&] {
        entries.emplace_back("first");
        l.cancel_timer(second);
    });
    second = l.start_timer(0, [&] { entries.emplace_back("second"); });
    CHECK(l.turn(5));
    CHECK(l.turn(5));
    CHECK(entries == journal{"first"});
}

TEST_CASE("loop: actions posted by other threads all run, on the loop's thread, in their order")
{
    loop l;
    constexpr int per_thread = 5000;
    std::vector<int> next(4, 0);
    int total = 0;
    bool ordered = true;
    const auto home = std::this_thread::get_id();
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < next.size(); ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < per_thread; ++i)
                l.post([&, t, i] {
                    ordered &= next[t]++ == i && std::this_thread::get_id() == home;
                    if (++total == 4 * per_thread) l.stop();
                });
        });
    }
    l.run();
    for (auto& thread : threads) thread.join();
    CHECK(total == 4 * per_thread);
    CHECK(ordered);
}

TEST_CASE("loop: an action posted by an action runs in the next turn")
{
    loop l;
    journal entries;
    l.post([&] {
        entries.emplace_back("outer");
        l.post([&] { entries.emplace_back("inner"); });
    });
    CHECK(l.turn(0));
    CHECK(entries == journal{"outer"});
    CHECK(l.turn(0));
    CHECK(entries == journal{"outer", "inner"});
}

TEST_CASE("loop: stop() from another thread wakes it; the turn's writes are still done")
{
    loop l;
    journal entries;
    recorder handler(entries, "handler");
    l.post([&] {
        l.schedule_flush(handler);
        l.stop();
    });
    CHECK_FALSE(l.turn(0));
    CHECK(entries == journal{"handler flush"});

    loop sleeping;
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        sleeping.stop();
    });
    sleeping.run();
    other.join();
    CHECK_FALSE(sleeping.turn(0));
}

TEST_CASE("loop: turn space stays untouched until the turn is flushed, and is reused after")
{
    loop l;
    std::vector<mutable_bytes> spaces;
    journal entries;
    recorder handler(entries, "handler");
    bool intact = true;
    handler.flush = [&] {
        for (std::size_t i = 0; i < spaces.size(); ++i)
            intact &= std::ranges::all_of(spaces[i], [&](std::byte b) {
                return b == static_cast<std::byte>(i + 1);
            });
    };
    const std::byte* first = nullptr;
    for (int turn = 0; turn < 3; ++turn) {
        l.post([&] {
            spaces.clear();
            for (std::size_t size : {100u, 700'000u, 700'000u, 5'000'000u, 1u, 1'048'576u}) {
                auto space = l.turn_space(size);
                REQUIRE(space.size() >= size);
                space = space.first(size);
                std::ranges::fill(space, static_cast<std::byte>(spaces.size() + 1));
                l.use_turn_space(size);
                spaces.push_back(space);
            }
            l.schedule_flush(handler);
        });
        CHECK(l.turn(0));
        CHECK(intact);
        if (turn == 0) first = spaces.front().data();
        CHECK(spaces.front().data() == first);
    }
    CHECK(entries.size() == 3);
}

TEST_CASE("loop: space that was asked for but not used is given out again")
{
    loop l;
    const auto a = l.turn_space(1000);
    const auto b = l.turn_space(1000);
    CHECK(a.data() == b.data());
    l.use_turn_space(10);
    CHECK(l.turn_space(1000).data() == a.data() + 10);
}

TEST_CASE("loop: destroy_later() waits for the end of the turn and no longer")
{
    loop l;
    journal entries;
    recorder handler(entries, "handler");
    auto object = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = object;
    handler.flush = [&] { entries.emplace_back(watch.expired() ? "gone" : "alive"); };
    l.post([&] {
        l.schedule_flush(handler);
        l.destroy_later(std::move(object));
    });
    CHECK(l.turn(0));
    CHECK(entries == journal{"handler flush", "alive"});
    CHECK(watch.expired());
}

TEST_CASE("loop: what was posted or started but never run is destroyed with the loop")
{
    const auto object = std::make_shared<int>(1);
    {
        loop l;
        l.post([object] {});
        l.start_timer(1000, [object] {});
        l.destroy_later(object);
        CHECK(object.use_count() == 4);
    }
    CHECK(object.use_count() == 1);
}

TEST_CASE("loop: what is destroyed may put something else into the grave")
{
    loop l;
    int destroyed = 0;
    struct nested {
        loop& home;
        int& count;
        bool outer;
        ~nested()
        {
            ++count;
            if (outer) home.destroy_later(std::make_shared<nested>(home, count, false));
        }
        nested(loop& l, int& c, bool o) : home(l), count(c), outer(o) {}
    };
    l.post([&] { l.destroy_later(std::make_shared<nested>(l, destroyed, true)); });
    CHECK(l.turn(0));
    CHECK(l.turn(0));
    CHECK(destroyed == 2);
}

TEST_CASE("loop: its descriptor is readable exactly when there is something to do")
{
    loop l;
    const auto readable = [&] {
        epoll_event event{};
        unique_fd outer(::epoll_create1(0));
        event.events = EPOLLIN;
        REQUIRE(::epoll_ctl(outer.get(), EPOLL_CTL_ADD, l.poll_descriptor(), &event) == 0);
        return ::epoll_wait(outer.get(), &event, 1, 0) == 1;
    };
    CHECK_FALSE(readable());
    l.post([] {});
    CHECK(readable());
    CHECK(l.turn(0));
    CHECK_FALSE(readable());
}

TEST_SUITE_END();

}  // namespace dualwrite::engine::test
