#include <dualwrite/engine/spool_rescued.hpp>
#include <dualwrite/replication/spool_segment.hpp>

#include <algorithm>
#include <set>

#include "spool_support.hpp"

// What can be read of a spool that is damaged anywhere: everything else, and nothing wrong.

using namespace spool_test;
using dualwrite::engine::rescued_log;
using dualwrite::engine::walked_gap;
namespace replication = dualwrite::replication;

namespace {

struct record_at {
    std::uint64_t begin{0};
    std::uint64_t end{0};
    replication::record_type type{};
    std::uint64_t lsn{0};
};

std::vector<record_at> records_of(const std::vector<std::byte>& bytes)
{
    std::vector<record_at> out;
    for (std::uint64_t at = replication::segment_header_size; at + 24 <= bytes.size();) {
        const auto record = replication::trusted_record(bytes.data() + at);
        if (static_cast<int>(record.fields.type) == 0) break;
        out.push_back({at, at + record.size, record.fields.type, record.fields.lsn});
        at += record.size;
    }
    return out;
}

std::shared_ptr<memory_disk> disk_with(std::uint64_t intents, std::size_t size)
{
    const auto disk = std::make_shared<memory_disk>();
    const auto directory = must_open(disk);
    const auto log = must_create(*directory);
    const auto id = log->intern("ks", "INSERT");
    for (std::uint64_t lsn = 1; lsn <= intents; ++lsn) {
        append(*log, payload_of(lsn, size), {id});
        REQUIRE(log->commit());
    }
    return disk->copy();
}

struct found {
    std::vector<std::uint64_t> lsns;
    std::vector<walked_gap> gaps;
    std::uint64_t lost{0};
    bool damaged{false};
    bool exact{true};  // every write that came out is what was put in
};

found rescue(const std::shared_ptr<memory_disk>& disk, std::size_t size)
{
    memory_storage storage(disk);
    const auto listed = dualwrite::engine::list_spool(storage);
    REQUIRE(listed);
    REQUIRE(listed->logs.size() == 1);
    const auto& [id, numbers] = *listed->logs.begin();
    std::string why;
    const auto log = rescued_log::read(storage, "spool", id, numbers, why);
    CAPTURE(why);
    REQUIRE(log);
    found out;
    out.gaps = log->files().gaps;
    out.damaged = log->damaged();
    if (log->state() != nullptr) out.lost = log->state()->lost();
    REQUIRE(log->for_each_unfinished(
        storage,
        "spool",
        [&](const rescued_log::write& write) -> dualwrite::result<void> {
            out.exact &= as_text(write.payload) == payload_of(write.lsn, size);
            out.lsns.push_back(write.lsn);
            return {};
        },
        why
    ));
    return out;
}

std::vector<std::uint64_t> all_but(std::uint64_t last, std::uint64_t missing)
{
    std::vector<std::uint64_t> out;
    for (std::uint64_t lsn = 1; lsn <= last; ++lsn)
        if (lsn != missing) out.push_back(lsn);
    return out;
}

}  // namespace

// Each bit and each byte; under a sanitizer some of each kind.
constexpr std::uint64_t step = dualwrite::test::sanitized ? 11 : 1;

