#include <dualwrite/replication/spool_replay.hpp>
#include <dualwrite/replication/spool_scan.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace dualwrite;
using namespace dualwrite::replication;

namespace {

const log_id our_log{std::byte{0xab}, std::byte{0xcd}};

// A segment in memory that grows record by record.
struct segment_bytes {
    std::uint32_t seed{segment_seed(our_log, 3)};
    std::vector<std::byte> bytes;
    std::vector<std::uint64_t> offsets;

    explicit segment_bytes(std::uint64_t first_lsn = 1) : bytes(segment_header_size)
    {
        write_segment_header(
            bytes.data(),
            {.log = our_log, .segment = 3, .first_lsn = first_lsn, .previous_end = 4096}
        );
    }

    void
    add(record_type type, std::uint64_t lsn, std::string_view payload, std::uint32_t secured = 0)
    {
        const auto offset = bytes.size();
        offsets.push_back(offset);
        bytes.resize(offset + record_size(payload.size()));
        if (!payload.empty())
            std::memcpy(bytes.data() + offset + record_header_size, payload.data(), payload.size());
        seal_record(bytes.data() + offset, payload.size(), {type, lsn, secured}, {seed, offset});
    }

    void add_intent(std::uint64_t lsn, const std::string& text, std::uint32_t secured = 0)
    {
        add(record_type::intent, lsn, std::string(4, '\0') + text, secured);
    }
};

struct scanned {
    std::vector<std::uint64_t> offsets;
    scan_step last;
};

// Scans with windows of `size` bytes, or more where a record asks for it.
template <class Scan>
scanned scan_all(Scan scan, const std::vector<std::byte>& bytes, std::size_t size)
{
    scanned result;
    file_window window;
    for (;;) {
        const auto step = scan.next(window);
        result.last = step;
        if (step.what == scan_step::kind::record) {
            result.offsets.push_back(step.offset);
        } else if (step.what == scan_step::kind::more) {
            const auto begin = static_cast<std::size_t>(scan.offset());
            const auto n = std::min(std::max(size, step.size), bytes.size() - begin);
            if (n < step.size) return result;
            window = {bytes_view(bytes).subspan(begin, n), begin};
        } else {
            return result;
        }
    }
}

std::string ranges_text(std::initializer_list<state_range> ranges)
{
    std::string text(ranges.size() * state_range_size, '\0');
    write_ranges(reinterpret_cast<std::byte*>(text.data()), {ranges.begin(), ranges.size()});
    return text;
}

std::string number_text(std::uint64_t number)
{
    std::string text(8, '\0');
    store_le(reinterpret_cast<std::byte*>(text.data()), number);
    return text;
}

record_view record_of(record_type type, std::uint64_t lsn, const std::string& payload)
{
    return {{type, lsn, 0}, as_bytes(payload), record_size(payload.size())};
}

}  // namespace

