#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>

#include <doctest/doctest.h>

using namespace dualwrite;

TEST_SUITE("base/bytes") {
TEST_CASE("load_be and store_be: are inverse and big-endian")
{
    std::byte raw[8];
    store_be<std::int64_t>(raw, 0x0102030405060708);
    CHECK(raw[0] == std::byte{1});
    CHECK(load_be<std::int64_t>(raw) == 0x0102030405060708);
    store_be<std::uint16_t>(raw, 0xfffe);
    CHECK(raw[0] == std::byte{0xff});
    CHECK(load_be<std::uint16_t>(raw) == 0xfffe);
    CHECK(load_be<std::int32_t>(raw) == static_cast<std::int32_t>(0xfffe0304));
}

TEST_CASE("byte_buffer: keeps its content while it grows")
{
    byte_buffer buffer;
    for (int i = 0; i < 1000; ++i) buffer.append_be<std::int32_t>(i);
    REQUIRE(buffer.size() == 4000);
    for (int i = 0; i < 1000; ++i) CHECK(load_be<std::int32_t>(buffer.data() + 4 * i) == i);
    buffer.consume(3996);
    CHECK(load_be<std::int32_t>(buffer.data()) == 999);
}

TEST_CASE("result: carries a value or an error")
{
    result<int> good{7};
    result<int> bad{fail(errc::malformed)};
    CHECK(*good == 7);
    CHECK_FALSE(bad.has_value());
    CHECK(bad.error() == errc::malformed);
    CHECK(bad.error().message() == "malformed message");
}
}
