#include <dualwrite/protocol/segment.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

byte_vector segment_of(bytes_view payload, bool self_contained, bool lz4)
{
    byte_buffer out;
    append_segment(out, payload, self_contained, lz4);
    return copy(out.view());
}

result<byte_vector> open(bytes_view segment, bool lz4)
{
    DW_TRY(header, parse_segment_header(segment, lz4));
    if (header.size(lz4) != segment.size()) return fail(errc::malformed);
    byte_buffer scratch;
    DW_TRY(payload, open_segment(segment, header, lz4, scratch));
    return copy(payload);
}

byte_vector flip(byte_vector in, std::size_t bit)
{
    in[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    return in;
}

}  // namespace

TEST_SUITE("protocol/segment")
{
    TEST_CASE("append_segment: writes the bytes that other implementations write")
    {
        const auto one = bytes({1});
        CHECK(
            hex(segment_of(one, true, false)) == "010002"
                                                 "7256ac"
                                                 "01"
                                                 "0b2b9bba"
        );
        CHECK(
            hex(segment_of(one, false, false)) == "010000"
                                                  "6f8715"
                                                  "01"
                                                  "0b2b9bba"
        );
        const auto ten = bytes({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
        CHECK(
            hex(segment_of(ten, true, false)) == "0a0002"
                                                 "8c6879"
                                                 "00010203040506070809"
                                                 "a832fadf"
        );
        const auto eleven = bytes({0xa0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
        CHECK(
            hex(segment_of(eleven, true, true)) == "0b00000004"
                                                   "b33f91"
                                                   "a000010203040506070809"
                                                   "0eed347b"
        );
    }

    TEST_CASE("open_segment: reads compressed segments of other implementations")
    {
        const auto one =
            bytes({2, 0, 2, 0, 4, 0x7a, 0x06, 0x9a, 0x10, 0x01, 0xa8, 0xbe, 0xb4, 0x61});
        const auto header = parse_segment_header(one, true);
        REQUIRE(header.has_value());
        CHECK(*header == segment_header{2, 1, true});
        CHECK(hex(*open(one, true)) == "01");
        const auto part = bytes({2, 0, 2, 0, 0, 0x4b, 0xeb, 0x7e});
        CHECK(*parse_segment_header(part, true) == segment_header{2, 1, false});
        const auto ten = bytes({11, 0, 20, 0, 4, 0x74, 0xcd, 0x7c}) +
                         bytes({0xa0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) +
                         bytes({0x0e, 0xed, 0x34, 0x7b});
        CHECK(hex(*open(ten, true)) == "00010203040506070809");
    }

    TEST_CASE("parse_segment_header: reads sizes up to the limit of 17 bits")
    {
        CHECK(
            *parse_segment_header(bytes({0xff, 0xff, 0x03, 0x25, 0x40, 0x47}), false) ==
            segment_header{131071, 0, true}
        );
        CHECK(
            *parse_segment_header(bytes({0x50, 0xc3, 0xfe, 0xff, 0x07, 0xb4, 0x72, 0xaf}), true) ==
            segment_header{50000, 131071, true}
        );
    }

    TEST_CASE("store_segment_header: is the inverse of parsing at the edges of both sizes")
    {
        for (const bool lz4 : {false, true})
            for (const bool self_contained : {false, true})
                for (const std::uint32_t wire : {0u, 1u, 65535u, 65536u, 131071u})
                    for (const std::uint32_t plain : {0u, 1u, 65535u, 65536u, 131071u}) {
                        const segment_header header{wire, lz4 ? plain : 0, self_contained};
                        byte_vector out(segment_header_size(lz4));
                        store_segment_header(out.data(), header, lz4);
                        const auto parsed = parse_segment_header(out, lz4);
                        REQUIRE(parsed.has_value());
                        CHECK(*parsed == header);
                    }
    }

    TEST_CASE("parse_segment_header: finds every single flipped bit of a header, its CRC included")
    {
        for (const bool lz4 : {false, true}) {
            const auto whole = segment_of(repetitive(500), true, lz4);
            for (std::size_t bit = 0; bit < segment_header_size(lz4) * 8; ++bit) {
                CAPTURE(bit);
                const auto parsed = parse_segment_header(flip(whole, bit), lz4);
                REQUIRE_FALSE(parsed.has_value());
                CHECK(parsed.error() == errc::bad_crc);
            }
        }
    }

    TEST_CASE("open_segment: finds every single flipped bit of payload and CRC")
    {
        for (const bool lz4 : {false, true}) {
            const auto whole = segment_of(repetitive(100), true, lz4);
            for (auto bit = segment_header_size(lz4) * 8; bit < whole.size() * 8; ++bit) {
                CAPTURE(bit);
                const auto opened = open(flip(whole, bit), lz4);
                REQUIRE_FALSE(opened.has_value());
                CHECK(opened.error() == errc::bad_crc);
            }
        }
    }

    TEST_CASE("open_segment: gives back every payload, compressible or not")
    {
        for (const bool lz4 : {false, true})
            for (const auto size :
                 std::initializer_list<std::size_t>{0, 1, 12, 13, 63, 64, 65, 1000, 131070, 131071})
                for (const auto& payload : {noise(size), repetitive(size)}) {
                    CAPTURE(lz4);
                    CAPTURE(size);
                    const auto opened = open(segment_of(payload, true, lz4), lz4);
                    REQUIRE(opened.has_value());
                    CHECK(*opened == payload);
                }
    }

    TEST_CASE("append_segment: compresses what shrinks and stores what does not")
    {
        const auto small = segment_of(repetitive(1000), true, true);
        CHECK(small.size() < 100);
        CHECK(parse_segment_header(small, true)->uncompressed_size == 1000);
        const auto stored = segment_of(noise(1000), true, true);
        CHECK(*parse_segment_header(stored, true) == segment_header{1000, 0, true});
        CHECK(stored.size() == 1012);
    }

    TEST_CASE("open_segment: refuses a block that does not give exactly the declared size")
    {
        // Two literals: declared as 3, 1 and 131071.
        const auto block = bytes({0x20, 7, 8});
        for (const std::uint32_t declared : {1u, 3u, 131071u}) {
            byte_vector whole(8);
            store_segment_header(whole.data(), {3, declared, true}, true);
            whole = whole + block;
            byte_vector crc(4);
            store_le(crc.data(), crc32(block));
            const auto opened = open(whole + crc, true);
            REQUIRE_FALSE(opened.has_value());
            CHECK(opened.error() == errc::bad_compression);
        }
    }

    TEST_CASE("append_as_segments: makes one segment of what fits and several of one byte more")
    {
        for (const bool lz4 : {false, true}) {
            byte_buffer out;
            append_as_segments(out, noise(segment_payload_max), lz4);
            CHECK(*parse_segment_header(out.view(), lz4) == segment_header{131071, 0, true});

            out.clear();
            append_as_segments(out, noise(segment_payload_max + 1), lz4);
            const auto first = *parse_segment_header(out.view(), lz4);
            CHECK(first == segment_header{131071, 0, false});
            const auto rest = out.view().subspan(first.size(lz4));
            const auto second = *parse_segment_header(rest, lz4);
            CHECK(second == segment_header{1, 0, false});
            CHECK(rest.size() == second.size(lz4));
        }
    }
}
