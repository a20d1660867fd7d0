#include "describe_request.hpp"
#include "fuzz.hpp"

// For any body that parses: building it again gives the same request, and so does a new timestamp,
// with nothing changed but the timestamp.
using namespace dualwrite;
using namespace dualwrite::protocol;

static void check_patch(
    opcode op,
    bytes_view body,
    std::uint8_t version,
    std::uint8_t flags,
    const statement_options& options
)
{
    byte_buffer patched;
    append_with_timestamp(
        patched, body, version, options.flags_offset, options.timestamp_offset, 42
    );
    fuzz::check(patched.size() == body.size() + (options.timestamp_us ? 0 : 8));
    const auto view = patched.view();
    fuzz::check(
        fuzz::describe(op, view, version, flags) == fuzz::describe(op, body, version, flags)
    );
    fuzz::check(fuzz::timestamp_of(op, view, version, flags) == 42);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto op = static_cast<opcode>(in.byte());
    const auto version = in.version();
    const auto flags = static_cast<std::uint8_t>(in.byte() & flag_custom_payload);
    const auto text = fuzz::describe(op, in.rest(), version, flags);
    if (text.empty()) return 0;
    byte_buffer again;
    if (fuzz::rebuild(op, in.rest(), version, flags, again)) {
        fuzz::check(fuzz::describe(op, again.view(), version, 0) == text);
        const auto timestamp = fuzz::timestamp_of(op, in.rest(), version, flags);
        fuzz::check(fuzz::timestamp_of(op, again.view(), version, 0) == timestamp);
    }
    if (const auto q = parse_query(in.rest(), version, flags); q && op == opcode::query)
        check_patch(op, in.rest(), version, flags, q->parameters);
    if (const auto e = parse_execute(in.rest(), version, flags); e && op == opcode::execute)
        check_patch(op, in.rest(), version, flags, e->parameters);
    if (const auto b = parse_batch(in.rest(), version, flags); b && op == opcode::batch)
        check_patch(op, in.rest(), version, flags, *b);
    return 0;
}
