#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/request_build.hpp>
#include <dualwrite/protocol/response_build.hpp>

#include "fuzz.hpp"

// For any body of the messages that are no data: what is written from what was read is what was
// read, byte for byte, up to where the reader stopped.
using namespace dualwrite;
using namespace dualwrite::protocol;

namespace {

template <class Append> void check_same(bytes_view read, Append&& append)
{
    byte_buffer again;
    append(again);
    fuzz::check(again.size() <= read.size());
    fuzz::check(equal(again.view(), read.first(again.size())));
}

void check_requests(bytes_view body)
{
    if (const auto options = parse_startup(body))
        check_same(body, [&](byte_buffer& out) { append_startup_body(out, *options); });
    if (const auto events = parse_register(body))
        check_same(body, [&](byte_buffer& out) { append_register_body(out, *events); });
    if (const auto token = parse_auth_token(body); token && *token)
        check_same(body, [&](byte_buffer& out) { append_auth_response_body(out, *token); });
}

void check_errors(bytes_view body, std::uint8_t version)
{
    const auto error = parse_error(body, version);
    if (!error) return;
    check_same(body, [&](byte_buffer& out) {
        append_error_body(out, error->code, error->message);
    });
    if (error->code == error_code::unprepared)
        check_same(body, [&](byte_buffer& out) {
            append_unprepared_body(out, error->unprepared_id, error->message);
        });
}

void check_responses(bytes_view body)
{
    if (const auto options = parse_supported(body))
        check_same(body, [&](byte_buffer& out) { append_supported_body(out, *options); });
    if (const auto name = parse_authenticate(body))
        check_same(body, [&](byte_buffer& out) { append_authenticate_body(out, *name); });
    if (const auto keyspace = parse_set_keyspace(body))
        check_same(body, [&](byte_buffer& out) { append_set_keyspace_body(out, *keyspace); });
    if (const auto change = parse_schema_change(body))
        check_same(body, [&](byte_buffer& out) { append_schema_change_body(out, *change); });
    if (const auto event = parse_event(body))
        check_same(body, [&](byte_buffer& out) { append_event_body(out, *event); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto version = in.version();
    check_requests(in.rest());
    check_errors(in.rest(), version);
    check_responses(in.rest());
    return 0;
}
