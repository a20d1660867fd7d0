#include "spool_support.hpp"

using namespace spool_test;

TEST_SUITE("engine/spool")
{
    TEST_CASE("spool_log: gives back what was committed, in order and each once")
    {
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk);
        const auto log = must_create(*directory);
        CHECK(log->last_lsn() == 0);
        CHECK(read_all(*log).empty());

        const auto insert = log->intern("ks", "INSERT INTO t (a) VALUES (?)");
        const auto remove = log->intern("", "DELETE FROM ks.t WHERE a = ?");
        CHECK(log->intern("ks", "INSERT INTO t (a) VALUES (?)") == insert);
        CHECK(append(*log, "first", {insert}) == 1);
        CHECK(append(*log, "", {}) == 2);
        CHECK(append(*log, "third", {remove, insert, remove}) == 3);
        CHECK(read_all(*log).empty());  // not committed yet
        REQUIRE(log->commit());
        CHECK(append(*log, "fourth", {insert}) == 4);

        const std::vector<read_intent> expected{
            {1, "first", {"ks|INSERT INTO t (a) VALUES (?)"}},
            {2, "", {}},
            {3,
             "third",
             {"|DELETE FROM ks.t WHERE a = ?",
              "ks|INSERT INTO t (a) VALUES (?)",
              "|DELETE FROM ks.t WHERE a = ?"}},
        };
        CHECK(read_all(*log) == expected);
        CHECK(read_all(*log).empty());
        REQUIRE(log->commit());
        CHECK(lsns_of(read_all(*log)) == std::vector<std::uint64_t>{4});
        CHECK(log->backlog() == 4);
        CHECK(log->durable_lsn() == 4);
    }

    TEST_CASE("spool_log: an earlier run's writes are there again, with their outcomes")
    {
        const auto disk = std::make_shared<memory_disk>();
        {
            const auto directory = must_open(disk);
            const auto log = must_create(*directory);
            const auto id = log->intern("ks", "UPDATE t SET b = ? WHERE a = ?");
            for (std::uint64_t lsn = 1; lsn <= 10; ++lsn) append(*log, payload_of(lsn, 50), {id});
            log->settle(2, write_state::applied);
            log->settle(3, write_state::void_);
            log->settle(4, write_state::applied);
            log->finish(4);
            log->set_clock(123'456'789);
            REQUIRE(log->commit());
        }
        const auto directory = must_open(disk);
        CHECK(directory->clock_high_water_us() == 123'456'789);
        auto left = take_left(*directory);
        REQUIRE(left.size() == 1);
        CHECK(take_left(*directory).empty());
        auto& log = *left.front();
        CHECK(log.is_left());
        CHECK_FALSE(log.exhausted());
        CHECK(log.last_lsn() == 10);
        CHECK(log.backlog() == 8);
        CHECK(log.state(1) == write_state::open);
        CHECK(log.state(2) == write_state::applied);
        CHECK(is_finished(log.state(3)));
        CHECK(is_finished(log.state(4)));

        const auto intents = read_all(log);
        CHECK(lsns_of(intents) == std::vector<std::uint64_t>{1, 2, 5, 6, 7, 8, 9, 10});
        for (const auto& intent : intents) {
            CHECK(intent.payload == payload_of(intent.lsn, 50));
            CHECK(
                intent.statements == std::vector<std::string>{"ks|UPDATE t SET b = ? WHERE a = ?"}
            );
        }
    }

    TEST_CASE("spool_log: an intent larger than a segment gets one of its own size")
    {
        const auto disk = std::make_shared<memory_disk>();
        {
            const auto directory = must_open(disk);
            const auto log = must_create(*directory);
            const auto id = log->intern("ks", std::string(20'000, 's'));
            append(*log, payload_of(1, 100));
            append(*log, payload_of(2, 1'000'000), {id});
            append(*log, payload_of(3, 100), {id});
            REQUIRE(log->commit());
            const auto intents = read_all(*log);
            REQUIRE(intents.size() == 3);
            CHECK(same(intents[1].payload, payload_of(2, 1'000'000)));
        }
        const auto directory = must_open(disk->copy());
        const auto log = std::move(take_left(*directory).front());
        const auto intents = read_all(*log);
        REQUIRE(intents.size() == 3);
        CHECK(same(intents[1].payload, payload_of(2, 1'000'000)));
        CHECK(intents[2].statements.front().size() == 20'003);
    }

    TEST_CASE("spool_log: the first outcome of a write stands, and a void one is not delivered")
    {
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk);
        const auto log = must_create(*directory);
        for (std::uint64_t lsn = 1; lsn <= 4; ++lsn) append(*log, payload_of(lsn, 20));
        log->settle(1, write_state::applied);
        log->settle(1, write_state::void_);
        log->settle(2, write_state::void_);
        log->settle(2, write_state::applied);
        log->finish(3);
        log->settle(3, write_state::applied);
        log->finish(2);
        REQUIRE(log->commit());
        CHECK(log->state(1) == write_state::applied);
        CHECK(log->state(2) == write_state::void_);
        CHECK(log->state(3) == write_state::done);
        CHECK(log->backlog() == 2);
        CHECK(log->first_unfinished() == 1);
        CHECK(lsns_of(read_all(*log)) == std::vector<std::uint64_t>{1, 4});
    }

    TEST_CASE("spool_log: a commit of nothing writes nothing, outcomes of a turn are one record")
    {
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk);
        const auto log = must_create(*directory);
        for (std::uint64_t lsn = 1; lsn <= 100; ++lsn) append(*log, payload_of(lsn, 20));
        REQUIRE(log->commit());
        const auto calls = disk->calls;
        REQUIRE(log->commit());
        REQUIRE(log->commit());
        CHECK(disk->calls == calls);

        disk->tracing = true;
        for (std::uint64_t lsn = 100; lsn >= 1; --lsn) log->settle(lsn, write_state::applied);
        REQUIRE(log->commit());
        REQUIRE(disk->trace.size() == 1);
        CHECK(disk->trace.front().bytes.size() == 48);  // header, one range, checksum, padding
    }

    TEST_CASE("spool_log: deliveries are recorded every 4096, or when 200 ms have passed")
    {
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk);
        const auto log = must_create(*directory);
        for (std::uint64_t lsn = 1; lsn <= 5000; ++lsn) append(*log, "");
        REQUIRE(log->commit());
        log->sync_done(1000);
        log->finish(1);
        REQUIRE(log->commit());
        disk->tracing = true;
        const auto recorded = [&](std::uint64_t from, std::uint64_t to) {
            for (auto lsn = from; lsn <= to; ++lsn) log->finish(lsn);
            disk->trace.clear();
            REQUIRE(log->commit());
            return !disk->trace.empty();
        };
        CHECK_FALSE(recorded(2, 10));
        log->sync_done(1199);
        CHECK_FALSE(recorded(11, 20));
        log->sync_done(1200);
        CHECK(recorded(21, 22));
        CHECK_FALSE(recorded(23, 23 + 4094));
        CHECK(recorded(23 + 4095, 23 + 4095));
        const auto left = std::move(take_left(*must_open(disk->copy())).front());
        CHECK(left->first_unfinished() == 23 + 4096);
    }

    TEST_CASE("spool_log: a reader that lags behind reads the same from the files")
    {
        struct limits {
            std::uint64_t memory_max;
            std::uint64_t segment_size;
            std::uint64_t scale;  // of the intents
        };
        // In the last one the gap between reader and writer begins and ends inside segments.
        for (const auto& [memory_max, segment_size, scale] :
             {limits{0, 16 << 10, 1},
              limits{100'000, 16 << 10, 1},
              limits{1'500'000, 4 << 20, 10}}) {
            const auto disk = std::make_shared<memory_disk>();
            auto options = small_options();
            options.memory_max = memory_max;
            options.segment_size = segment_size;
            const auto size_of = [factor = scale](std::uint64_t lsn) {
                return lsn % 100 == 0 ? 30'000 * factor : lsn % 700 * factor;
            };
            const auto directory = must_open(disk, options);
            const auto log = must_create(*directory);
            const auto id = log->intern("ks", "INSERT");
            std::uint64_t last = 0;
            const auto write = [&](std::uint64_t count) {
                for (; count != 0; --count) {
                    ++last;
                    append(*log, payload_of(last, size_of(last)), {id});
                }
                REQUIRE(log->commit());
            };
            std::uint64_t read = 0;
            const auto read_next = [&](std::uint64_t count) {
                for (; count != 0; --count) {
                    const auto next = log->next_intent();
                    REQUIRE(next);
                    REQUIRE(next->has_value());
                    REQUIRE((*next)->lsn == ++read);
                    REQUIRE(same(as_text((*next)->payload), payload_of(read, size_of(read))));
                    log->release(read);
                }
            };
            write(10);
            read_next(10);
            CHECK(disk->reads == 0);
            for (std::uint64_t turn = 0; turn < 240; ++turn) {
                write(20);
                read_next(7 + turn % 7);
                if (turn % 40 != 39) continue;
                CHECK(disk->reads != 0);
                read_next(last - read);
                const auto reads = disk->reads;
                write(5);
                read_next(5);
                if (memory_max != 0) CHECK(disk->reads == reads);  // from memory again
            }
            CHECK_FALSE(log->next_intent()->has_value());
        }
    }

    TEST_CASE("spool_log: segments are deleted from the oldest on when all in them is finished")
    {
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk);
        const auto log = must_create(*directory);
        for (std::uint64_t lsn = 1; lsn <= 200; ++lsn) append(*log, payload_of(lsn, 500));
        REQUIRE(log->commit());
        read_all(*log);
        const auto all = segments_of(*disk).size();
        REQUIRE(all > 8);
        CHECK(directory->size_bytes() == all * 16 * 1024);

        for (std::uint64_t lsn = 2; lsn <= 150; ++lsn) log->finish(lsn);
        REQUIRE(log->commit());
        CHECK(segments_of(*disk).size() == all);  // the first intent still waits
        log->finish(1);
        REQUIRE(log->commit());
        CHECK(segments_of(*disk).size() < all / 2);
        for (std::uint64_t lsn = 151; lsn <= 200; ++lsn) log->finish(lsn);
        REQUIRE(log->commit());
        CHECK(segments_of(*disk).size() == 1);
        CHECK(directory->size_bytes() == 16 * 1024);
    }

    TEST_CASE("spool_log: a live log that ends leaves a small file, and nothing to deliver twice")
    {
        const auto disk = std::make_shared<memory_disk>();
        {
            const auto directory = must_open(disk);
            const auto log = must_create(*directory);
            for (std::uint64_t lsn = 1; lsn <= 3; ++lsn) append(*log, payload_of(lsn, 500));
            REQUIRE(log->commit());
            log->finish(1);
            log->finish(3);
        }
        CHECK(disk->data(segments_of(*disk).front()).size() < 7000);
        const auto directory = must_open(disk);
        CHECK(directory->size_bytes() == disk->data(segments_of(*disk).front()).size());
        const auto log = std::move(take_left(*directory).front());
        CHECK(lsns_of(read_all(*log)) == std::vector<std::uint64_t>{2});
    }
}
