#include "describe_request.hpp"
#include "fuzz.hpp"

// For any body that parses: building it again gives the same request, and so does a new timestamp,
// with nothing changed but the timestamp.
using namespace dualwrite;
using namespace dualwrite::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto op = static_cast<opcode>(in.byte());
    const auto version = in.version();
    const auto flags = static_cast<std::uint8_t>(in.byte() & flag_custom_payload);
    const auto body = in.rest();
    const auto text = fuzz::describe(op, body, version, flags);
    if (text.empty()) return 0;
    const auto options = fuzz::options_of(op, body, version, flags);

    byte_buffer again;
    if (fuzz::rebuild(op, body, version, flags, again)) {
        fuzz::check(fuzz::describe(op, again.view(), version, 0) == text);
        if (options) {
            const auto rebuilt = fuzz::options_of(op, again.view(), version, 0);
            fuzz::check(rebuilt->timestamp_us == options->timestamp_us);
        }
    }
    if (!options) return 0;
    byte_buffer out;
    append_with_timestamp(out, body, version, options->flags_offset, options->timestamp_offset, 42);
    fuzz::check(out.size() == body.size() + (options->timestamp_us ? 0 : 8));
    fuzz::check(fuzz::describe(op, out.view(), version, flags) == text);
    fuzz::check(fuzz::options_of(op, out.view(), version, flags)->timestamp_us == 42);
    return 0;
}
