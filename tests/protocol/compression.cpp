#include <dualwrite/protocol/compression.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

constexpr std::size_t size_max = 1 << 20;

byte_vector packed(compression kind, bytes_view in)
{
    byte_buffer out;
    REQUIRE(compress_body(kind, in, out).has_value());
    return copy(out.view());
}

std::error_code error_of(compression kind, bytes_view in, std::size_t limit = size_max)
{
    byte_buffer out;
    append_byte(out, 0x55);
    const auto done = decompress_body(kind, in, limit, out);
    if (!done) CHECK(hex(out.view()) == "55");
    return done.error();
}

}  // namespace

TEST_SUITE("protocol/compression")
{
    TEST_CASE("compression_name: is the inverse of parse_compression, which takes any case")
    {
        CHECK(parse_compression("lz4") == compression::lz4);
        CHECK(parse_compression("SNAPPY") == compression::snappy);
        CHECK(parse_compression("") == compression::none);
        CHECK_FALSE(parse_compression("zstd").has_value());
        CHECK_FALSE(parse_compression("lz4 ").has_value());
        for (const auto kind : {compression::none, compression::lz4, compression::snappy})
            CHECK(parse_compression(compression_name(kind)) == kind);
    }

    TEST_CASE("decompress_body: gives back what compress_body was given and appends it")
    {
        for (const auto kind : {compression::lz4, compression::snappy})
            for (const auto size : std::initializer_list<std::size_t>{0, 1, 5, 64, 1000, 100000})
                for (const auto& body : {noise(size), repetitive(size)}) {
                    byte_buffer out;
                    append_byte(out, 9);
                    REQUIRE(decompress_body(kind, packed(kind, body), size_max, out).has_value());
                    CHECK(equal(out.view().subspan(1), body));
                    CHECK(out.data()[0] == std::byte{9});
                }
    }

    TEST_CASE("compress_body: writes the size before a block of LZ4, big-endian")
    {
        const auto body = repetitive(0x010203);
        CHECK(hex(bytes_view(packed(compression::lz4, body)).first(4)) == "00010203");
    }

    TEST_CASE("decompress_body: reads known blocks")
    {
        byte_buffer out;
        const auto lz4 = bytes({0, 0, 0, 3, 0x30, 'a', 'b', 'c'});
        REQUIRE(decompress_body(compression::lz4, lz4, size_max, out).has_value());
        const auto snappy = bytes({3, 2 << 2, 'd', 'e', 'f'});
        REQUIRE(decompress_body(compression::snappy, snappy, size_max, out).has_value());
        CHECK(as_text(out.view()) == "abcdef");
    }

    TEST_CASE("decompress_body: takes an empty body in both of its forms")
    {
        CHECK_FALSE(error_of(compression::lz4, bytes({0, 0, 0, 0})));
        CHECK_FALSE(error_of(compression::lz4, bytes({0, 0, 0, 0, 0})));
        CHECK_FALSE(error_of(compression::snappy, bytes({0})));
        CHECK(error_of(compression::lz4, bytes({0, 0, 0, 0, 1})) == errc::bad_compression);
        CHECK(error_of(compression::lz4, {}) == errc::bad_compression);
        CHECK(error_of(compression::snappy, {}) == errc::bad_compression);
    }

    TEST_CASE("decompress_body: takes a body of exactly the limit and refuses one of a byte more")
    {
        for (const auto kind : {compression::lz4, compression::snappy}) {
            const auto body = packed(kind, repetitive(5000));
            CHECK_FALSE(error_of(kind, body, 5000));
            CHECK(error_of(kind, body, 4999) == errc::body_too_large);
        }
    }

    TEST_CASE("decompress_body: takes no memory for a size that so few bytes cannot give")
    {
        // Declared: 1 GiB, under a limit that would allow it.
        byte_buffer out;
        const auto limit = std::size_t{2} << 30;
        const auto lz4 = bytes({0x40, 0, 0, 0, 0x30, 1, 2, 3});
        CHECK(decompress_body(compression::lz4, lz4, limit, out).error() == errc::bad_compression);
        const auto snappy = bytes({0x80, 0x80, 0x80, 0x80, 0x04, 0, 1});
        CHECK(
            decompress_body(compression::snappy, snappy, limit, out).error() ==
            errc::bad_compression
        );
        CHECK(out.capacity() == 0);
    }

    TEST_CASE("decompress_body: allows the best ratio that the formats can have")
    {
        const byte_vector zeros(1 << 20);
        for (const auto kind : {compression::lz4, compression::snappy})
            CHECK_FALSE(error_of(kind, packed(kind, zeros)));
    }

    TEST_CASE("decompress_body: refuses every truncation and leaves the buffer as it was")
    {
        for (const auto kind : {compression::lz4, compression::snappy}) {
            const auto whole = packed(kind, repetitive(300));
            for (std::size_t size = 0; size < whole.size(); ++size) {
                CAPTURE(size);
                CHECK(error_of(kind, copy(bytes_view(whole).first(size))) == errc::bad_compression);
            }
        }
    }

    TEST_CASE("decompress_body: refuses a compression that was not agreed upon")
    {
        CHECK(error_of(compression::none, bytes({1, 2, 3, 4, 5})) == errc::unknown_compression);
        byte_buffer out;
        CHECK(compress_body(compression::none, {}, out).error() == errc::unknown_compression);
    }
}
