#include <dualwrite/replication/write_states.hpp>

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace dualwrite::replication;

TEST_SUITE("replication/write_states")
{
    TEST_CASE("write_states: numbers writes from the first one on, each open")
    {
        write_states states(41);
        CHECK(states.last_lsn() == 40);
        CHECK(states.first_unfinished() == 41);
        CHECK(states.push() == 41);
        CHECK(states.push() == 42);
        CHECK(states.last_lsn() == 42);
        CHECK(states.get(42) == write_state::open);
        CHECK(states.get(7) == write_state::done);  // before the window
        CHECK(states.unfinished() == 2);
    }

    TEST_CASE("write_states: the first unfinished write is behind all that are void or done")
    {
        write_states states;
        for (int i = 0; i < 5; ++i) states.push();
        states.set(1, write_state::applied);
        CHECK(states.first_unfinished() == 1);
        states.set(3, write_state::void_);
        states.set(2, write_state::done);
        CHECK(states.first_unfinished() == 1);
        CHECK(states.get(3) == write_state::void_);
        states.set(1, write_state::done);
        CHECK(states.first_unfinished() == 4);
        states.set(5, write_state::done);
        states.set(4, write_state::void_);
        CHECK(states.first_unfinished() == 6);
        CHECK(states.unfinished() == 0);
        CHECK(states.push() == 6);
        CHECK(states.first_unfinished() == 6);
    }

    TEST_CASE("write_states: does what a plain list of states does, over words and trims")
    {
        for (std::uint64_t seed = 1; seed <= 300; ++seed) {
            CAPTURE(seed);
            std::mt19937_64 random(seed);
            const auto base = 1 + random() % 100;
            write_states states(base);
            std::vector<write_state> model;
            const auto lag = 1 + random() % 400;
            std::uint64_t finished = 0;
            for (int step = 0; step < 6000; ++step) {
                if (model.size() < lag || random() % 2 == 0) {
                    CHECK(states.push() == base + model.size());
                    model.push_back(write_state::open);
                    continue;
                }
                while (finished < model.size() && is_finished(model[finished])) ++finished;
                const auto spread = std::min<std::uint64_t>(lag, model.size() - finished);
                if (spread == 0) continue;
                const auto index = finished + random() % spread;
                const auto state = static_cast<write_state>(1 + random() % 3);
                model[index] = state;
                states.set(base + index, state);
            }
            std::uint64_t unfinished = 0;
            std::uint64_t first = 0;
            while (first < model.size() && is_finished(model[first])) ++first;
            REQUIRE(states.first_unfinished() == base + first);
            REQUIRE(states.last_lsn() == base + model.size() - 1);
            for (std::uint64_t i = 0; i < model.size(); ++i) {
                if (!is_finished(model[i])) ++unfinished;
                const auto expected = i < first ? write_state::done : model[i];
                if (states.get(base + i) != expected) FAIL("state of " << base + i);
            }
            REQUIRE(states.unfinished() == unfinished);
        }
    }

    TEST_CASE("write_states: needs two bits per write, and gives them back")
    {
        write_states states;
        for (int i = 0; i < 1'000'000; ++i) states.push();
        CHECK(states.size_bytes() >= 250'000);
        CHECK(states.size_bytes() <= 600'000);
        for (std::uint64_t lsn = 1; lsn <= 1'000'000; ++lsn) states.set(lsn, write_state::done);
        CHECK(states.first_unfinished() == 1'000'001);
        CHECK(states.size_bytes() < 10'000);

        // Ten million writes through a small window.
        for (int i = 0; i < 10'000'000; ++i) {
            states.push();
            states.set(states.first_unfinished(), write_state::done);
        }
        CHECK(states.size_bytes() < 10'000);
    }
}
