#include "spool_support.hpp"

using namespace spool_test;
using dualwrite::errc;

namespace {

std::string text_of(const memory_disk& disk, const std::string& name)
{
    return std::string(as_text(disk.files.at(name)->data));
}

}  // namespace

TEST_SUITE("engine/spool_directory")
{
    TEST_CASE("spool_directory: is refused while another process holds it, with its number")
    {
        const auto disk = std::make_shared<memory_disk>();
        auto first = must_open(disk);
        const auto second = open_disk(disk);
        CHECK(second.error == errc::spool_locked);
        CHECK(
            second.why == "the spool directory state/spool is in use by process 4711; stop it, or "
                          "give this one another --state-dir"
        );
        // A log that outlives its directory still holds it.
        auto log = must_create(*first);
        first.reset();
        CHECK(open_disk(disk).error == errc::spool_locked);
        log.reset();
        CHECK(open_disk(disk).directory);
    }

    TEST_CASE("spool_directory: a size limit that is too small is refused, a small one fits")
    {
        const auto disk = std::make_shared<memory_disk>();
        auto options = small_options();
        options.size_max = 16 * 1024 * 12 - 1;
        const auto opened = open_disk(disk, options);
        CHECK(opened.error == errc::invalid_argument);
        CHECK(opened.why.find("196608 bytes") != std::string::npos);

        // The segments are made so small that four logs that have delivered all are not full.
        options.size_max = 500'000;
        options.segment_size = std::uint64_t{1} << 30;
        const auto directory = must_open(disk, options);
        std::vector<std::unique_ptr<spool_log>> logs;
        for (int i = 0; i < 4; ++i) logs.push_back(must_create(*directory));
        CHECK_FALSE(directory->full());
        CHECK(directory->size_bytes() == 4 * 40'960);
        CHECK_FALSE(directory->create_log());  // more than logs_max
        logs.pop_back();
        CHECK(directory->create_log());
    }

    TEST_CASE("spool_directory: is full before the limit, and not any more when space is free")
    {
        const auto disk = std::make_shared<memory_disk>();
        auto options = small_options();
        options.size_max = 16 * 1024 * 20;
        const auto directory = must_open(disk, options);
        const auto log = must_create(*directory);
        std::uint64_t lsn = 0;
        while (!directory->full()) {
            append(*log, payload_of(++lsn, 1000));
            REQUIRE(log->commit());
            REQUIRE(lsn < 1000);
        }
        CHECK(directory->size_bytes() == 16 * 1024 * 18);
        // Outcomes and deliveries still fit into the reserve.
        for (std::uint64_t n = 1; n <= lsn; ++n) {
            log->settle(n, write_state::applied);
            REQUIRE(log->commit());
        }
        CHECK(directory->size_bytes() <= options.size_max);
        read_all(*log);
        for (std::uint64_t n = 1; n <= lsn; ++n) log->finish(n);
        REQUIRE(log->commit());
        CHECK_FALSE(directory->full());
    }

    TEST_CASE("spool_directory: the clock outlives the logs that had it")
    {
        const auto disk = std::make_shared<memory_disk>();
        {
            const auto directory = must_open(disk);
            CHECK(directory->clock_high_water_us() == 0);
            const auto first = must_create(*directory);
            const auto second = must_create(*directory);
            first->set_clock(5000);
            second->set_clock(4000);
            second->set_clock(3000);  // lower than before: ignored
            REQUIRE(first->commit());
            REQUIRE(second->commit());
        }
        {
            // No live log is made: what is delivered must stay, or the clock would be lost.
            const auto directory = must_open(disk);
            CHECK(directory->clock_high_water_us() == 5000);
            for (const auto& log : take_left(*directory)) {
                REQUIRE(log->exhausted());
                log->close_finished();
            }
            CHECK(segments_of(*disk).size() == 2);
        }
        for (int run = 0; run < 3; ++run) {
            const auto directory = must_open(disk);
            CHECK(directory->clock_high_water_us() == 5000);
            for (const auto& log : take_left(*directory)) log->close_finished();
            const auto live = must_create(*directory);
            CHECK(segments_of(*disk).size() == 1);
        }
    }

    TEST_CASE("spool_directory: left logs come in the order in which they were made")
    {
        auto disk = std::make_shared<memory_disk>();
        for (int run = 0; run < 5; ++run) {
            const auto directory = must_open(disk);
            const auto log = must_create(*directory);
            append(*log, "run " + std::to_string(run));
            REQUIRE(log->commit());
            disk = disk->copy();
        }
        int run = 0;
        for (const auto& log : take_left(*must_open(disk)))
            CHECK(read_all(*log).front().payload == "run " + std::to_string(run++));
        CHECK(run == 5);
    }

    TEST_CASE("spool_directory: dead letters are lines beside it, synced, also after a torn one")
    {
        static constexpr auto name = "../dead_letters.jsonl";
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk);
        REQUIRE(directory->keep_dead_letter(as_bytes(R"({"a":1})")));
        REQUIRE(directory->keep_dead_letter(as_bytes(R"({"a":2})")));
        CHECK(text_of(*disk, name) == "{\"a\":1}\n{\"a\":2}\n");
        CHECK(disk->files[name]->durable == disk->files[name]->data);
        CHECK(disk->durable_files.count(name) == 1);

        disk->data(name).resize(12);
        REQUIRE(directory->keep_dead_letter(as_bytes(R"({"a":3})")));
        CHECK(text_of(*disk, name) == "{\"a\":1}\n{\"a\"\n{\"a\":3}\n");

        for (std::uint64_t call = 1; call <= 5; ++call) {
            disk->calls = 0;
            disk->fail_at = call;
            CHECK_FALSE(directory->keep_dead_letter(as_bytes("{}")));
        }
    }

    TEST_CASE("spool_directory: a file that cannot be deleted is reported and tried again")
    {
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk);
        const auto log = must_create(*directory);
        for (std::uint64_t lsn = 1; lsn <= 60; ++lsn) append(*log, payload_of(lsn, 500));
        REQUIRE(log->commit());
        read_all(*log);
        for (std::uint64_t lsn = 1; lsn <= 30; ++lsn) log->finish(lsn);
        const auto before = segments_of(*disk).size();
        disk->fail_at = disk->calls + 1;
        REQUIRE(log->commit());  // its first call is a removal
        CHECK(segments_of(*disk).size() == before);
        CHECK(directory->problem().starts_with("cannot delete state/spool/dw-"));
        CHECK(directory->size_bytes() == before * 16 * 1024);
        for (std::uint64_t lsn = 31; lsn <= 60; ++lsn) log->finish(lsn);
        REQUIRE(log->commit());
        CHECK(segments_of(*disk).size() == 1);
        CHECK(directory->size_bytes() == 16 * 1024);
    }
}
