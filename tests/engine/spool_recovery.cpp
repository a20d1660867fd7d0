#include <dualwrite/replication/spool_record.hpp>
#include <dualwrite/replication/spool_segment.hpp>

#include "spool_support.hpp"

// What a spool makes of files that are torn, damaged, exchanged or from another time.

using namespace spool_test;
using dualwrite::errc;
namespace replication = dualwrite::replication;

namespace {

// Where the records of a segment's file begin and end.
std::vector<std::uint64_t> record_ends(const std::vector<std::byte>& bytes)
{
    std::vector<std::uint64_t> ends{replication::segment_header_size};
    while (ends.back() + 24 <= bytes.size()) {
        const auto record = replication::trusted_record(bytes.data() + ends.back());
        if (static_cast<int>(record.fields.type) == 0) break;
        ends.push_back(ends.back() + record.size);
    }
    return ends;
}

// A disk as a kill leaves it: one log with intents of `size` bytes, `per_turn` in each commit.
std::shared_ptr<memory_disk>
disk_with(std::uint64_t intents, std::size_t size, std::uint64_t per_turn = 1)
{
    const auto disk = std::make_shared<memory_disk>();
    const auto directory = must_open(disk);
    const auto log = must_create(*directory);
    const auto id = log->intern("ks", "INSERT");
    for (std::uint64_t lsn = 1; lsn <= intents; ++lsn) {
        append(*log, payload_of(lsn, size), {id});
        if (lsn % per_turn == 0) REQUIRE(log->commit());
    }
    REQUIRE(log->commit());
    return disk->copy();
}

struct outcome {
    std::error_code error;
    std::string why;
    std::vector<std::uint64_t> lsns;
};

// Opens the disk; every intent that comes out must be what was put in.
outcome recover(const std::shared_ptr<memory_disk>& disk, std::size_t size)
{
    auto opened = open_disk(disk);
    outcome found{opened.error, opened.why, {}};
    if (!opened.directory) return found;
    spool_reading progress;
    for (auto& unread : opened.directory->take_left_logs()) {
        auto log = unread.read(found.why, progress);
        if (!log) return {log.error(), found.why, {}};
        for (const auto& intent : read_all(**log)) {
            if (intent.payload != payload_of(intent.lsn, size)) FAIL("another record came out");
            found.lsns.push_back(intent.lsn);
        }
    }
    return found;
}

std::vector<std::uint64_t> numbers_to(std::uint64_t last)
{
    std::vector<std::uint64_t> lsns;
    for (std::uint64_t lsn = 1; lsn <= last; ++lsn) lsns.push_back(lsn);
    return lsns;
}

}  // namespace

