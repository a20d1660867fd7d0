#include <dualwrite/protocol/framing.hpp>

#include "fuzz.hpp"

// For any bytes in any framing: what comes out does not depend on where the bytes were split.
using namespace dualwrite;
using namespace dualwrite::protocol;

static std::string decoded(bytes_view wire, std::uint8_t mode, std::size_t chunk)
{
    envelope_decoder decoder(1 << 20);
    if (mode < 3) decoder.set_compression(static_cast<compression>(mode));
    if (mode >= 3) decoder.switch_to_segments(mode == 4);
    std::string out;
    do {
        decoder.feed(wire.first(std::min(chunk, wire.size())));
        wire = wire.subspan(std::min(chunk, wire.size()));
        for (;;) {
            const auto next = decoder.next();
            if (!next) return out + next.error().message();
            if (!*next) break;
            fuzz::check((*next)->body.size() == (*next)->header.body_size);
            byte_buffer again;
            append_envelope(again, (*next)->header, (*next)->body);
            out += as_text(again.view());
        }
    } while (!wire.empty());
    return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto mode = static_cast<std::uint8_t>(in.byte() % 5);
    const auto chunk = 1 + std::size_t{in.byte()};
    const auto wrap = in.byte() % 2 == 0;
    // Random bytes hardly ever have the right checksums: mostly the data is put into segments.
    byte_buffer wire;
    if (wrap && mode >= 3)
        append_as_segments(wire, in.rest(), mode == 4);
    else
        wire.append(in.rest());
    fuzz::check(decoded(wire.view(), mode, chunk) == decoded(wire.view(), mode, wire.size() + 1));
    return 0;
}
