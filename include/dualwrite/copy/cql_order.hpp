#pragma once

#include <dualwrite/copy/big_number.hpp>
#include <dualwrite/protocol/cql_type.hpp>

#include <cmath>
#include <optional>

// The order in which Cassandra keeps values of a type: that of clustering rows and of the elements
// of sets and maps. Facts: the comparators in db/marshal (5.0).

namespace dualwrite::copy {

using protocol::cql_type;
using protocol::type_id;

namespace detail {

inline std::strong_ordering compare_bytes(bytes_view a, bytes_view b) noexcept
{
    return as_text(a).compare(as_text(b)) <=> 0;
}

template <class T> std::strong_ordering compare_integers(bytes_view a, bytes_view b) noexcept
{
    if (a.size() != sizeof(T) || b.size() != sizeof(T)) return a.size() <=> b.size();
    return load_be<T>(a.data()) <=> load_be<T>(b.data());
}

// Java's Double.compare: -0.0 is below 0.0, NaN above all and equal to itself.
template <class Float, class Bits>
std::strong_ordering compare_floats(bytes_view a, bytes_view b) noexcept
{
    if (a.size() != sizeof(Bits) || b.size() != sizeof(Bits)) return a.size() <=> b.size();
    const auto x = std::bit_cast<Float>(load_be<Bits>(a.data()));
    const auto y = std::bit_cast<Float>(load_be<Bits>(b.data()));
    if (x < y) return std::strong_ordering::less;
    if (x > y) return std::strong_ordering::greater;
    if (std::isnan(x) || std::isnan(y)) return std::isnan(x) <=> std::isnan(y);
    return std::signbit(y) <=> std::signbit(x);
}

inline std::int64_t reordered_time(std::uint64_t high) noexcept
{
    const auto time = (high << 48) | ((high << 16) & 0xffff'0000'0000) | (high >> 32);
    return static_cast<std::int64_t>(time);
}

inline std::strong_ordering compare_uuids(bytes_view a, bytes_view b) noexcept
{
    if (a.size() != 16 || b.size() != 16) return a.size() <=> b.size();
    const auto high_a = load_be<std::uint64_t>(a.data());
    const auto high_b = load_be<std::uint64_t>(b.data());
    const auto version = [](std::uint64_t high) { return (high >> 12) & 0xf; };
    if (version(high_a) != version(high_b)) return version(high_a) <=> version(high_b);
    const auto by_high = version(high_a) == 1 ? reordered_time(high_a) <=> reordered_time(high_b)
                                              : high_a <=> high_b;
    if (by_high != 0) return by_high;
    return load_be<std::uint64_t>(a.data() + 8) <=> load_be<std::uint64_t>(b.data() + 8);
}

// By time, then the rest as *signed* bytes: an old mistake that is kept for the sake of its data.
inline std::strong_ordering compare_timeuuids(bytes_view a, bytes_view b) noexcept
{
    if (a.size() != 16 || b.size() != 16) return a.size() <=> b.size();
    const auto time = [](bytes_view v) { return reordered_time(load_be<std::uint64_t>(v.data())); };
    if (time(a) != time(b)) return time(a) <=> time(b);
    const auto rest = [](bytes_view v) {
        const auto low = load_be<std::uint64_t>(v.data() + 8) ^ 0x0080'8080'8080'8080;
        return static_cast<std::int64_t>(low);
    };
    return rest(a) <=> rest(b);
}

// Walks over [int size][bytes] elements; a negative size is null. Stops for good at bytes that are
// no element: those are compared as if they were absent, equal on both sides or found by bytes.
class element_reader {
public:
    explicit element_reader(bytes_view in) noexcept : in_(in) {}
    bool done() const noexcept { return in_.size() < 4; }

