#include "log_progress.hpp"

#include <doctest/doctest.h>

using namespace dualwrite::engine;

TEST_SUITE_BEGIN("engine/log_progress");

TEST_CASE("log_progress: a log that is not read yet is waited for, whatever was accepted when")
{
    log_progresses all;
    const auto live = all.add(false);
    const auto left = all.add(true);
    CHECK(all.replayed_until(INT64_MAX - 1, *live));
    const auto unread = all.add_unread();
    CHECK(all.any_unread());
    CHECK_FALSE(all.replayed_until(0, *live));
    CHECK_FALSE(all.replayed_until(0, *left));
    const progress_barrier barrier(live, all);
    left->first_unfinished.store(UINT64_MAX);
    CHECK_FALSE(barrier.passed());

    // It is read: what it has comes first, as ever.
    unread->unread.store(false);
    unread->last_lsn.store(10);
    unread->first_unfinished.store(5);
    unread->oldest_replay_ms.store(1000);
    CHECK_FALSE(all.any_unread());
    CHECK(all.replayed_until(999, *live));
    CHECK_FALSE(all.replayed_until(1000, *live));
    unread->first_unfinished.store(11);
    CHECK_FALSE(barrier.passed());  // it knew only that there was something
    unread->end();
    CHECK(barrier.passed());
    CHECK(all.replayed_until(INT64_MAX - 1, *live));
}

TEST_CASE("log_progress: one that turns out to have nothing holds nobody up")
{
    log_progresses all;
    const auto live = all.add(false);
    const auto unread = all.add_unread();
    const progress_barrier barrier(live, all);
    unread->end();
    CHECK_FALSE(all.any_unread());
    CHECK(all.replayed_until(INT64_MAX - 1, *live));
    CHECK(barrier.passed());
}

TEST_SUITE_END();