TEST_SUITE("engine/spool_recovery")
{
    TEST_CASE("spool: a file that ends anywhere in its last 4 KiB gives the records before that")
    {
        const auto disk = disk_with(100, 60);
        const auto name = segments_of(*disk).front();
        const auto whole = disk->data(name);
        const auto ends = record_ends(whole);
        REQUIRE(ends.size() > 100);

        for (auto cut = ends.back() - 4096; cut <= ends.back(); ++cut) {
            const auto torn = disk->copy();
            torn->data(name).resize(cut);
            const auto found = recover(torn, 60);
            CAPTURE(cut);
            CAPTURE(found.why);
            REQUIRE(!found.error);
            // Two records stand before the first intent: the clock and the statement.
            const auto records = std::upper_bound(ends.begin(), ends.end(), cut) - ends.begin() - 1;
            REQUIRE(found.lsns == numbers_to(static_cast<std::uint64_t>(records) - 2));
        }
    }

    TEST_CASE("spool: a file that is zero from anywhere in its last 4 KiB on does the same")
    {
        const auto disk = disk_with(100, 60);
        const auto name = segments_of(*disk).front();
        const auto whole = disk->data(name);
        const auto ends = record_ends(whole);
        for (auto cut = ends.back() - 4096; cut <= ends.back(); ++cut) {
            const auto torn = disk->copy();
            auto& bytes = torn->data(name);
            std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(cut), bytes.end(), std::byte{0});
            const auto found = recover(torn, 60);
            CAPTURE(cut);
            REQUIRE(!found.error);
            // A record may be whole although its last bytes were cut: they were zero.
            std::uint64_t records = 0;
            while (records + 1 < ends.size() &&
                   std::equal(
                       whole.begin(),
                       whole.begin() + static_cast<std::ptrdiff_t>(ends[records + 1]),
                       bytes.begin()
                   ))
                ++records;
            REQUIRE(found.lsns == numbers_to(records - 2));
        }
    }

    TEST_CASE("spool: a flipped bit anywhere is refused, or takes the last record with it")
    {
        const auto disk = disk_with(100, 60);
        const auto name = segments_of(*disk).front();
        const auto ends = record_ends(disk->data(name));
        const auto last_record = ends[ends.size() - 2];
        std::uint64_t refused = 0;
        std::uint64_t dropped = 0;
        for (std::uint64_t bit = 0; bit < ends.back() * 8; ++bit) {
            auto& byte = disk->data(name)[bit / 8];
            const auto before = byte;
            byte ^= static_cast<std::byte>(1u << bit % 8);
            const auto found = recover(disk->copy(), 60);
            byte = before;

            const auto in_last_record = bit / 8 >= last_record;
            const auto is_refusal =
                found.error == errc::spool_corrupt || found.error == errc::spool_version;
            const auto is_drop = !found.error && found.lsns == numbers_to(99);
            if (is_refusal) ++refused;
            if (is_drop) ++dropped;
            CAPTURE(bit);
            CAPTURE(found.why);
            REQUIRE((in_last_record ? is_drop : is_refusal));
            if (is_refusal) REQUIRE(found.why.find(name) != std::string::npos);
        }
        CHECK(refused == last_record * 8);
        CHECK(dropped == (ends.back() - last_record) * 8);
    }

    TEST_CASE("spool: a refusal names file, place and remedy, and changes nothing")
    {
        const auto disk = disk_with(100, 60);
        const auto name = segments_of(*disk).front();
        const auto ends = record_ends(disk->data(name));
        disk->data(name)[ends[50] + 30] ^= std::byte{1};
        disk->put("spare-1", {});
        disk->tracing = true;
        const auto opened = open_disk(disk);
        CHECK(opened.error == errc::spool_corrupt);
        CHECK(opened.why.starts_with(
            "the spool file state/spool/" + name + " is damaged at byte " +
            std::to_string(ends[50]) + ": "
        ));
        CHECK(opened.why.find("dualwrite spool salvage") != std::string::npos);
        CHECK(disk->trace.empty());
        CHECK_FALSE(disk->locked);  // the next attempt finds it free
    }

    TEST_CASE("spool: damage in a segment that has a successor is refused at its very end, too")
    {
        const auto disk = disk_with(300, 300);
        const auto names = segments_of(*disk);
        REQUIRE(names.size() > 4);
        CHECK(recover(disk->copy(), 300).lsns == numbers_to(300));
        for (std::size_t i = 0; i + 1 < names.size(); ++i) {
            CAPTURE(i);
            const auto end = record_ends(disk->data(names[i])).back();
            const auto flipped = disk->copy();
            flipped->data(names[i])[end - 5] ^= std::byte{4};
            CHECK(recover(flipped, 300).error == errc::spool_corrupt);

            const auto cut = disk->copy();
            cut->data(names[i]).resize(end - 1);
            CHECK(recover(cut, 300).error == errc::spool_corrupt);

            const auto zeroed = disk->copy();
            auto& bytes = zeroed->data(names[i]);
            std::fill(bytes.begin(), bytes.end(), std::byte{0});
            const auto found = recover(zeroed, 300);
            CHECK(found.error == errc::spool_corrupt);
            CHECK(found.why.find(names[i]) != std::string::npos);
        }
    }

    TEST_CASE("spool: exchanged and missing segments are refused")
    {
        const auto disk = disk_with(300, 300);
        const auto names = segments_of(*disk);
        for (std::size_t i = 0; i < names.size(); ++i)
            for (std::size_t j = i + 1; j < names.size(); ++j) {
                const auto swapped = disk->copy();
                std::swap(swapped->files[names[i]], swapped->files[names[j]]);
                const auto found = recover(swapped, 300);
                CHECK(found.error == errc::spool_corrupt);
                CHECK(found.why.find("another file's") != std::string::npos);
            }
        for (std::size_t i = 1; i + 1 < names.size(); ++i) {
            const auto missing = disk->copy();
            missing->files.erase(names[i]);
            const auto found = recover(missing, 300);
            CHECK(found.error == errc::spool_corrupt);
            CHECK(
                found.why.find(names[i] + " is damaged at byte 0: it is missing") !=
                std::string::npos
            );
        }
    }

    TEST_CASE("spool: records of another log, segment or place behind the end are not taken")
    {
        const auto disk = disk_with(20, 60);
        const auto name = segments_of(*disk).front();
        auto& bytes = disk->data(name);
        const auto end = record_ends(bytes).back();
        const auto check = [&](const std::vector<std::byte>& stale, std::uint64_t from) {
            const auto recycled = disk->copy();
            auto& out = recycled->data(name);
            std::copy(
                stale.begin() + static_cast<std::ptrdiff_t>(from),
                stale.begin() + static_cast<std::ptrdiff_t>(from + out.size() - end),
                out.begin() + static_cast<std::ptrdiff_t>(end)
            );
            CHECK(recover(recycled, 60).lsns == numbers_to(20));
            CHECK(recycled->files.contains(name + ".broken"));
        };
        const auto other_log = disk_with(120, 60);
        check(other_log->data(segments_of(*other_log).front()), end);
        check(bytes, end - (end - 4096));  // the same records, at another offset
        bytes.resize(16 * 1024);

        // A record behind the end that is ours and stands where it was written: never a tear.
        const auto more = disk_with(21, 60);
        const auto later = segments_of(*more).front();
        const auto ends = record_ends(more->data(later));
        auto& hole = more->data(later);
        std::fill_n(hole.begin() + static_cast<std::ptrdiff_t>(ends[10]), 8, std::byte{0});
        CHECK(recover(more, 60).error == errc::spool_corrupt);
    }

    TEST_CASE("spool: what a crash tore off is kept beside its segment, zeros are not")
    {
        const auto disk = disk_with(20, 60);
        const auto name = segments_of(*disk).front();
        CHECK(recover(disk->copy(), 60).lsns == numbers_to(20));
        const auto clean = disk->copy();
        recover(clean, 60);
        CHECK_FALSE(clean->files.contains(name + ".broken"));

        const auto ends = record_ends(disk->data(name));
        const auto last = ends[ends.size() - 2];
        disk->data(name)[ends.back() - 2] ^= std::byte{1};
        const auto before = disk->data(name);
        CHECK(recover(disk, 60).lsns == numbers_to(19));
        CHECK(disk->data(name).size() == last);
        REQUIRE(disk->files.contains(name + ".broken"));
        const auto& kept = disk->data(name + ".broken");
        CHECK(kept.size() <= ends.back() - last);
        CHECK(
            std::equal(kept.begin(), kept.end(), before.begin() + static_cast<std::ptrdiff_t>(last))
        );
        CHECK(must_open(disk)->size_bytes() == disk->data(name).size() + kept.size());
    }

    TEST_CASE("spool: no more than 16 torn tails are kept, and a full disk does not keep one")
    {
        const auto disk = disk_with(20, 60);
        const auto name = segments_of(*disk).front();
        disk->data(name)[record_ends(disk->data(name)).back() - 2] ^= std::byte{1};
        const auto crowded = disk->copy();
        for (int i = 10; i < 26; ++i)
            crowded->put("dw-" + std::to_string(i) + ".log.broken", {std::byte{1}});
        CHECK(recover(crowded, 60).lsns == numbers_to(19));
        CHECK_FALSE(crowded->files.contains(name + ".broken"));

        disk->fail_errno = ENOSPC;
        bool refused_to_save = false;
        for (disk->fail_at = 1; !refused_to_save && disk->fail_at < 100; ++disk->fail_at) {
            disk->calls = 0;
            const auto opened = open_disk(disk);
            refused_to_save = opened.directory && !opened.directory->problem().empty();
        }
        CHECK(refused_to_save);
    }

    TEST_CASE("spool: a torn log takes outcomes, is torn again and stays consistent")
    {
        auto disk = disk_with(20, 60);
        const auto name = segments_of(*disk).front();
        disk->data(name)[record_ends(disk->data(name)).back() - 2] ^= std::byte{1};
        for (std::uint64_t round = 1; round <= 5; ++round) {
            const auto directory = must_open(disk);
            auto left = take_left(*directory);
            REQUIRE(left.size() == 1);
            auto& log = *left.front();
            CHECK(log.last_lsn() == 19);
            CHECK(log.backlog() == 19 - 2 * (round - 1));
            log.settle(2 * round, write_state::void_);
            log.finish(2 * round + 1);
            log.sync_done(static_cast<std::int64_t>(1000 * round));
            REQUIRE(log.commit());
            disk = disk->copy();
        }
        CHECK(segments_of(*disk).size() == 6);
        CHECK(
            recover(disk, 60).lsns == std::vector<std::uint64_t>{1, 12, 13, 14, 15, 16, 17, 18, 19}
        );
    }

    TEST_CASE("spool: a newer format is refused, with the way out")
    {
        const auto disk = disk_with(20, 60);
        const auto name = segments_of(*disk).front();
        disk->data(name)[8] = std::byte{2};
        const auto found = recover(disk, 60);
        CHECK(found.error == errc::spool_version);
        CHECK(
            found.why.find(name + " was written by a newer dualwrite (format 2;") !=
            std::string::npos
        );
        CHECK(found.why.find("start that version") != std::string::npos);
    }

    TEST_CASE("spool: a last segment that was made but never written is dropped")
    {
        const auto disk = disk_with(300, 300);
        const auto names = segments_of(*disk);
        auto next = *replication::parse_segment_name(names.back());
        ++next.segment;
        disk->put(replication::to_text(next), std::vector<std::byte>(16 * 1024));
        CHECK(recover(disk, 300).lsns == numbers_to(300));
        CHECK_FALSE(disk->files.contains(replication::to_text(next)));
        CHECK_FALSE(disk->files.contains(replication::to_text(next) + ".broken"));
    }

    TEST_CASE("spool: spares of earlier runs are deleted, other files are left alone")
    {
        const auto disk = disk_with(20, 60);
        disk->put("spare-7", std::vector<std::byte>(100));
        disk->put("notes.txt", std::vector<std::byte>(100));
        disk->put("dw-zz-00000001.log", std::vector<std::byte>(100));
        CHECK(recover(disk, 60).lsns == numbers_to(20));
        CHECK_FALSE(disk->files.contains("spare-7"));
        CHECK(disk->files.contains("notes.txt"));
        CHECK(disk->files.contains("dw-zz-00000001.log"));
    }

    TEST_CASE("spool: opening reads the last file of each log, reading the others")
    {
        const auto disk = disk_with(2000, 300, 100);
        const auto names = segments_of(*disk);
        auto directory = must_open(disk);
        const auto opening = disk->reads;
        CHECK(opening < names.size() / 2);
        auto left = directory->take_left_logs();
        REQUIRE(left.size() == 1);
        CHECK_FALSE(left.front().is_read());
        CHECK(left.front().unfinished_max() == 2000);
        CHECK(left.front().unread_bytes() == directory->size_bytes());
        std::string why;
        spool_reading progress;
        const auto log = left.front().read(why, progress);
        REQUIRE(log);
        CHECK(disk->reads >= opening + names.size());
        CHECK(progress.bytes == directory->size_bytes());
        CHECK((*log)->backlog() == 2000);
    }

    TEST_CASE("spool: a log of one file is read when it is opened")
    {
        const auto disk = disk_with(20, 60);
        const auto directory = must_open(disk);
        const auto reads = disk->reads;
        auto left = directory->take_left_logs();
        CHECK(left.front().is_read());
        CHECK(left.front().unfinished_max() == 20);
        CHECK(left.front().unread_bytes() == 0);
        std::string why;
        spool_reading progress;
        CHECK(left.front().read(why, progress));
        CHECK(disk->reads == reads);
    }

    TEST_CASE("spool: reading that is told to end leaves the log to the next run")
    {
        const auto disk = disk_with(300, 300);
        {
            const auto directory = must_open(disk);
            auto left = directory->take_left_logs();
            std::string why;
            spool_reading progress;
            progress.stop = true;
            const auto log = left.front().read(why, progress);
            REQUIRE_FALSE(log);
            CHECK(log.error() == std::errc::operation_canceled);
        }
        CHECK(recover(disk, 300).lsns == numbers_to(300));
    }

    TEST_CASE("spool: damage before the last file is found when it is read, and changes nothing")
    {
        const auto disk = disk_with(300, 300);
        const auto name = segments_of(*disk)[1];
        const auto place = record_ends(disk->data(name))[5];
        disk->data(name)[place + 40] ^= std::byte{1};
        disk->tracing = true;
        const auto found = recover(disk, 300);
        CHECK(found.error == errc::spool_corrupt);
        CHECK(found.why.starts_with(
            "the spool file state/spool/" + name + " is damaged at byte " + std::to_string(place)
        ));
        // Nothing but the empty space behind its last record is gone.
        for (const auto& call : disk->trace) {
            CHECK(call.what == disk_call::kind::resize);
            CHECK(call.file == disk->files.at(segments_of(*disk).back()));
        }
    }

    TEST_CASE("spool: the clock of a log whose last file was torn at its first record is there")
    {
        const auto disk = std::make_shared<memory_disk>();
        {
            const auto directory = must_open(disk);
            const auto log = must_create(*directory);
            log->set_clock(5000);
            for (std::uint64_t lsn = 1; segments_of(*disk).size() < 4; ++lsn) {
                append(*log, payload_of(lsn, 300));
                log->set_clock(static_cast<std::int64_t>(5000 + lsn));
                REQUIRE(log->commit());
            }
        }
        const auto last = segments_of(*disk).back();
        const auto whole = must_open(disk->copy())->clock_high_water_us();
        const auto ends = record_ends(disk->data(last));
        disk->data(last).resize(ends[1] - 1);
        const auto torn = must_open(disk)->clock_high_water_us();
        CHECK(torn > 5000);
        CHECK(torn <= whole);
        CHECK(segments_of(*disk).back() == last);
    }

    TEST_CASE("spool: a log of many segments comes back whole")
    {
        const auto disk = disk_with(2000, 300, 100);
        REQUIRE(segments_of(*disk).size() > 20);
        CHECK(recover(disk, 300).lsns == numbers_to(2000));
    }
}
