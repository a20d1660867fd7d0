#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "spool_support.hpp"

// durability::fsync, on the committer's thread.

using namespace spool_test;

namespace {

spool_options fsync_options()
{
    auto options = small_options();
    options.durable = durability::fsync;
    options.background = true;
    return options;
}

template <class Condition> bool wait_for(Condition condition)
{
    using clock = std::chrono::steady_clock;
    const auto deadline = clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
}

}  // namespace

TEST_SUITE("engine/spool_fsync")
{
    TEST_CASE("spool_log: intents are durable when the disk has them, and the caller is told")
    {
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk, fsync_options());
        std::atomic<std::uint64_t> told{0};
        const auto log = must_create(*directory);  // tells until its end
        log->on_durable([&] { told = log->durable_lsn(); });

        disk->hold(true);
        append(*log, "one");
        REQUIRE(log->commit());
        append(*log, "two");
        REQUIRE(log->commit());
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        CHECK(log->durable_lsn() == 0);
        CHECK(told == 0);
        disk->hold(false);
        CHECK(wait_for([&] { return told == 2; }));
        CHECK(log->durable_lsn() == 2);
        const std::lock_guard lock(disk->mutex);
        for (const auto& name : segments_of(*disk)) {
            CHECK(disk->durable_files.count(name) == 1);
            CHECK(disk->files[name]->durable == disk->files[name]->data);
        }
    }

    TEST_CASE("spool_log: commits that come while a sync runs share the next one")
    {
        const auto disk = std::make_shared<memory_disk>();
        auto options = fsync_options();
        options.segment_size = 1 << 20;
        const auto directory = must_open(disk, options);
        const auto log = must_create(*directory);
        append(*log, "first");
        REQUIRE(log->commit());
        REQUIRE(wait_for([&] { return log->durable_lsn() == 1; }));

        disk->hold(true);
        const auto syncs = [&] {
            const std::lock_guard lock(disk->mutex);
            return disk->files[segments_of(*disk).front()]->syncs;
        };
        const auto before = syncs();
        for (int i = 0; i < 100; ++i) {
            append(*log, "more");
            REQUIRE(log->commit());
        }
        disk->hold(false);
        REQUIRE(wait_for([&] { return log->durable_lsn() == 101; }));
        CHECK(syncs() <= before + 2);  // one that was under way, one for the rest
    }

    TEST_CASE("spool_log: a sync that fails stops the log, and the file is never synced again")
    {
        const auto disk = std::make_shared<memory_disk>();
        auto options = fsync_options();
        options.background = false;
        const auto directory = must_open(disk, options);
        int told = 0;
        const auto log = must_create(*directory);
        log->on_durable([&] { ++told; });
        append(*log, "one");
        REQUIRE(log->commit());
        CHECK(told == 1);
        append(*log, "two");
        disk->fail_at = disk->calls + 2;  // the write, then the sync
        REQUIRE(log->commit());
        CHECK(told == 2);
        CHECK(log->durable_lsn() == 1);

        const auto syncs = disk->files[segments_of(*disk).front()]->syncs;
        append(*log, "three");
        const auto failed = log->commit();
        REQUIRE_FALSE(failed);
        CHECK(failed.error() == std::error_code(EIO, std::generic_category()));
        CHECK(log->why().starts_with("cannot sync state/spool/dw-"));
        CHECK_FALSE(log->commit());
        CHECK(disk->files[segments_of(*disk).front()]->syncs == syncs);
    }

    TEST_CASE("spool_log: what waits behind a sync that fails is not synced either")
    {
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk, fsync_options());
        const auto log = must_create(*directory);
        const auto syncs = [&] {
            const std::lock_guard lock(disk->mutex);
            std::uint64_t sum = 0;
            for (const auto& name : segments_of(*disk)) sum += disk->files[name]->syncs;
            return sum;
        };
        append(*log, "one");
        REQUIRE(log->commit());
        REQUIRE(wait_for([&] { return log->durable_lsn() == 1; }));
        disk->hold(true);
        for (std::uint64_t lsn = 2; lsn <= 100; ++lsn) {
            append(*log, payload_of(lsn, 1000));
            REQUIRE(log->commit());
        }
        {
            const std::lock_guard lock(disk->mutex);
            disk->fail_syncs = true;
        }
        const auto before = syncs();
        disk->hold(false);
        REQUIRE(wait_for([&] { return !log->commit(); }));
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        CHECK(syncs() == before + 1);
        CHECK(log->durable_lsn() == 1);
    }

    TEST_CASE("spool_directory: a new log is there when the disk has its clock")
    {
        const auto disk = std::make_shared<memory_disk>();
        {
            const auto directory = must_open(disk, fsync_options());
            const auto log = must_create(*directory);
            log->set_clock(777);
            REQUIRE(log->commit());
        }
        const auto directory = must_open(disk, fsync_options());
        const auto left = take_left(*directory);
        REQUIRE(left.size() == 1);
        const auto name = segments_of(*disk).front();
        disk->hold(true);
        std::atomic<bool> created{false};
        std::unique_ptr<spool_log> log;
        std::thread creating([&] {
            log = must_create(*directory);
            created = true;
        });
        left.front()->close_finished();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        CHECK_FALSE(created);
        {
            const std::lock_guard lock(disk->mutex);
            CHECK(disk->files.count(name) == 1);
        }
        disk->hold(false);
        creating.join();
        CHECK(wait_for([&] {
            const std::lock_guard lock(disk->mutex);
            return disk->files.count(name) == 0;
        }));
    }

    TEST_CASE("spool_directory: a full disk shows before a write meets it")
    {
        const auto disk = std::make_shared<memory_disk>();
        const auto directory = must_open(disk, fsync_options());
        const auto log = must_create(*directory);
        const auto spares = [&] {
            const std::lock_guard lock(disk->mutex);
            return std::count_if(disk->files.begin(), disk->files.end(), [](const auto& file) {
                return file.first.starts_with("spare-");
            });
        };
        const auto fail_allocate = [&](bool fails) {
            const std::lock_guard lock(disk->mutex);
            disk->fail_errno = ENOSPC;
            disk->fail_allocate = fails;
        };
        REQUIRE(wait_for([&] { return spares() == 2; }));
        CHECK_FALSE(directory->full());
        fail_allocate(true);
        for (std::uint64_t lsn = 1; lsn <= 20; ++lsn) append(*log, payload_of(lsn, 1000));
        REQUIRE(log->commit());  // takes a file that was prepared
        CHECK(wait_for([&] { return directory->full(); }));
        CHECK(directory->problem().find("No space left") != std::string::npos);
        REQUIRE(log->commit());
        fail_allocate(false);
        CHECK(wait_for([&] { return !directory->full(); }));
    }

    TEST_CASE("spool: logs of several threads share a directory")
    {
        const auto disk = std::make_shared<memory_disk>();
        auto options = fsync_options();
        options.memory_max = 50'000;
        {
            const auto directory = must_open(disk, options);
            std::vector<std::thread> threads;
            std::atomic<int> failures{0};
            for (int t = 0; t < 4; ++t)
                threads.emplace_back([&, t] {
                    auto made = directory->create_log();
                    if (!made) {
                        ++failures;
                        return;
                    }
                    std::atomic<int> syncs{0};
                    const auto log = *std::move(made);
                    log->on_durable([&] { ++syncs; });
                    const auto id = log->intern("ks", "T" + std::to_string(t));
                    for (std::uint64_t lsn = 1; lsn <= 500; ++lsn) {
                        append(*log, payload_of(lsn, 400), {id});
                        if (lsn % 5 == 0 && !log->commit()) ++failures;
                        if (lsn % 50 != 0) continue;
                        for (;;) {
                            const auto next = log->next_intent();
                            if (!next || !*next) break;
                            if ((*next)->lsn % 100 != 0) log->finish((*next)->lsn);
                            log->release((*next)->lsn);
                        }
                        static_cast<void>(directory->full());
                    }
                    if (!wait_for([&] { return log->durable_lsn() == 500 && syncs > 0; }))
                        ++failures;
                });
            for (auto& thread : threads) thread.join();
            CHECK(failures == 0);
        }
        const auto directory = must_open(disk, options);
        const auto left = take_left(*directory);
        REQUIRE(left.size() == 4);
        for (const auto& log : left)
            CHECK(lsns_of(read_all(*log)) == std::vector<std::uint64_t>{100, 200, 300, 400, 500});
    }
}
