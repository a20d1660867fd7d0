#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "spool_support.hpp"

// Faults of the disk and crashes, at every point of a fixed piece of work.

using namespace spool_test;

namespace {

// What the work below was told: `acknowledged` must be found again, unless it is in `finished`.
struct promises {
    std::uint64_t acknowledged{0};
    std::set<std::uint64_t> finished;
    std::set<std::uint64_t> voided;  // with a commit after it
    bool stopped{false};
};

constexpr std::size_t payload_size = 700;

// Fifty turns over several segments: intents, outcomes, deliveries, reading. Calls `after_turn`
// when a commit has succeeded.
promises work(
    spool_directory& directory,
    std::unique_ptr<spool_log>& log,
    const std::function<void(const promises&)>& after_turn = {}
)
{
    promises told;
    auto made = directory.create_log();
    if (!made) {
        told.stopped = true;
        return told;
    }
    log = *std::move(made);
    const auto id = log->intern("ks", "INSERT");
    for (std::uint64_t turn = 1; turn <= 50; ++turn) {
        std::set<std::uint64_t> voided;
        for (int i = 0; i < 3; ++i) {
            const auto size = turn == 20 && i == 1 ? std::size_t{40'000} : payload_size;
            append(*log, payload_of(log->last_lsn() + 1, size), {id});
        }
        if (turn > 2) {
            log->settle(3 * turn - 6, write_state::void_);
            voided.insert(3 * turn - 6);
            log->settle(3 * turn - 7, write_state::applied);
            log->finish(3 * turn - 7);
            told.finished.insert({3 * turn - 6, 3 * turn - 7});
        }
        if (turn > 10 && turn % 4 == 0)
            for (auto lsn = log->first_unfinished(); lsn < 3 * (turn - 8); ++lsn) {
                log->finish(lsn);
                told.finished.insert(lsn);
            }
        log->sync_done(static_cast<std::int64_t>(turn) * 100);
        const auto last = log->last_lsn();
        if (!log->commit()) {
            told.stopped = true;
            return told;
        }
        if (log->durable_lsn() != last) continue;
        told.acknowledged = last;
        told.voided.merge(voided);
        if (after_turn) after_turn(told);
        if (turn % 3 != 0) continue;
        for (;;) {
            const auto next = log->next_intent();
            if (!next) {
                told.stopped = true;
                return told;
            }
            if (!*next) break;
            CHECK(as_text((*next)->payload).starts_with("#" + std::to_string((*next)->lsn) + ":"));
            log->release((*next)->lsn);
        }
    }
    told.stopped = !log->commit();  // a sync that failed is seen here
    return told;
}

// Opens `disk` as the next run does: what was promised must be there.
void check_promises(const std::shared_ptr<memory_disk>& disk, const promises& told)
{
    const auto directory = must_open(disk);
    std::set<std::uint64_t> found;
    for (const auto& log : take_left(*directory))
        for (const auto& intent : read_all(*log)) {
            const auto size = intent.payload.size();
            CHECK((size == payload_size || size == 40'000));
            CHECK(same(intent.payload, payload_of(intent.lsn, size)));
            CHECK(found.insert(intent.lsn).second);
        }
    for (std::uint64_t lsn = 1; lsn <= told.acknowledged; ++lsn) {
        CAPTURE(lsn);
        if (told.finished.count(lsn) == 0) CHECK(found.count(lsn) == 1);
        if (told.voided.count(lsn) != 0) CHECK(found.count(lsn) == 0);
    }
}

}  // namespace

TEST_SUITE("engine/spool_crash")
{
    TEST_CASE("spool: after a fault at any call the log stops, and nothing acknowledged is lost")
    {
        for (const auto durable : {durability::process, durability::fsync}) {
            auto options = small_options();
            options.durable = durable;
            options.memory_max = 30'000;  // so that some reading is done from the files
            std::uint64_t stopped = 0;
            for (std::uint64_t n = 1;; ++n) {
                CAPTURE(n);
                const auto disk = std::make_shared<memory_disk>();
                disk->fail_at = n;
                disk->fail_errno = n % 2 == 0 ? EIO : ENOSPC;
                promises told;
                auto opened = open_disk(disk, options);
                if (!opened.directory) {
                    CHECK(disk->failed);
                    CHECK_FALSE(opened.why.empty());
                } else {
                    std::unique_ptr<spool_log> log;
                    told = work(*opened.directory, log);
                    if (told.stopped && log) {
                        ++stopped;
                        CHECK_FALSE(log->why().empty());
                        append(*log, "more");
                        CHECK_FALSE(log->commit());  // although the disk works again
                        CHECK_FALSE(log->commit());
                    } else if (told.stopped) {
                        CHECK_FALSE(opened.directory->problem().empty());
                    } else if (disk->failed) {
                        CHECK_FALSE(opened.directory->problem().empty());
                    }
                }
                // Killed, or ended in order.
                check_promises(disk->copy(), told);
                opened.directory.reset();
                disk->fail_at = 0;
                check_promises(disk->copy(), told);
                if (!disk->failed) {
                    CHECK(told.acknowledged == 150);
                    break;
                }
            }
            CHECK(stopped > 100);
        }
    }

    TEST_CASE("spool: a fault at any call of an opening refuses it, and the next one finds all")
    {
        const auto disk = std::make_shared<memory_disk>();
        auto directory = must_open(disk);
        std::unique_ptr<spool_log> log;
        const auto told = work(*directory, log);
        REQUIRE(told.acknowledged == 150);
        const auto left = disk->copy();
        left->put("spare-1", {});
        std::uint64_t refused = 0;
        for (std::uint64_t n = 1;; ++n) {
            CAPTURE(n);
            const auto faulty = left->copy();
            faulty->fail_at = n;
            const auto opened = open_disk(faulty);
            if (!opened.directory) {
                ++refused;
                CHECK_FALSE(opened.why.empty());
            }
            if (opened.directory && faulty->failed)
                CHECK_FALSE(opened.directory->problem().empty());
            check_promises(faulty->copy(), told);
            if (!faulty->failed) break;
        }
        CHECK(refused > 10);
    }

    TEST_CASE("spool: a kill at any call, inside any write, leaves what was acknowledged before")
    {
        struct mark {
            std::size_t calls;
            promises told;
        };
        const auto disk = std::make_shared<memory_disk>();
        disk->tracing = true;
        const auto directory = must_open(disk);
        std::unique_ptr<spool_log> log;
        std::vector<mark> marks{{0, {}}};
        work(*directory, log, [&](const promises& told) {
            marks.push_back({disk->trace.size(), told});
        });
        log.reset();  // the clean end is interrupted as well
        REQUIRE(marks.size() == 51);
        CHECK(disk->trace.size() > marks.back().calls);

        std::size_t mark_index = 0;
        std::uint64_t states = 0;
        for (std::size_t count = 0; count <= disk->trace.size(); ++count) {
            while (mark_index + 1 < marks.size() && marks[mark_index + 1].calls <= count)
                ++mark_index;
            // Deliveries are recorded by the commit after them, perhaps by the one that is cut.
            auto told = marks[mark_index].told;
            if (mark_index + 1 < marks.size()) told.finished = marks[mark_index + 1].told.finished;
            const auto size = count < disk->trace.size() ? disk->trace[count].bytes.size() : 0;
            const auto step = std::max<std::size_t>(size / 40, 1);
            for (std::size_t partial = 0; partial <= size; partial += step) {
                CAPTURE(count);
                CAPTURE(partial);
                check_promises(replay(disk->trace, count, partial), told);
                ++states;
            }
        }
        CHECK(states > 2000);
    }
}
