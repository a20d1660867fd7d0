#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response_build.hpp>

#include "fuzz.hpp"

// For any body: no parser reads past its end, both readers of the prefix agree, and a prepared
// statement that parses is the same when it is written and parsed again.
using namespace dualwrite;
using namespace dualwrite::protocol;

static void check_prepared(bytes_view message, std::uint8_t version)
{
    const auto prepared = parse_prepared(message, version);
    const auto complete = [](const auto& p) {
        return p.result.columns.size() == p.result.column_count;
    };
    if (!prepared || (prepared->result.has_columns() && !complete(*prepared))) return;
    byte_buffer again;
    append_prepared_body(again, version, *prepared);
    const auto reread = parse_prepared(again.view(), version);
    fuzz::check(reread && equal(reread->id, prepared->id));
    fuzz::check(reread->variables == prepared->variables);
    fuzz::check(reread->result.columns == prepared->result.columns);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto version = in.version();
    const auto flags = in.byte();
    const auto prefix = parse_response_prefix(flags, in.rest());
    const auto message = skip_response_prefix(flags, in.rest());
    fuzz::check(prefix.has_value() == message.has_value());
    if (!message) return 0;
    fuzz::check(equal(*message, prefix->message));
    check_prepared(*message, version);
    std::size_t parsed = parse_error(*message, version).has_value();
    parsed += parse_event(*message).has_value() + parse_schema_change(*message).has_value();
    parsed += parse_supported(*message).has_value() + parse_set_keyspace(*message).has_value();
    parsed += parse_authenticate(*message).has_value() + parse_auth_token(*message).has_value();
    return parsed > 7 ? 1 : 0;
}
