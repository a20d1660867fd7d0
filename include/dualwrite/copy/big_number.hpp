#pragma once

#include <dualwrite/base/bytes.hpp>

#include <algorithm>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

// varint and decimal: two's complement of any length, big-endian; decimal puts a scale before it.

namespace dualwrite::copy {

struct decimal_digits {
    bool negative{false};
    std::string digits;  // without leading zeros; empty: zero
};

// The decimal digits of a two's complement number. Quadratic in its length.
inline decimal_digits to_digits(bytes_view number)
{
    decimal_digits out;
    std::vector<std::uint8_t> magnitude;
    for (const auto b : number) magnitude.push_back(std::to_integer<std::uint8_t>(b));
    out.negative = !magnitude.empty() && (magnitude.front() & 0x80) != 0;
    if (out.negative) {
        unsigned carry = 1;
        for (auto it = magnitude.rbegin(); it != magnitude.rend(); ++it) {
            const auto sum = static_cast<unsigned>(static_cast<std::uint8_t>(~*it)) + carry;
            *it = static_cast<std::uint8_t>(sum);
            carry = sum >> 8;
        }
    }
    for (std::size_t first = 0; first < magnitude.size();) {
        unsigned rest = 0;
        for (auto i = first; i < magnitude.size(); ++i) {
            const auto value = rest * 256 + magnitude[i];
            magnitude[i] = static_cast<std::uint8_t>(value / 10);
            rest = value % 10;
        }
        out.digits.push_back(static_cast<char>('0' + rest));
        while (first < magnitude.size() && magnitude[first] == 0) ++first;
    }
    while (!out.digits.empty() && out.digits.back() == '0') out.digits.pop_back();
    std::reverse(out.digits.begin(), out.digits.end());
    return out;
}

inline std::strong_ordering compare_varint(bytes_view a, bytes_view b) noexcept
{
    const auto negative = [](bytes_view v) {
        return !v.empty() && (std::to_integer<unsigned>(v.front()) & 0x80) != 0;
    };
    if (negative(a) != negative(b))
        return negative(a) ? std::strong_ordering::less : std::strong_ordering::greater;
    // With the sign's padding gone, the longer one is farther from zero.
    const auto padding = negative(a) ? std::byte{0xff} : std::byte{0};
    const auto strip = [&](bytes_view v) {
        while (!v.empty() && v.front() == padding) v = v.subspan(1);
        return v;
    };
    const auto bare_a = strip(a);
    const auto bare_b = strip(b);
    const auto by_size = bare_a.size() <=> bare_b.size();
    if (by_size != 0) return negative(a) ? 0 <=> by_size : by_size;
    return as_text(bare_a).compare(as_text(bare_b)) <=> 0;
}

// By value, as BigDecimal.compareTo: 1.0 equals 1.00.
inline std::strong_ordering compare_decimal(bytes_view a, bytes_view b)
{
    if (a.size() < 4 || b.size() < 4) return a.size() <=> b.size();
    const auto x = to_digits(a.subspan(4));
    const auto y = to_digits(b.subspan(4));
    const auto sign = [](const decimal_digits& d) {
        return d.digits.empty() ? 0 : d.negative ? -1 : 1;
    };
    if (sign(x) != sign(y)) return sign(x) <=> sign(y);
    if (sign(x) == 0) return std::strong_ordering::equal;

    const auto exponent = [](const decimal_digits& d, bytes_view v) {
        return static_cast<std::int64_t>(d.digits.size()) - load_be<std::int32_t>(v.data());
    };
    auto order = exponent(x, a) <=> exponent(y, b);
    if (order == 0) {
        const auto size = std::max(x.digits.size(), y.digits.size());
        auto padded_x = x.digits;
        auto padded_y = y.digits;
        padded_x.resize(size, '0');
        padded_y.resize(size, '0');
        order = padded_x.compare(padded_y) <=> 0;
    }
    return x.negative ? 0 <=> order : order;
}

}  // namespace dualwrite::copy
