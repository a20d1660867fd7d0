#pragma once

#include <dualwrite/protocol/request.hpp>

#include <string>

// One text for all that a request says, except its timestamp, to compare requests by.
namespace dualwrite::fuzz {

using namespace dualwrite::protocol;

inline std::string describe(const statement_options& o)
{
    const auto number = [](const auto& v) { return v ? std::to_string(std::int64_t(*v)) : "-"; };
    std::string out = "consistency " + std::to_string(int(o.consistency));
    out += " serial " + number(o.serial_consistency);
    out += " keyspace " + (o.keyspace ? "=" + std::string(*o.keyspace) : "-");
    return out + " now " + number(o.now_in_seconds);
}

inline std::string describe(const query_parameters& p)
{
    auto out = describe(static_cast<const statement_options&>(p));
    out += " skip " + std::to_string(p.flags & query_flag::skip_metadata);
    out += " page " + (p.page_size ? std::to_string(*p.page_size) : "-");
    out += " state " + (p.paging_state ? "=" + std::string(as_text(*p.paging_state)) : "-");
    const auto walked = for_each_value(p.values, p.named_values, [&](auto name, const auto& value) {
        out += " [" + std::string(name) + "]" + std::to_string(int(value.is));
        out += as_text(value.bytes);
    });
    if (!walked) out += " broken";
    return out + " " + std::to_string(p.value_count);
}

// Empty: the body does not parse.
inline std::string describe(opcode op, bytes_view body, std::uint8_t version, std::uint8_t flags)
{
    std::string out(opcode_name(op));
    if (op == opcode::query) {
        const auto q = parse_query(body, version, flags);
        return q ? out + std::string(q->text) + describe(q->parameters) : "";
    }
    if (op == opcode::execute) {
        const auto e = parse_execute(body, version, flags);
        if (!e) return "";
        out += std::string(as_text(e->id)) + "/" + std::string(as_text(e->result_metadata_id));
        return out + describe(e->parameters);
    }
    if (op == opcode::prepare) {
        const auto p = parse_prepare(body, version, flags);
        if (!p) return "";
        return out + std::string(p->text) + (p->keyspace ? "=" + std::string(*p->keyspace) : "-");
    }
    if (op != opcode::batch) return "";
    const auto b = parse_batch(body, version, flags);
    if (!b) return "";
    out += std::to_string(int(b->type));
    for (const auto& child : b->children) {
        out += child.prepared ? " id " : " text ";
        out += child.prepared ? as_text(child.id) : child.text;
        out += std::to_string(child.value_count) + "=" + std::string(as_text(child.values));
    }
    return out + describe(static_cast<const statement_options&>(*b));
}

// Of requests that have a timestamp. The body parses.
inline std::optional<statement_options>
options_of(opcode op, bytes_view body, std::uint8_t version, std::uint8_t flags)
{
    if (op == opcode::query) return parse_query(body, version, flags)->parameters;
    if (op == opcode::execute) return parse_execute(body, version, flags)->parameters;
    if (op == opcode::batch) return *parse_batch(body, version, flags);
    return std::nullopt;
}

// Writes the parsed request with our builders. False: it has what they do not write, a keyspace
// below version 5.
inline bool
rebuild(opcode op, bytes_view body, std::uint8_t version, std::uint8_t flags, byte_buffer& out)
{
    if (op == opcode::prepare) {
        const auto p = parse_prepare(body, version, flags);
        append_prepare_body(out, version, p->text, p->keyspace);
        return true;
    }
    if (op == opcode::query) {
        const auto q = parse_query(body, version, flags);
        if (version < 5 && q->parameters.keyspace) return false;
        append_query_body(out, version, q->text, to_write_parameters(q->parameters));
        return true;
    }
    if (op == opcode::execute) {
        const auto e = parse_execute(body, version, flags);
        if (version < 5 && e->parameters.keyspace) return false;
        const auto p = to_write_parameters(e->parameters);
        append_execute_body(out, version, e->id, e->result_metadata_id, p);
        return true;
    }
    const auto b = parse_batch(body, version, flags);
    if (version < 5 && b->keyspace) return false;
    batch_builder builder(out, version, b->type);
    for (const auto& child : b->children) {
        if (child.prepared)
            builder.add_prepared(child.id, child.value_count, child.values);
        else
            builder.add_query(child.text, child.value_count, child.values);
    }
    query_parameters options;
    static_cast<statement_options&>(options) = *b;
    options.flags = 0;
    builder.finish(to_write_parameters(options));
    return true;
}

}  // namespace dualwrite::fuzz
