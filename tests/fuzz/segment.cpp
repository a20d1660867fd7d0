#include <dualwrite/protocol/segment.hpp>

#include "fuzz.hpp"

// For any payload: what is written is read back, one flipped bit is always found, and a payload
// that only claims to be compressed never gives anything but the size that it declares.
using namespace dualwrite;
using namespace dualwrite::protocol;

static result<bytes_view> open(bytes_view in, bool lz4, byte_buffer& scratch)
{
    DW_TRY(header, parse_segment_header(in, lz4));
    if (header.size(lz4) != in.size()) return fail(errc::malformed);
    return open_segment(in, header, lz4, scratch);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto lz4 = in.byte() % 2 == 1;
    const auto declared = in.byte() | std::uint32_t{in.byte()} << 8;
    const auto bit = in.byte() | std::size_t{in.byte()} << 8;
    const auto payload = in.rest().first(std::min(in.rest().size(), segment_payload_max));

    byte_buffer wire, scratch;
    append_segment(wire, payload, bit % 2 == 0, lz4);
    const auto opened = open(wire.view(), lz4, scratch);
    fuzz::check(opened && equal(*opened, payload));
    wire.data()[bit / 8 % wire.size()] ^= static_cast<std::byte>(1 << bit % 8);
    fuzz::check(!open(wire.view(), lz4, scratch));

    const segment_header claim{static_cast<std::uint32_t>(payload.size()), declared, true};
    wire.clear();
    store_segment_header(wire.extend(8), claim, true);
    wire.append(payload);
    store_le(wire.extend(4), crc32(payload));
    // Whatever the output was before: nothing of it may shine through.
    byte_buffer other;
    std::memset(other.extend(segment_payload_max), 0xff, segment_payload_max);
    const auto unpacked = open(wire.view(), true, scratch);
    const auto again = open(wire.view(), true, other);
    fuzz::check(unpacked.has_value() == again.has_value());
    if (unpacked) fuzz::check(equal(*unpacked, *again));
    if (unpacked && declared != 0) fuzz::check(unpacked->size() == declared);
    if (!unpacked) fuzz::check(unpacked.error() == errc::bad_compression);
    return 0;
}
