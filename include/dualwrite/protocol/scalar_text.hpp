#pragma once

#include <dualwrite/protocol/time_text.hpp>
#include <dualwrite/protocol/value_codec.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <vector>

namespace dualwrite::protocol::detail {

// Java's decoder, and so the server, takes exactly this: no overlong forms, no surrogates.
inline bool is_utf8(std::string_view text) noexcept
{
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
        const auto first = byte(i);
        if (first < 0x80) {
            ++i;
            continue;
        }
        const auto size = std::countl_one(first);
        if (size < 2 || size > 4 || text.size() - i < static_cast<std::size_t>(size)) return false;
        std::uint32_t code = first & (0x7fu >> size);
        for (int k = 1; k < size; ++k) {
            const auto next = byte(i + static_cast<std::size_t>(k));
            if ((next & 0xc0) != 0x80) return false;
            code = code << 6 | (next & 0x3f);
        }
        constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
        if (code < least[static_cast<std::size_t>(size)] || code > 0x10ffff) return false;
        if (code >= 0xd800 && code < 0xe000) return false;
        i += static_cast<std::size_t>(size);
    }
    return true;
}

inline bool is_ascii(std::string_view text) noexcept
{
    return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

inline void append_quoted(std::string& out, std::string_view text)
{
    out += '\'';
    for (const auto c : text) {
        if (c == '\'') out += '\'';
        out += c;
    }
    out += '\'';
}

inline void append_blob_text(std::string& out, bytes_view bytes)
{
    out += "0x";
    append_hex(out, bytes);
}

// For bytes that have no literal of their type: empty, or not what the type says.
inline void append_as_blob(std::string& out, type_id id, bytes_view bytes)
{
    const auto name = native_type_text(id);
    const auto convertible = !name.empty() && id != type_id::blob;
    if (convertible) {
        out += "blobas";
        out += name;
        out += '(';
    }
    append_blob_text(out, bytes);
    if (convertible) out += ')';
}

// The shortest text that reads back to the same number.
template <class T> void append_float_text(std::string& out, T value)
{
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value < 0 ? "-Infinity" : "Infinity";
    } else {
        std::array<char, 64> text;
        const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
        const std::string_view digits(text.data(), static_cast<std::size_t>(end - text.data()));
        out += digits;
        // Not an integer: that would lose the sign of -0.0.
        if (digits.find_first_of(".e") == digits.npos) out += ".0";
    }
}

// Conversion is quadratic: longer numbers, which nobody reads, are shown as bytes.
inline constexpr std::size_t varint_text_size_max = 4096;

// Two's complement, most significant byte first, at least one byte.
inline std::string varint_digits(bytes_view in)
{
    const auto negative = (in[0] & std::byte{0x80}) != std::byte{0};
    std::vector<std::uint32_t> words((in.size() + 3) / 4);  // least significant first
    for (std::size_t i = 0; i < words.size() * 4; ++i) {
        const auto byte = i < in.size() ? std::to_integer<std::uint32_t>(in[in.size() - 1 - i])
                          : negative    ? 0xffu
                                        : 0u;
        words[i / 4] |= byte << (8 * (i % 4));
    }
    std::uint64_t carry = 1;
    if (negative)
        for (auto& word : words) {
            carry += static_cast<std::uint32_t>(~word);
            word = static_cast<std::uint32_t>(carry);
            carry >>= 32;
        }
    std::string reversed;
    while (!words.empty()) {
        std::uint64_t rest = 0;
        for (auto i = words.size(); i-- > 0;) {
            const auto value = rest << 32 | words[i];
            words[i] = static_cast<std::uint32_t>(value / 1000000000);
            rest = value % 1000000000;
        }
        while (!words.empty() && words.back() == 0) words.pop_back();
        for (int digit = 0; digit < 9; ++digit, rest /= 10)
            reversed += static_cast<char>('0' + rest % 10);
    }
    while (reversed.size() > 1 && reversed.back() == '0') reversed.pop_back();
    if (negative) reversed += '-';
    return {reversed.rbegin(), reversed.rend()};
}

// Keeps the scale: 1.50 stays 1.50. What would need zeros to be invented gets an exponent.
inline void append_decimal_text(std::string& out, std::int32_t scale, bytes_view unscaled)
{
    auto digits = varint_digits(unscaled);
    const std::size_t sign = digits[0] == '-' ? 1 : 0;
    const auto count = static_cast<std::int64_t>(digits.size() - sign);
    if (scale > 0 && scale <= count + 5) {
        if (scale >= count) digits.insert(sign, static_cast<std::size_t>(scale - count + 1), '0');
        digits.insert(digits.size() - static_cast<std::size_t>(scale), 1, '.');
    } else if (scale != 0) {
        digits += 'E' + std::to_string(-std::int64_t{scale});
    }
    out += digits;
}

inline void append_uuid_text(std::string& out, bytes_view id)
{
    for (std::size_t i = 0; i < id.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
        append_hex(out, id.subspan(i, 1));
    }
}

inline void append_inet4_text(std::string& out, bytes_view in)
{
    for (std::size_t i = 0; i < 4; ++i) {
        if (i != 0) out += '.';
        out += std::to_string(std::to_integer<unsigned>(in[i]));
    }
}

// RFC 5952: lower case, and the longest run of two or more zero groups becomes "::".
inline void append_inet6_text(std::string& out, bytes_view in)
{
    std::size_t longest = 1, longest_at = 8;
    for (std::size_t i = 0; i < 8; ++i) {
        std::size_t run = 0;
        while (i + run < 8 && load_be<std::uint16_t>(in.data() + 2 * (i + run)) == 0) ++run;
        if (run > longest) longest = run, longest_at = i;
    }
    for (std::size_t i = 0; i < 8; ++i) {
        if (i == longest_at) {
            out += "::";
            i += longest - 1;
            continue;
        }
        if (i != 0 && i != longest_at + longest) out += ':';
        append_format(out, "%x", unsigned{load_be<std::uint16_t>(in.data() + 2 * i)});
    }
}

}  // namespace dualwrite::protocol::detail