TEST_SUITE("replication/spool_scan")
{
    TEST_CASE("segment_scan: finds the same records with windows of any size")
    {
        segment_bytes segment;
        for (std::uint64_t lsn = 1; lsn <= 20; ++lsn)
            segment.add_intent(lsn, std::string(lsn * lsn, 'x'));
        for (std::size_t size = 1; size < 500; ++size) {
            CAPTURE(size);
            const auto found =
                scan_all(segment_scan(segment.seed, segment.bytes.size()), segment.bytes, size);
            CHECK(found.offsets == segment.offsets);
            CHECK(found.last.what == scan_step::kind::end);
            CHECK(found.last.offset == segment.bytes.size());
        }
    }

    TEST_CASE("segment_scan: ends at a seal and stops at the first invalid record")
    {
        segment_bytes segment;
        segment.add_intent(1, "one");
        segment.add(record_type::seal, 1, "");
        const auto end = segment.bytes.size();
        segment.add_intent(2, "behind the seal");
        auto found = scan_all(segment_scan(segment.seed, segment.bytes.size()), segment.bytes, 64);
        CHECK(found.offsets.size() == 2);
        CHECK(found.last.what == scan_step::kind::end);
        CHECK(found.last.offset == end);

        segment.bytes[segment.offsets[1]] ^= std::byte{1};
        found = scan_all(segment_scan(segment.seed, segment.bytes.size()), segment.bytes, 64);
        CHECK(found.offsets.size() == 1);
        CHECK(found.last.what == scan_step::kind::invalid);
        CHECK(found.last.offset == segment.offsets[1]);
    }

    TEST_CASE("segment_scan: does not go past the end that it was given")
    {
        segment_bytes segment;
        segment.add_intent(1, "one");
        segment.add_intent(2, "two");
        auto found = scan_all(segment_scan(segment.seed, segment.offsets[1]), segment.bytes, 64);
        CHECK(found.offsets.size() == 1);
        CHECK(found.last.what == scan_step::kind::end);
        found = scan_all(segment_scan(segment.seed, segment.offsets[1] + 8), segment.bytes, 64);
        CHECK(found.last.what == scan_step::kind::invalid);
    }

    TEST_CASE("tail_search: finds valid records behind any invalid place, with windows of any size")
    {
        segment_bytes segment;
        for (std::uint64_t lsn = 1; lsn <= 10; ++lsn) segment.add_intent(lsn, std::string(90, 'x'));
        segment.bytes.resize(segment.bytes.size() + 1000);
        for (std::size_t from = segment.offsets[3] + 1; from < segment.offsets[4]; ++from)
            for (const std::size_t size : {32u, 100u, 4096u}) {
                const auto found = scan_all(
                    tail_search(segment.seed, from, segment.bytes.size()), segment.bytes, size
                );
                REQUIRE(found.offsets.size() == 6);
                REQUIRE(found.offsets.front() == segment.offsets[4]);
                REQUIRE(found.last.what == scan_step::kind::end);
            }
        const auto none = scan_all(
            tail_search(segment_seed(our_log, 4), 4096, segment.bytes.size()), segment.bytes, 64
        );
        CHECK(none.offsets.empty());
    }

    TEST_CASE("shows_damage: only if the invalid place was secured before")
    {
        const auto record = [](std::uint32_t secured) {
            return record_fields{record_type::intent, 1, secured};
        };
        CHECK_FALSE(shows_damage(record(0), 5000));
        CHECK_FALSE(shows_damage(record(5000 / 8), 5000));
        CHECK(shows_damage(record(5000 / 8 + 1), 5000));
        CHECK_FALSE(shows_damage(record(only_earlier_segments), 0));
        CHECK(shows_damage(record(4096 / 8), 0));
        CHECK_FALSE(shows_damage_before(record(0)));
        CHECK(shows_damage_before(record(only_earlier_segments)));
    }
}

TEST_SUITE("replication/spool_segment")
{
    TEST_CASE("segment header: reads back, and no flipped bit goes unnoticed")
    {
        const segment_header header{
            .log = our_log,
            .segment = 7,
            .first_lsn = 1234,
            .previous_end = 5678,
            .log_created_us = -5,
            .created_us = 99,
        };
        std::vector<std::byte> bytes(segment_header_size);
        write_segment_header(bytes.data(), header);
        const auto found = read_segment_header(bytes);
        CHECK(found.status == header_status::valid);
        CHECK(found.header == header);

        for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
            bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
            const auto status = read_segment_header(bytes).status;
            bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
            const auto in_version = bit / 32 == 2;
            if (status == header_status::newer) CHECK(in_version);
            REQUIRE((status == header_status::damaged || status == header_status::newer));
        }
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const auto status = read_segment_header(bytes_view(bytes).first(size)).status;
            REQUIRE(status == (size == 0 ? header_status::unwritten : header_status::damaged));
        }
        CHECK(read_segment_header(std::vector<std::byte>(4096)).status == header_status::unwritten);
    }

    TEST_CASE("segment name: reads back in its own spelling only")
    {
        const segment_name name{our_log, 12};
        const auto text = to_text(name);
        CHECK(text == "dw-abcd" + std::string(28, '0') + "-00000012.log");
        CHECK(parse_segment_name(text) == name);
        CHECK(
            parse_segment_name(to_text({our_log, 123'456'789})) ==
            segment_name{our_log, 123'456'789}
        );

        for (std::size_t at = 0; at < text.size(); ++at) {
            auto changed = text;
            changed[at] = 'G';
            CHECK_FALSE(parse_segment_name(changed));
            CHECK_FALSE(parse_segment_name(text.substr(0, at)));
        }
        CHECK_FALSE(parse_segment_name("dw-ABCD" + std::string(28, '0') + "-00000012.log"));
        CHECK_FALSE(parse_segment_name("dw-abcd" + std::string(28, '0') + "-00000000.log"));
        CHECK_FALSE(parse_segment_name("dw-abcd" + std::string(28, '0') + "-000000012.log"));
        CHECK_FALSE(parse_segment_name(text + ".broken"));
    }
}

