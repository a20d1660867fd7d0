#include <dualwrite/protocol/handshake.hpp>

#include "fuzz.hpp"

// For any answers of a server: the handshake ends after a bounded number of messages, and it never
// sends its password before the server has asked for it.
using namespace dualwrite;
using namespace dualwrite::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto version = in.version();
    client_handshake client(
        {.compression = static_cast<compression>(in.byte() % 3), .username = "u", .password = "p"},
        version
    );
    auto action = client.start();
    auto asked = false;
    for (int messages = 0; action.what == handshake_action::kind::send; ++messages) {
        fuzz::check(messages < 5);
        fuzz::check(asked || action.envelope.header.op != opcode::auth_response);
        const envelope_header header{
            .version = version,
            .response = true,
            .flags = static_cast<std::uint8_t>(in.byte() & 14),
            .op = static_cast<opcode>(in.byte() % 17)};
        const std::size_t wanted = in.byte() | std::size_t{in.byte()} << 8;
        const auto body = in.rest().first(std::min(wanted, in.rest().size()));
        for (std::size_t i = 0; i < body.size(); ++i) in.byte();
        asked = asked || header.op == opcode::authenticate;
        action = client.on_envelope({header, body});
    }
    fuzz::check(action.what != handshake_action::kind::failed || action.error);
    return 0;
}
