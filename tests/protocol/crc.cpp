#include <dualwrite/protocol/crc.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

// Bit by bit, as the definitions have it, to compare the table and the library with.
std::uint32_t slow_crc24(bytes_view in)
{
    std::uint32_t crc = 0x875060;
    for (const auto byte : in)
        for (int bit = 7; bit >= 0; --bit) {
            const auto next = (std::to_integer<std::uint32_t>(byte) >> bit) & 1;
            const auto top = (crc >> 23) & 1;
            crc = (crc << 1) & 0xffffff;
            if ((top ^ next) != 0) crc ^= 0x974f0b;
        }
    return crc;
}

std::uint32_t slow_crc32(bytes_view in)
{
    const auto seeded = bytes({0xfa, 0x2d, 0x55, 0xca}) + in;
    std::uint32_t crc = 0xffffffff;
    for (const auto byte : seeded)
        for (int bit = 0; bit < 8; ++bit) {
            const auto next = (std::to_integer<std::uint32_t>(byte) >> bit) & 1;
            crc = (crc >> 1) ^ (((crc ^ next) & 1) != 0 ? 0xedb88320 : 0);
        }
    return ~crc;
}

byte_vector le_bytes(std::uint64_t value, std::size_t size)
{
    byte_vector out(8);
    store_le(out.data(), value);
    out.resize(size);
    return out;
}

}  // namespace

TEST_SUITE("protocol/crc")
{
    TEST_CASE("crc24: gives the values that other implementations of the protocol give")
    {
        struct vector {
            std::uint64_t data;
            std::size_t size;
            std::uint32_t crc;
        };
        constexpr auto data_max = std::uint64_t{0x7fffffffffffffff};
        for (const auto& v :
             {vector{0, 0, 8867936},
              {0, 1, 59277},
              {0, 3, 8251255},
              {0, 5, 11185162},
              {0, 8, 9640737},
              {data_max, 1, 1294145},
              {data_max, 3, 8029951},
              {data_max, 5, 9326200},
              {data_max, 8, 5032370},
              {131077, 3, 10131737},
              {17181442053, 5, 3672222},
              {34359607301, 5, 14445742}}) {
            CAPTURE(v.data);
            CAPTURE(v.size);
            CHECK(crc24(le_bytes(v.data, v.size)) == v.crc);
        }
    }

    TEST_CASE("crc24: equals the definition for all one-byte inputs and for noise of many sizes")
    {
        for (int value = 0; value < 256; ++value)
            CHECK(crc24(bytes({value})) == slow_crc24(bytes({value})));
        for (std::size_t size = 0; size < 40; ++size)
            CHECK(crc24(noise(size)) == slow_crc24(noise(size)));
    }

    TEST_CASE("crc32: gives the values that a driver put on the wire")
    {
        const auto query = bytes({6, 16, 0, 0, 7, 0, 0, 0, 47, 0, 0, 0, 37}) +
                           as_bytes("SELECT cluster_name FROM system.local") +
                           bytes({0, 1, 0, 0, 0, 0});
        CHECK(crc32(query) == 37932456);
        const auto two = bytes({6, 16, 0, 0, 7, 0, 0, 0, 36, 0, 0, 0, 26}) +
                         as_bytes("SELECT * FROM system.local") + bytes({0, 1, 0, 0, 0, 0}) +
                         bytes({6, 16, 0, 1, 7, 0, 0, 0, 39, 0, 0, 0, 29}) +
                         as_bytes("SELECT * FROM system.peers_v2") + bytes({0, 1, 0, 0, 0, 0});
        CHECK(crc32(two) == 3652962632);
    }

    TEST_CASE("crc32: equals the definition for noise of many sizes and alignments")
    {
        CHECK(crc32({}) == slow_crc32({}));
        const auto data = noise(2000);
        for (std::size_t size = 0; size < 300; ++size) {
            const auto part = bytes_view(data).subspan(size % 17, size);
            CHECK(crc32(part) == slow_crc32(part));
        }
        CHECK(crc32(data) == slow_crc32(data));
    }
}