TEST_SUITE("engine/spool_walk")
{
    TEST_CASE("rescue: with any bit flipped every other write is there, and the place is named")
    {
        const std::uint64_t count = 100;
        const auto disk = disk_with(count, 60);
        const auto name = segments_of(*disk).front();
        const auto records = records_of(disk->data(name));
        REQUIRE(records.size() > count);
        std::size_t index = 0;
        for (std::uint64_t bit = 0; bit < records.back().end * 8; bit += step) {
            auto& byte = disk->data(name)[bit / 8];
            const auto before = byte;
            byte ^= static_cast<std::byte>(1u << bit % 8);
            const auto got = rescue(disk, 60);
            byte = before;
            CAPTURE(bit);
            REQUIRE(got.exact);
            if (bit / 8 < replication::segment_header_size) {
                // A version that is higher than ours is not looked into.
                const auto newer = bit / 8 >= 8 && bit / 8 < 12;
                if (!newer || !got.lsns.empty()) REQUIRE(got.lsns == all_but(count, 0));
                REQUIRE(got.damaged);
                REQUIRE(got.gaps.front().begin == 0);
                continue;
            }
            while (records[index].end <= bit / 8) ++index;
            const auto& hit = records[index];
            const auto is_write = hit.type == replication::record_type::intent;
            REQUIRE(got.lsns == all_but(count, is_write ? hit.lsn : 0));
            REQUIRE(got.gaps.size() == 1);
            REQUIRE(got.gaps[0].file == name);
            REQUIRE(got.gaps[0].begin == hit.begin);
            const auto last = hit.lsn == count;
            REQUIRE(got.damaged == !last);
            if (last) continue;
            REQUIRE(got.gaps[0].end == hit.end);
            REQUIRE(got.lost == (is_write ? 1u : 0u));
            if (is_write) REQUIRE(got.gaps[0].first_lsn == hit.lsn);
            if (is_write) REQUIRE(got.gaps[0].last_lsn == hit.lsn);
        }
    }

    TEST_CASE("rescue: a file that ends at any byte gives every write before that")
    {
        const auto disk = disk_with(60, 60);
        const auto name = segments_of(*disk).front();
        const auto whole = disk->data(name);
        const auto records = records_of(whole);
        for (std::uint64_t cut = replication::segment_header_size; cut <= records.back().end;
             cut += step) {
            const auto torn = disk->copy();
            torn->data(name).resize(cut);
            const auto got = rescue(torn, 60);
            CAPTURE(cut);
            REQUIRE(got.exact);
            REQUIRE_FALSE(got.damaged);
            std::uint64_t last = 0;
            for (const auto& record : records)
                if (record.end <= cut && record.type == replication::record_type::intent)
                    last = record.lsn;
            REQUIRE(got.lsns == all_but(last, 0));
        }
    }

    TEST_CASE("rescue: a zeroed sector anywhere takes only the writes that it touches")
    {
        const std::uint64_t count = 100;
        const auto disk = disk_with(count, 60);
        const auto name = segments_of(*disk).front();
        const auto records = records_of(disk->data(name));
        for (auto at = replication::segment_header_size; at + 512 < records.back().begin;
             at += 512) {
            const auto hurt = disk->copy();
            auto& bytes = hurt->data(name);
            std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 512, std::byte{0});
            const auto got = rescue(hurt, 60);
            CAPTURE(at);
            std::vector<std::uint64_t> expected;
            for (const auto& record : records)
                if (record.type == replication::record_type::intent &&
                    (record.end <= at || record.begin >= at + 512))
                    expected.push_back(record.lsn);
            REQUIRE(got.exact);
            REQUIRE(got.damaged);
            REQUIRE(got.lsns == expected);
            REQUIRE(got.lost == count - expected.size());
        }
    }

    TEST_CASE("rescue: a missing segment is named with the writes that it had")
    {
        const auto disk = disk_with(1000, 100);
        auto names = segments_of(*disk);
        REQUIRE(names.size() > 3);
        std::set<std::uint64_t> had;
        for (const auto& record : records_of(disk->data(names[1])))
            if (record.type == replication::record_type::intent) had.insert(record.lsn);
        disk->files.erase(names[1]);
        const auto got = rescue(disk, 100);
        REQUIRE(got.gaps.size() == 1);
        CHECK(got.gaps[0].file == names[1]);
        CHECK(got.gaps[0].first_lsn == *had.begin());
        CHECK(got.gaps[0].last_lsn == *had.rbegin());
        CHECK(got.gaps[0].damage);
        CHECK(got.lost == had.size());
        CHECK(got.lsns.size() == 1000 - had.size());
    }

    TEST_CASE("rescue: damage at the end of a segment that has a successor is damage")
    {
        const auto disk = disk_with(1000, 100);
        const auto names = segments_of(*disk);
        const auto records = records_of(disk->data(names[0]));
        auto& bytes = disk->data(names[0]);
        const auto last = std::find_if(records.rbegin(), records.rend(), [](const auto& r) {
            return r.type == replication::record_type::intent;
        });
        REQUIRE(last != records.rend());
        std::fill(
            bytes.begin() + static_cast<std::ptrdiff_t>(last->begin), bytes.end(), std::byte{0}
        );
        auto got = rescue(disk, 100);
        CHECK(got.damaged);
        CHECK(got.lsns == all_but(1000, last->lsn));
        bytes.resize(last->begin);
        got = rescue(disk, 100);
        CHECK(got.damaged);
        CHECK(got.lsns == all_but(1000, last->lsn));
        CHECK(got.gaps[0].why == "the file ends too early");
    }

    TEST_CASE("rescue: a file that cannot be read is an error that names it, at any call")
    {
        const auto disk = disk_with(1000, 100);
        for (std::uint64_t at = 1;; ++at) {
            const auto failing = disk->copy();
            failing->fail_at = at;
            memory_storage storage(failing);
            std::string why;
            const auto listed = dualwrite::engine::list_spool(storage);
            if (listed) {
                const auto& [id, numbers] = *listed->logs.begin();
                const auto log = rescued_log::read(storage, "spool", id, numbers, why);
                CAPTURE(at);
                REQUIRE(log.has_value() == !failing->failed);
                if (!log) REQUIRE(why.find("cannot read the spool file spool/dw-") == 0);
            }
            if (!failing->failed) break;
        }
    }
}
