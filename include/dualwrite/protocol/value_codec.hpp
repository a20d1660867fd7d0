#pragma once

#include <dualwrite/protocol/types.hpp>

#include <array>
#include <bit>

namespace dualwrite::protocol {

// Scalars in the form of section 6 of the specification. Text and blob are their bytes. A value of
// no bytes is not null and not zero: decoding it fails.

template <class T> std::array<std::byte, sizeof(T)> encode_be(T value) noexcept
{
    std::array<std::byte, sizeof(T)> out;
    store_be(out.data(), value);
    return out;
}

inline auto encode_tinyint(std::int8_t value) noexcept
{
    return encode_be(value);
}
inline auto encode_smallint(std::int16_t value) noexcept
{
    return encode_be(value);
}
inline auto encode_int(std::int32_t value) noexcept
{
    return encode_be(value);
}
inline auto encode_bigint(std::int64_t value) noexcept
{
    return encode_be(value);
}
inline auto encode_timestamp(std::int64_t ms) noexcept
{
    return encode_be(ms);
}
inline auto encode_boolean(bool value) noexcept
{
    return encode_be(std::uint8_t{value});
}

inline auto encode_float(float value) noexcept
{
    return encode_be(std::bit_cast<std::uint32_t>(value));
}

inline auto encode_double(double value) noexcept
{
    return encode_be(std::bit_cast<std::uint64_t>(value));
}

template <class T> result<T> decode_be(bytes_view in) noexcept
{
    if (in.size() != sizeof(T)) return fail(errc::malformed);
    return load_be<T>(in.data());
}

inline auto decode_tinyint(bytes_view in) noexcept
{
    return decode_be<std::int8_t>(in);
}
inline auto decode_smallint(bytes_view in) noexcept
{
    return decode_be<std::int16_t>(in);
}
inline auto decode_int(bytes_view in) noexcept
{
    return decode_be<std::int32_t>(in);
}
inline auto decode_bigint(bytes_view in) noexcept
{
    return decode_be<std::int64_t>(in);
}
// Milliseconds since 1970.
inline auto decode_timestamp(bytes_view in) noexcept
{
    return decode_be<std::int64_t>(in);
}

inline result<bool> decode_boolean(bytes_view in) noexcept
{
    if (in.size() != 1) return fail(errc::malformed);
    return in[0] != std::byte{0};
}

inline result<float> decode_float(bytes_view in) noexcept
{
    DW_TRY(bits, decode_be<std::uint32_t>(in));
    return std::bit_cast<float>(bits);
}

inline result<double> decode_double(bytes_view in) noexcept
{
    DW_TRY(bits, decode_be<std::uint64_t>(in));
    return std::bit_cast<double>(bits);
}

inline result<uuid_value> decode_uuid(bytes_view in) noexcept
{
    uuid_value out;
    if (in.size() != out.size()) return fail(errc::malformed);
    std::memcpy(out.data(), in.data(), out.size());
    return out;
}

// The value of type inet, which has no port.
inline result<inet_value> decode_inet(bytes_view in) noexcept
{
    if (in.size() != 4 && in.size() != 16) return fail(errc::malformed);
    inet_value out;
    out.address_size = static_cast<std::uint8_t>(in.size());
    std::memcpy(out.address.data(), in.data(), in.size());
    return out;
}

namespace detail {

// [unsigned vint]: the leading ones of the first byte count the bytes that follow.
inline std::uint64_t read_unsigned_vint(cursor& in) noexcept
{
    const auto first = in.byte_();
    const auto extra = std::countl_one(first);
    std::uint64_t value = extra >= 7 ? 0 : first & (0xffu >> (extra + 1));
    for (const auto byte : in.raw(static_cast<std::size_t>(extra)))
        value = value << 8 | std::to_integer<std::uint64_t>(byte);
    return value;
}

inline std::int64_t read_vint(cursor& in) noexcept
{
    const auto value = read_unsigned_vint(in);
    return static_cast<std::int64_t>(value >> 1 ^ (0 - (value & 1)));
}

template <class F> result<void> for_each_counted(bytes_view value, std::uint32_t step, F&& f)
{
    cursor in(value);
    const auto count = in.int_();
    if (count < 0) return fail(errc::malformed);
    for (auto left = count; left > 0 && in.ok(); --left) {
        const auto first = in.bytes();
        const auto second = step == 2 ? in.bytes() : std::nullopt;
        if (in.ok()) f(first, second);
    }
    if (!in.ok() || !in.remaining().empty()) return fail(errc::malformed);
    return {};
}

}  // namespace detail

struct duration_value {
    std::int32_t months{0};
    std::int32_t days{0};
    std::int64_t nanoseconds{0};
};

inline result<duration_value> decode_duration(bytes_view in) noexcept
{
    cursor c(in);
    const auto months = detail::read_vint(c);
    const auto days = detail::read_vint(c);
    const auto nanoseconds = detail::read_vint(c);
    const auto is_int = [](std::int64_t v) { return v == static_cast<std::int32_t>(v); };
    if (!c.ok() || !c.remaining().empty() || !is_int(months) || !is_int(days))
        return fail(errc::malformed);
    return duration_value{
        static_cast<std::int32_t>(months), static_cast<std::int32_t>(days), nanoseconds};
}

// f(cell) for each element of a list or set; a null element has no bytes. Where the value turns out
// to be malformed, the calls until there have been made.
template <class F> result<void> for_each_element(bytes_view value, F&& f)
{
    return detail::for_each_counted(value, 1, [&](const auto& element, const auto&) {
        f(element);
    });
}

// f(key, value) for each entry of a map.
template <class F> result<void> for_each_entry(bytes_view value, F&& f)
{
    return detail::for_each_counted(value, 2, f);
}

// f(index, cell) for each field of a tuple or UDT that the value has: it may have fewer than the
// type, when fields were added later.
template <class F> result<void> for_each_field(bytes_view value, F&& f)
{
    cursor in(value);
    for (std::size_t index = 0; in.ok() && !in.remaining().empty(); ++index) {
        const auto field = in.bytes();
        if (in.ok()) f(index, field);
    }
    if (!in.ok()) return fail(errc::malformed);
    return {};
}

// The size of every value of the type inside a vector; 0 where each carries its own. The server
// counts only these as fixed: not smallint, tinyint, date and time, though they are.
inline std::size_t vector_element_size(const cql_type& type) noexcept
{
    switch (type.id) {
    case type_id::boolean:
        return 1;
    case type_id::int_:
    case type_id::float_:
        return 4;
    case type_id::bigint:
    case type_id::double_:
    case type_id::timestamp:
        return 8;
    case type_id::uuid:
    case type_id::timeuuid:
        return 16;
    case type_id::vector:
        return type.dimension * vector_element_size(type.parameters[0]);
    default:
        return 0;
    }
}

// f(bytes) for each element of a vector of `type`.
template <class F>
result<void> for_each_vector_element(const cql_type& type, bytes_view value, F&& f)
{
    DW_ASSERT(type.id == type_id::vector && type.parameters.size() == 1);
    cursor in(value);
    const auto size = vector_element_size(type.parameters[0]);
    for (auto left = type.dimension; left > 0 && in.ok(); --left) {
        const auto element = in.raw(size != 0 ? size : detail::read_unsigned_vint(in));
        if (in.ok()) f(element);
    }
    if (!in.ok() || !in.remaining().empty()) return fail(errc::malformed);
    return {};
}

}  // namespace dualwrite::protocol
