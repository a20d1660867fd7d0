#include <dualwrite/protocol/compression.hpp>

#include "fuzz.hpp"

// For any body: compressing and decompressing gives it back. For any compressed body: the limit
// holds, and a failure leaves the output as it was.
using namespace dualwrite;
using namespace dualwrite::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto kind = in.byte() % 2 == 0 ? compression::lz4 : compression::snappy;
    const auto limit = std::size_t{1} << (in.byte() % 20);

    byte_buffer out;
    out.append_be(std::uint8_t{0x55});
    const auto done = decompress_body(kind, in.rest(), limit, out);
    fuzz::check(out.data()[0] == std::byte{0x55});
    fuzz::check(done ? out.size() <= limit + 1 : out.size() == 1);

    byte_buffer packed, again;
    fuzz::check(compress_body(kind, in.rest(), packed).has_value());
    fuzz::check(decompress_body(kind, packed.view(), in.rest().size(), again).has_value());
    fuzz::check(equal(again.view(), in.rest()));
    return 0;
}
