#pragma once

#include <dualwrite/protocol/identifier.hpp>
#include <dualwrite/protocol/primitives.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace dualwrite::protocol {

enum class type_id : std::uint16_t {
    custom = 0x00,
    ascii = 0x01,
    bigint = 0x02,
    blob = 0x03,
    boolean = 0x04,
    counter = 0x05,
    decimal = 0x06,
    double_ = 0x07,
    float_ = 0x08,
    int_ = 0x09,
    timestamp = 0x0b,
    uuid = 0x0c,
    text = 0x0d,
    varint = 0x0e,
    timeuuid = 0x0f,
    inet = 0x10,
    date = 0x11,
    time = 0x12,
    smallint = 0x13,
    tinyint = 0x14,
    duration = 0x15,
    list = 0x20,
    map = 0x21,
    set = 0x22,
    udt = 0x30,
    tuple = 0x31,
    // Ours: on the wire it is custom with a class name.
    vector = 0xff00,
};

// Deeper types do not exist in practice; without a limit a short message could exhaust the stack.
inline constexpr int type_depth_max = 64;

struct cql_type {
    type_id id{type_id::custom};
    bool frozen{false};          // known where the type came from a text, not from its number
    std::uint32_t dimension{0};  // of a vector
    std::string custom_class{};  // of a custom type
    std::string keyspace{};      // of a UDT
    std::string name{};          // of a UDT
    std::vector<cql_type> parameters{};      // elements; key and value; fields of a tuple or UDT
    std::vector<std::string> field_names{};  // of a UDT

    friend bool operator==(const cql_type&, const cql_type&) = default;
};

constexpr bool is_collection(type_id id) noexcept
{
    return id == type_id::list || id == type_id::set || id == type_id::map;
}

// Its elements are cells of their own. Meaningful for types that came from their text.
inline bool is_multi_cell(const cql_type& type) noexcept
{
    return (is_collection(type.id) || type.id == type_id::udt) && !type.frozen;
}

struct native_type_name {
    type_id id;
    std::string_view cql;
    std::string_view marshal;  // the server's class
};

inline constexpr auto native_types = std::to_array<native_type_name>({
    {type_id::ascii, "ascii", "AsciiType"},
    {type_id::bigint, "bigint", "LongType"},
    {type_id::blob, "blob", "BytesType"},
    {type_id::boolean, "boolean", "BooleanType"},
    {type_id::counter, "counter", "CounterColumnType"},
    {type_id::decimal, "decimal", "DecimalType"},
    {type_id::double_, "double", "DoubleType"},
    {type_id::float_, "float", "FloatType"},
    {type_id::int_, "int", "Int32Type"},
    {type_id::timestamp, "timestamp", "TimestampType"},
    {type_id::uuid, "uuid", "UUIDType"},
    {type_id::text, "text", "UTF8Type"},
    {type_id::varint, "varint", "IntegerType"},
    {type_id::timeuuid, "timeuuid", "TimeUUIDType"},
    {type_id::inet, "inet", "InetAddressType"},
    {type_id::date, "date", "SimpleDateType"},
    {type_id::time, "time", "TimeType"},
    {type_id::smallint, "smallint", "ShortType"},
    {type_id::tinyint, "tinyint", "ByteType"},
    {type_id::duration, "duration", "DurationType"},
    // Older spellings, after the ones that are written.
    {type_id::text, "varchar", "UTF8Type"},
    {type_id::timestamp, "timestamp", "DateType"},
});

// Empty for a type that is not native.
constexpr std::string_view native_type_text(type_id id) noexcept
{
    for (const auto& native : native_types)
        if (native.id == id) return native.cql;
    return {};
}

inline void append_type_text(std::string& out, const cql_type& type);

namespace detail {

// Quoted also where it is the name of a type that everybody knows.
inline void append_type_name(std::string& out, std::string_view name)
{
    const auto known = [&](const native_type_name& native) { return native.cql == name; };
    if (name != "empty" && std::none_of(native_types.begin(), native_types.end(), known))
        return append_identifier(out, name);
    out += '"';
    out += name;
    out += '"';
}

inline void append_parameters_text(std::string& out, const cql_type& type, std::string_view name)
{
    out += name;
    out += '<';
    for (std::size_t i = 0; i < type.parameters.size(); ++i) {
        if (i != 0) out += ", ";
        append_type_text(out, type.parameters[i]);
    }
    if (type.id == type_id::vector) out += ", " + std::to_string(type.dimension);
    out += '>';
}

inline void append_unfrozen_text(std::string& out, const cql_type& type)
{
    switch (type.id) {
    case type_id::list:
        return append_parameters_text(out, type, "list");
    case type_id::set:
        return append_parameters_text(out, type, "set");
    case type_id::map:
        return append_parameters_text(out, type, "map");
    case type_id::tuple:
        return append_parameters_text(out, type, "tuple");
    case type_id::vector:
        return append_parameters_text(out, type, "vector");
    case type_id::udt:
        return append_type_name(out, type.name);
    case type_id::custom:
        out += '\'' + type.custom_class + '\'';
        return;
    default:
        out += native_type_text(type.id);
        return;
    }
}

}  // namespace detail

inline void append_type_text(std::string& out, const cql_type& type)
{
    if (type.frozen) out += "frozen<";
    detail::append_unfrozen_text(out, type);
    if (type.frozen) out += '>';
}

// As system_schema.columns has it; a UDT without its keyspace.
inline std::string to_text(const cql_type& type)
{
    std::string out;
    append_type_text(out, type);
    return out;
}

}  // namespace dualwrite::protocol
