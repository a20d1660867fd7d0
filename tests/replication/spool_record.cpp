#include <dualwrite/replication/spool_payload.hpp>
#include <dualwrite/replication/spool_record.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace dualwrite;
using namespace dualwrite::replication;

namespace {

constexpr record_place place{0x12345678, 4096};

std::vector<std::byte>
record_with(std::string_view payload, record_fields fields, record_place where = place)
{
    std::vector<std::byte> bytes(record_size(payload.size()), std::byte{0xee});
    if (!payload.empty())
        std::memcpy(bytes.data() + record_header_size, payload.data(), payload.size());
    seal_record(bytes.data(), payload.size(), fields, where);
    return bytes;
}

}  // namespace

TEST_SUITE("replication/spool_record")
{
    TEST_CASE("crc32c: gives the published values")
    {
        CHECK(crc32c(0, as_bytes("")) == 0);
        CHECK(crc32c(0, as_bytes("123456789")) == 0xe3069283);
        const std::vector<std::byte> zeros(32);
        CHECK(crc32c(0, zeros) == 0x8a9136aa);  // RFC 3720, B.4
        const std::vector<std::byte> ones(32, std::byte{0xff});
        CHECK(crc32c(0, ones) == 0x62a8ab43);
        std::vector<std::byte> rising;
        for (int i = 0; i < 32; ++i) rising.push_back(static_cast<std::byte>(i));
        CHECK(crc32c(0, rising) == 0x46dd794e);
    }

    TEST_CASE("crc32c: the portable code, the machine's code and any split agree")
    {
        std::string text;
        for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 37);
        for (std::size_t size = 0; size <= text.size(); ++size) {
            const auto all = as_bytes(text).first(size);
            const auto expected = detail::crc32c_portable(7, all);
            CHECK(crc32c(7, all) == expected);
            for (std::size_t split = 0; split <= size; ++split)
                REQUIRE(crc32c(crc32c(7, all.first(split)), all.subspan(split)) == expected);
        }
    }

    TEST_CASE("record: has its fields where the format says")
    {
        const auto bytes = record_with("abc", {record_type::note, 0x0102030405060708, 9});
        REQUIRE(bytes.size() == 32);
        CHECK(load_le<std::uint32_t>(bytes.data() + 4) == 3);
        CHECK(load_le<std::uint64_t>(bytes.data() + 8) == 0x0102030405060708);
        CHECK(bytes[16] == std::byte{6});
        CHECK(load_le<std::uint32_t>(bytes.data() + 20) == 9);
        CHECK(as_text(bytes_view(bytes).subspan(24, 3)) == "abc");
        CHECK(bytes[31] == std::byte{0});
        // By hand: the header's checksum is that of the offset and the header behind it.
        std::vector<std::byte> covered(8);
        store_le(covered.data(), place.offset);
        covered.insert(covered.end(), bytes.begin() + 4, bytes.begin() + 24);
        CHECK(load_le<std::uint32_t>(bytes.data()) == crc32c(place.seed, covered));
        CHECK(
            load_le<std::uint32_t>(bytes.data() + 27) ==
            crc32c(load_le<std::uint32_t>(bytes.data()), as_bytes("abc"))
        );
    }

    TEST_CASE("record: reads back, whatever its size")
    {
        for (std::size_t size = 0; size < 100; ++size) {
            const std::string payload(size, 'p');
            const auto bytes = record_with(payload, {record_type::intent, 77, 5});
            CHECK(bytes.size() % 8 == 0);
            const auto found = decode_record(bytes, place, bytes.size());
            REQUIRE(found.status == record_status::valid);
            CHECK(found.record.fields.type == record_type::intent);
            CHECK(found.record.fields.lsn == 77);
            CHECK(found.record.fields.secured == 5);
            CHECK(as_text(found.record.payload) == payload);
            CHECK(found.record.size == bytes.size());
            const auto trusted = trusted_record(bytes.data());
            CHECK(as_text(trusted.payload) == payload);
            CHECK(trusted.size == bytes.size());
        }
    }

    TEST_CASE("record: every truncation asks for more or, at the end of the file, is invalid")
    {
        const auto bytes = record_with("some payload", {record_type::intent, 1, 0});
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            CAPTURE(size);
            const auto part = bytes_view(bytes).first(size);
            const auto more = decode_record(part, place, bytes.size());
            CHECK(more.status == record_status::more);
            CHECK(more.size == (size < 32 ? 32 : bytes.size()));
            CHECK(decode_record(part, place, size).status == record_status::invalid);
        }
    }

    TEST_CASE("record: no flipped bit goes unnoticed")
    {
        auto bytes = record_with("some payload, 21 long", {record_type::intent, 1, 0});
        for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
            CAPTURE(bit);
            bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
            CHECK(decode_record(bytes, place, bytes.size()).status == record_status::invalid);
            bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        }
        CHECK(decode_record(bytes, place, bytes.size()).status == record_status::valid);
    }

    TEST_CASE("record: is valid at its own place only")
    {
        const log_id a{std::byte{1}};
        const log_id b{std::byte{2}};
        const record_place written{segment_seed(a, 1), 4096};
        const auto bytes = record_with("payload", {record_type::intent, 1, 0}, written);
        const auto status_at = [&](record_place where) {
            return decode_record(bytes, where, bytes.size()).status;
        };
        CHECK(status_at(written) == record_status::valid);
        CHECK(status_at({segment_seed(b, 1), 4096}) == record_status::invalid);
        CHECK(status_at({segment_seed(a, 2), 4096}) == record_status::invalid);
        CHECK(status_at({segment_seed(a, 1), 4104}) == record_status::invalid);
    }

    TEST_CASE("record: zeros and unknown types are invalid")
    {
        const std::vector<std::byte> zeros(64);
        CHECK(decode_record(zeros, place, zeros.size()).status == record_status::invalid);
        for (const int type : {0, 8, 255}) {
            const auto bytes = record_with("x", {static_cast<record_type>(type), 1, 0});
            CHECK(decode_record(bytes, place, bytes.size()).status == record_status::invalid);
        }
    }
}

