#pragma once

#include <dualwrite/protocol/scalar_text.hpp>
#include <dualwrite/protocol/value_codec.hpp>

#include <string>

namespace dualwrite::protocol {

// "192.0.2.1" or "2001:db8::1", without quotes and port.
inline std::string to_text(const inet_value& address)
{
    std::string out;
    if (address.address_size == 4)
        detail::append_inet4_text(out, address.view());
    else
        detail::append_inet6_text(out, address.view());
    return out;
}

inline std::string to_text(const uuid_value& id)
{
    std::string out;
    detail::append_uuid_text(out, id);
    return out;
}

namespace detail {

inline bool append_value_text(std::string& out, const cql_type& type, bytes_view value);

// False: the bytes are not those of a number of this size.
template <class T> bool append_integer_text(std::string& out, bytes_view value)
{
    const auto number = decode_be<T>(value);
    if (number) out += std::to_string(*number);
    return number.has_value();
}

inline bool append_number_text(std::string& out, type_id id, bytes_view value)
{
    switch (id) {
    case type_id::tinyint:
        return append_integer_text<std::int8_t>(out, value);
    case type_id::smallint:
        return append_integer_text<std::int16_t>(out, value);
    case type_id::int_:
        return append_integer_text<std::int32_t>(out, value);
    case type_id::bigint:
    case type_id::counter:
        return append_integer_text<std::int64_t>(out, value);
    case type_id::float_:
        if (value.size() != 4) return false;
        append_float_text(out, *decode_float(value));
        return true;
    case type_id::double_:
        if (value.size() != 8) return false;
        append_float_text(out, *decode_double(value));
        return true;
    case type_id::varint:
        if (value.empty() || value.size() > varint_text_size_max) return false;
        out += varint_digits(value);
        return true;
    case type_id::decimal:
        if (value.size() < 5 || value.size() > varint_text_size_max) return false;
        append_decimal_text(out, load_be<std::int32_t>(value.data()), value.subspan(4));
        return true;
    default:
        return false;
    }
}

inline bool append_time_type_text(std::string& out, type_id id, bytes_view value)
{
    if (id == type_id::date) {
        if (value.size() != 4) return false;
        append_date_text(out, load_be<std::uint32_t>(value.data()));
        return true;
    }
    if (id == type_id::duration) {
        const auto d = decode_duration(value);
        if (d) append_duration_text(out, d->months, d->days, d->nanoseconds);
        return d.has_value();
    }
    const auto number = decode_bigint(value);
    if (!number) return false;
    if (id == type_id::timestamp) {
        append_timestamp_text(out, *number);
        return true;
    }
    if (*number < 0 || *number >= nanoseconds_per_day) return false;
    append_time_text(out, *number);
    return true;
}

inline bool append_native_text(std::string& out, type_id id, bytes_view value)
{
    switch (id) {
    case type_id::ascii:
        if (!is_ascii(as_text(value))) return false;
        append_quoted(out, as_text(value));
        return true;
    case type_id::text:
        if (!is_utf8(as_text(value))) return false;
        append_quoted(out, as_text(value));
        return true;
    case type_id::blob:
        append_blob_text(out, value);
        return true;
    case type_id::boolean:
        if (value.size() != 1) return false;
        out += value[0] != std::byte{0} ? "true" : "false";
        return true;
    case type_id::uuid:
    case type_id::timeuuid:
        if (value.size() != 16) return false;
        append_uuid_text(out, value);
        return true;
    case type_id::inet: {
        const auto address = decode_inet(value);
        if (address) out += '\'' + to_text(*address) + '\'';
        return address.has_value();
    }
    case type_id::date:
    case type_id::time:
    case type_id::timestamp:
    case type_id::duration:
        return append_time_type_text(out, id, value);
    default:
        return append_number_text(out, id, value);
    }
}

// Items between brackets; remembers whether each of them could be written.
class items_text {
public:
    items_text(std::string& out, char close) noexcept : out_(out), close_(close) {}

    void begin()
    {
        if (any_) out_ += ", ";
        any_ = true;
    }
    void add(const cql_type& type, const std::optional<bytes_view>& value)
    {
        if (!value)
            out_ += "null";
        else
            ok_ = append_value_text(out_, type, *value) && ok_;
    }
    void refuse() noexcept { ok_ = false; }
    bool end(const result<void>& walked)
    {
        out_ += close_;
        return ok_ && walked.has_value();
    }

private:
    std::string& out_;
    char close_;
    bool any_{false};
    bool ok_{true};
};

inline bool append_map_text(std::string& out, const cql_type& type, bytes_view value)
{
    out += '{';
    items_text items(out, '}');
    return items.end(for_each_entry(value, [&](const auto& key, const auto& mapped) {
        items.begin();
        items.add(type.parameters[0], key);
        out += ": ";
        items.add(type.parameters[1], mapped);
    }));
}

inline bool append_elements_text(std::string& out, const cql_type& type, bytes_view value)
{
    const auto list = type.id == type_id::list;
    out += list ? '[' : '{';
    items_text items(out, list ? ']' : '}');
    return items.end(for_each_element(value, [&](const auto& element) {
        items.begin();
        items.add(type.parameters[0], element);
    }));
}

inline bool append_fields_text(std::string& out, const cql_type& type, bytes_view value)
{
    if (value.empty()) return false;  // {} would be a set or a map
    const auto udt = type.id == type_id::udt;
    out += udt ? '{' : '(';
    items_text items(out, udt ? '}' : ')');
    return items.end(for_each_field(value, [&](std::size_t index, const auto& field) {
        if (index >= type.parameters.size()) return items.refuse();
        items.begin();
        if (udt) {
            append_identifier(out, type.field_names[index]);
            out += ": ";
        }
        items.add(type.parameters[index], field);
    }));
}

inline bool append_vector_text(std::string& out, const cql_type& type, bytes_view value)
{
    out += '[';
    items_text items(out, ']');
    return items.end(for_each_vector_element(type, value, [&](bytes_view element) {
        items.begin();
        items.add(type.parameters[0], element);
    }));
}

// False: some of it has no literal and was not written, or written as bytes that CQL refuses here.
inline bool append_value_text(std::string& out, const cql_type& type, bytes_view value)
{
    switch (type.id) {
    case type_id::list:
    case type_id::set:
        return append_elements_text(out, type, value);
    case type_id::map:
        return append_map_text(out, type, value);
    case type_id::tuple:
    case type_id::udt:
        return append_fields_text(out, type, value);
    case type_id::vector:
        return append_vector_text(out, type, value);
    case type_id::custom:
        append_blob_text(out, value);
        return true;
    default:
        if (append_native_text(out, type.id, value)) return true;
        append_as_blob(out, type.id, value);
        return true;
    }
}

}  // namespace detail

// The value as a CQL literal. Bytes that no literal of the type means (empty ones, damaged ones)
// are written as blobas<type>(0x...), which CQL reads back; a damaged collection, tuple, UDT or
// vector is written as its bytes.
inline std::string display(const cql_type& type, std::optional<bytes_view> value)
{
    if (!value) return "null";
    std::string out;
    if (detail::append_value_text(out, type, *value)) return out;
    out.clear();
    detail::append_blob_text(out, *value);
    return out;
}

}  // namespace dualwrite::protocol