    std::optional<bytes_view> next() noexcept
    {
        const auto size = load_be<std::int32_t>(in_.data());
        in_ = in_.subspan(4);
        if (size < 0) return std::nullopt;
        const auto take = std::min(static_cast<std::size_t>(size), in_.size());
        const auto element = in_.first(take);
        in_ = in_.subspan(take);
        return element;
    }

private:
    bytes_view in_;
};

}  // namespace detail

// False: values of the type have no order that we know (classes of others).
inline bool is_ordered(const cql_type& type) noexcept
{
    if (type.id == type_id::custom || type.id == type_id::duration) return false;
    return std::all_of(type.parameters.begin(), type.parameters.end(), is_ordered);
}

std::strong_ordering compare_values(const cql_type& type, bytes_view a, bytes_view b);

namespace detail {

inline std::strong_ordering
compare_optional(const cql_type& type, std::optional<bytes_view> a, std::optional<bytes_view> b)
{
    if (!a || !b) return a.has_value() <=> b.has_value();
    return compare_values(type, *a, *b);
}

inline std::strong_ordering compare_members(const cql_type& type, bytes_view a, bytes_view b)
{
    element_reader in_a(a);
    element_reader in_b(b);
    for (const auto& part : type.parameters) {
        // A tuple that ends early has nulls at its end.
        const auto x = in_a.done() ? std::nullopt : in_a.next();
        const auto y = in_b.done() ? std::nullopt : in_b.next();
        if (const auto order = compare_optional(part, x, y); order != 0) return order;
    }
    return std::strong_ordering::equal;
}

inline std::strong_ordering compare_elements(const cql_type& type, bytes_view a, bytes_view b)
{
    if (a.size() < 4 || b.size() < 4) return a.size() <=> b.size();
    element_reader in_a(a.subspan(4));
    element_reader in_b(b.subspan(4));
    for (std::size_t i = 0; !in_a.done() && !in_b.done(); ++i) {
        const auto& part = type.parameters[i % type.parameters.size()];
        const auto x = in_a.next();
        const auto y = in_b.next();
        if (const auto order = compare_optional(part, x, y); order != 0) return order;
    }
    return load_be<std::int32_t>(a.data()) <=> load_be<std::int32_t>(b.data());
}

inline std::size_t fixed_size(type_id id) noexcept
{
    switch (id) {
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
    default:
        return 0;
    }
}

// Elements of a fixed size stand one after another; others are compared as bytes.
inline std::strong_ordering compare_vectors(const cql_type& type, bytes_view a, bytes_view b)
{
    const auto size = fixed_size(type.parameters.front().id);
    if (size == 0 || a.size() != b.size() || a.size() % size != 0) return compare_bytes(a, b);
    for (std::size_t at = 0; at < a.size(); at += size) {
        const auto order =
            compare_values(type.parameters.front(), a.subspan(at, size), b.subspan(at, size));
        if (order != 0) return order;
    }
    return std::strong_ordering::equal;
}

}  // namespace detail

inline std::strong_ordering compare_values(const cql_type& type, bytes_view a, bytes_view b)
{
    using namespace detail;
    switch (type.id) {
    case type_id::ascii:
    case type_id::blob:
    case type_id::date:  // days around 2^31, unsigned
    case type_id::duration:
    case type_id::inet:
    case type_id::text:
    case type_id::time:
    case type_id::custom:
        return compare_bytes(a, b);
    case type_id::boolean:
        if (a.size() != 1 || b.size() != 1) return a.size() <=> b.size();
        return (a[0] != std::byte{0}) <=> (b[0] != std::byte{0});
    case type_id::tinyint:
        return compare_integers<std::int8_t>(a, b);
    case type_id::smallint:
        return compare_integers<std::int16_t>(a, b);
    case type_id::int_:
        return compare_integers<std::int32_t>(a, b);
    case type_id::bigint:
    case type_id::counter:
    case type_id::timestamp:
        return compare_integers<std::int64_t>(a, b);
    case type_id::float_:
        return compare_floats<float, std::uint32_t>(a, b);
    case type_id::double_:
        return compare_floats<double, std::uint64_t>(a, b);
    case type_id::varint:
        if (a.empty() || b.empty()) return a.size() <=> b.size();
        return compare_varint(a, b);
    case type_id::decimal:
        return compare_decimal(a, b);
    case type_id::uuid:
        return compare_uuids(a, b);
    case type_id::timeuuid:
        return compare_timeuuids(a, b);
    case type_id::list:
    case type_id::set:
    case type_id::map:
        return compare_elements(type, a, b);
    case type_id::tuple:
    case type_id::udt:
        return compare_members(type, a, b);
    case type_id::vector:
        return compare_vectors(type, a, b);
    }
    return compare_bytes(a, b);
}

}  // namespace dualwrite::copy