TEST_SUITE("replication/spool_replay")
{
    const std::string empty_intent(4, '\0');

    TEST_CASE("spool_replay: follows intents, outcomes, deliveries and the clock")
    {
        spool_replay replay(10);
        for (std::uint64_t lsn = 10; lsn < 20; ++lsn)
            CHECK(replay.apply(record_of(record_type::intent, lsn, empty_intent)) == nullptr);
        const auto settled =
            ranges_text({{12, 2, write_state::applied}, {15, 1, write_state::void_}});
        CHECK(replay.apply(record_of(record_type::settled, 19, settled)) == nullptr);
        const auto done = number_text(10) + ranges_text({{13, 1, write_state::done}});
        CHECK(replay.apply(record_of(record_type::done, 19, done)) == nullptr);
        CHECK(replay.apply(record_of(record_type::clock, 19, number_text(500))) == nullptr);
        CHECK(replay.apply(record_of(record_type::clock, 19, number_text(400))) == nullptr);
        CHECK(replay.apply(record_of(record_type::note, 19, "anything")) == nullptr);

        const auto& states = replay.states();
        CHECK(replay.clock_us() == 500);
        CHECK(states.first_unfinished() == 11);
        CHECK(states.get(11) == write_state::open);
        CHECK(states.get(12) == write_state::applied);
        CHECK(states.get(13) == write_state::done);
        CHECK(states.get(15) == write_state::void_);
        CHECK(states.unfinished() == 7);

        // The first outcome stands.
        const auto again =
            ranges_text({{12, 1, write_state::void_}, {13, 1, write_state::applied}});
        CHECK(replay.apply(record_of(record_type::settled, 19, again)) == nullptr);
        CHECK(states.get(12) == write_state::applied);
        CHECK(states.get(13) == write_state::done);
    }

    TEST_CASE("spool_replay: what concerns writes of deleted segments is ignored")
    {
        spool_replay replay(10);
        const auto settled = ranges_text({{3, 4, write_state::applied}});
        CHECK(replay.apply(record_of(record_type::settled, 9, settled)) == nullptr);
        CHECK(replay.apply(record_of(record_type::done, 9, number_text(9))) == nullptr);
        CHECK(replay.states().unfinished() == 0);
    }

    TEST_CASE("spool_replay: refuses what cannot follow what came before")
    {
        const auto refused = [&](record_type type, std::uint64_t lsn, const std::string& payload) {
            spool_replay replay(1);
            REQUIRE(replay.apply(record_of(record_type::intent, 1, empty_intent)) == nullptr);
            return replay.apply(record_of(type, lsn, payload)) != nullptr;
        };
        using type = record_type;
        CHECK_FALSE(refused(type::intent, 2, empty_intent));
        CHECK(refused(type::intent, 1, empty_intent));
        CHECK(refused(type::intent, 3, empty_intent));
        CHECK(refused(type::intent, 2, "abc"));
        CHECK(refused(type::statement, 1, "abc"));
        CHECK(refused(type::note, 2, ""));
        CHECK(refused(type::clock, 1, "1234567"));
        CHECK(refused(type::seal, 1, "x"));
        CHECK(refused(type::settled, 1, ranges_text({{1, 2, write_state::applied}})));
        CHECK(refused(type::settled, 1, ranges_text({{2, 1, write_state::applied}})));
        CHECK(refused(type::settled, 1, ranges_text({{0, 1, write_state::applied}})));
        CHECK(refused(type::settled, 1, ranges_text({{1, 0, write_state::applied}})));
        CHECK(refused(type::settled, 1, ranges_text({{1, 1, write_state::done}})));
        CHECK(refused(type::settled, 1, ranges_text({{1, 1, write_state::open}})));
        CHECK(refused(type::done, 1, number_text(2)));
        CHECK(refused(type::done, 1, "1234567"));
        CHECK(refused(type::done, 1, number_text(0) + ranges_text({{1, 1, write_state::void_}})));
        CHECK_FALSE(refused(type::done, 1, number_text(1)));
    }
}
