#include <dualwrite/protocol/types.hpp>

#include <algorithm>

#include "fuzz.hpp"

// For any text or class name that is a type: it is the same type when it is written and read again.
using namespace dualwrite;
using namespace dualwrite::protocol;

static std::optional<cql_type> resolve(std::string_view name)
{
    return cql_type{.id = type_id::udt, .name = std::string(name)};
}

// A text gives the name of a UDT only: one that a class in quotes spells out comes back without its
// keyspace and fields.
static bool spells_udt(const cql_type& type)
{
    return (type.id == type_id::udt && !type.keyspace.empty()) ||
           std::any_of(type.parameters.begin(), type.parameters.end(), spells_udt);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto text = as_text(in.rest());
    if (const auto type = parse_type_text(text, resolve); type && !spells_udt(*type)) {
        const auto again = parse_type_text(to_text(*type), resolve);
        fuzz::check(again && *again == *type);
    }
    const auto type = type_of_class(text);
    fuzz::check(type_of_class(class_of_type(type)) == type);
    if (text.size() > 0xffff) return 0;
    byte_buffer wire;
    append_type(wire, type);
    const auto parsed = parse_type(wire.view());
    fuzz::check(parsed.has_value());
    if (const auto direct = parse_type(in.rest())) {
        wire.clear();
        append_type(wire, *direct);
        fuzz::check(*parse_type(wire.view()) == *direct);
    }
    return 0;
}
