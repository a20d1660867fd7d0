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
        auto left = directory->take_left_logs();
        REQUIRE(left.size() == 1);
        CHECK(directory->take_left_logs().empty());
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
}
