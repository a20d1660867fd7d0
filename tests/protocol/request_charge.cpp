#include <dualwrite/protocol/request_charge.hpp>

#include <doctest/doctest.h>

#include <limits>

using namespace dualwrite;
using namespace dualwrite::protocol;

namespace {

void append_entry(byte_buffer& out, std::string_view key, bytes_view value)
{
    append_string(out, key);
    append_bytes(out, value);
}

byte_buffer units(double value)
{
    byte_buffer out;
    append_long(out, std::bit_cast<std::int64_t>(value));
    return out;
}

// Tracing id, two warnings, then a payload of two entries.
byte_buffer full(std::string_view key, bytes_view value)
{
    byte_buffer out;
    for (int i = 0; i < 16; ++i) out.append(as_bytes("t"));
    append_short(out, 2);
    append_string(out, "first");
    append_string(out, "second");
    append_short(out, 2);
    append_entry(out, "Other", as_bytes("12345678"));
    append_entry(out, key, value);
    return out;
}

constexpr std::uint8_t all_flags = flag_tracing | flag_warning | flag_custom_payload;

}  // namespace

TEST_SUITE("protocol/request_charge")
{
    TEST_CASE("request_charge: a big-endian double behind all that may stand before it")
    {
        const auto body = full("RequestCharge", units(5.25).view());
        CHECK(request_charge(all_flags, body.view()) == 5.25);
        byte_buffer alone;
        append_short(alone, 1);
        append_entry(alone, "RequestCharge", units(0.0).view());
        CHECK(request_charge(flag_custom_payload, alone.view()) == 0.0);
        CHECK(to_integer<int>(units(1.0).view()[0]) == 0x3f);
    }

    TEST_CASE("request_charge: nothing without the flag, the key or a number that counts")
    {
        const auto good = full("RequestCharge", units(5.25).view());
        CHECK_FALSE(request_charge(flag_tracing | flag_warning, good.view()));
        CHECK_FALSE(request_charge(all_flags, full("requestcharge", units(1).view()).view()));
        CHECK_FALSE(request_charge(all_flags, full("RequestCharge", as_bytes("1234567")).view()));
        for (const auto bad :
             {-1.0,
              std::numeric_limits<double>::quiet_NaN(),
              std::numeric_limits<double>::infinity()})
            CHECK_FALSE(request_charge(all_flags, full("RequestCharge", units(bad).view()).view()));
    }

    TEST_CASE("request_charge: every truncation is nothing")
    {
        const auto body = full("RequestCharge", units(5.25).view());
        for (std::size_t size = 0; size < body.size(); ++size) {
            CAPTURE(size);
            CHECK_FALSE(request_charge(all_flags, body.view().first(size)));
        }
    }
}