TEST_SUITE("replication/spool_payload")
{
    TEST_CASE("statement: reads back, and every truncation of its fixed part is refused")
    {
        std::vector<std::byte> bytes(statement_payload_size(2, 6));
        write_statement(bytes.data(), {7, "ks", "INSERT"});
        const auto statement = read_statement(bytes);
        REQUIRE(statement);
        CHECK(statement->id == 7);
        CHECK(statement->keyspace == "ks");
        CHECK(statement->text == "INSERT");
        for (std::size_t size = 0; size < 10; ++size)
            CHECK_FALSE(read_statement(bytes_view(bytes).first(size)));
        CHECK(read_statement(bytes_view(bytes).first(10))->text.empty());
    }

    TEST_CASE("intent: reads back, and a count that does not fit is refused")
    {
        alignas(8) std::array<std::byte, 15> bytes{};
        store_le(bytes.data(), std::uint32_t{2});
        store_le(bytes.data() + 4, std::uint32_t{5});
        store_le(bytes.data() + 8, std::uint32_t{6});
        bytes[12] = std::byte{'x'};
        const auto intent = read_intent(bytes);
        REQUIRE(intent);
        CHECK(intent->statement_ids.size() == 2);
        CHECK(intent->statement_ids[1] == 6);
        CHECK(intent->payload.size() == 3);
        for (std::size_t size = 0; size < 12; ++size)
            CHECK_FALSE(read_intent(bytes_view(bytes).first(size)));
        CHECK(read_intent(bytes_view(bytes).first(12))->payload.empty());
        store_le(bytes.data(), std::uint32_t{0x4000'0001});
        CHECK_FALSE(read_intent(bytes));
    }

    TEST_CASE("range_list: gives few ranges for many writes")
    {
        range_list list;
        for (const auto lsn : {5u, 6u, 7u, 1u, 3u, 2u, 9u}) list.add(lsn, write_state::applied);
        list.add(8, write_state::void_);
        list.add(4, write_state::applied);
        CHECK(list.writes() == 9);
        const auto ranges = list.sorted();
        REQUIRE(ranges.size() == 3);
        CHECK(ranges[0].first == 1);
        CHECK(ranges[0].count == 7);
        CHECK(ranges[1].first == 8);
        CHECK(ranges[1].state == write_state::void_);
        CHECK(ranges[2].first == 9);

        std::vector<std::byte> bytes(ranges.size() * state_range_size);
        write_ranges(bytes.data(), ranges);
        std::vector<state_range> read;
        const auto collect = [&](const state_range& range) {
            read.push_back(range);
            return true;
        };
        CHECK(read_ranges(bytes, collect));
        REQUIRE(read.size() == 3);
        CHECK(read[1].state == write_state::void_);
        CHECK(read[0].count == 7);
        for (std::size_t size = 1; size < bytes.size(); ++size)
            if (size % 16 != 0) CHECK_FALSE(read_ranges(bytes_view(bytes).first(size), collect));
        bytes[12] = std::byte{4};
        CHECK_FALSE(read_ranges(bytes, collect));
    }
}
