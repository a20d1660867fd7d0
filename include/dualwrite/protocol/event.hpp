#pragma once

#include <dualwrite/protocol/primitives.hpp>

namespace dualwrite::protocol {

// In a RESULT and in an EVENT alike.
struct schema_change_view {
    std::string_view change;  // CREATED, UPDATED, DROPPED
    std::string_view target;  // KEYSPACE, TABLE, TYPE, FUNCTION, AGGREGATE
    std::string_view keyspace;
    std::string_view name;  // empty for a keyspace
    string_list arguments;  // types of a function's or aggregate's arguments
};

enum class event_kind : std::uint8_t { topology, status, schema };

struct event_view {
    event_kind kind{event_kind::status};
    std::string_view change;     // NEW_NODE, REMOVED_NODE; UP, DOWN; of a schema: as there
    inet_value node;             // of the first two kinds
    schema_change_view schema;   // of the last kind
    std::size_t node_offset{0};  // where the [inet] stands in the message
};

namespace detail {

inline schema_change_view read_schema_change(cursor& in)
{
    schema_change_view out;
    out.change = in.string();
    out.target = in.string();
    out.keyspace = in.string();
    if (out.target == "KEYSPACE") return out;
    out.name = in.string();
    if (out.target == "FUNCTION" || out.target == "AGGREGATE") out.arguments = in.strings();
    return out;
}

}  // namespace detail

// `message` is the body behind the prefix. Kinds that are not in the specification fail.
inline result<event_view> parse_event(bytes_view message)
{
    cursor in(message);
    event_view out;
    const auto type = in.string();
    if (type == "SCHEMA_CHANGE") {
        out.kind = event_kind::schema;
        out.schema = detail::read_schema_change(in);
        out.change = out.schema.change;
    } else if (type == "TOPOLOGY_CHANGE" || type == "STATUS_CHANGE") {
        out.kind = type == "STATUS_CHANGE" ? event_kind::status : event_kind::topology;
        out.change = in.string();
        out.node_offset = in.position();
        out.node = in.inet_();
    } else {
        in.set_failed();
    }
    if (!in.ok()) return fail(errc::malformed);
    return out;
}

}  // namespace dualwrite::protocol
