#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/policy/cql_lexer.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// CQL literals as the bytes that a bind marker would carry. Only of types that are common in
// partition keys; a caller must be able to do without.

namespace dualwrite::replication {

namespace detail {

template <class T> std::optional<std::string> integer_bytes(std::string_view text)
{
    T value{};
    const auto end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    if (read.ec != std::errc{} || read.ptr != end) return {};
    std::string out(sizeof value, '\0');
    store_be(reinterpret_cast<std::byte*>(out.data()), value);
    return out;
}

inline std::optional<std::string> string_bytes(std::string_view text)
{
    if (text.size() >= 4 && text.starts_with("$$"))
        return std::string(text.substr(2, text.size() - 4));
    if (text.size() < 2 || text.front() != '\'') return {};
    std::string out;
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        out += text[i];
        if (text[i] == '\'') ++i;  // '' is one quote
    }
    return out;
}

constexpr int hex_digit(char c) noexcept
{
    if (c >= '0' && c <= '9') return c - '0';
    return policy::detail::to_lower(c) - 'a' + 10;
}

// Hex digits, dashes left out.
inline std::optional<std::string> hex_bytes(std::string_view text)
{
    std::string out;
    int high = -1;
    for (const char c : text) {
        if (c == '-') continue;
        if (!policy::detail::is_hex(c)) return {};
        if (high < 0) {
            high = hex_digit(c);
        } else {
            out += static_cast<char>(high << 4 | hex_digit(c));
            high = -1;
        }
    }
    if (high >= 0) return {};
    return out;
}

}  // namespace detail

// Empty if the literal is not one of `type` (as system_schema spells it), or of a type that is not
// covered: its bytes are then not known.
inline std::optional<std::string> literal_bytes(std::string_view type, std::string_view text)
{
    if (type == "text" || type == "varchar" || type == "ascii") return detail::string_bytes(text);
    if (type == "int") return detail::integer_bytes<std::int32_t>(text);
    if (type == "bigint") return detail::integer_bytes<std::int64_t>(text);
    if (type == "smallint") return detail::integer_bytes<std::int16_t>(text);
    if (type == "tinyint") return detail::integer_bytes<std::int8_t>(text);
    if (type == "timestamp") return detail::integer_bytes<std::int64_t>(text);
    if (type == "uuid" || type == "timeuuid") {
        auto out = detail::hex_bytes(text);
        return out && out->size() == 16 ? out : std::nullopt;
    }
    if (type == "blob") {
        if (text.size() < 2 || text[0] != '0' || policy::detail::to_lower(text[1]) != 'x')
            return {};
        return detail::hex_bytes(text.substr(2));
    }
    if (type == "boolean") {
        if (policy::detail::equals_folded(text, "true")) return std::string(1, '\1');
        if (policy::detail::equals_folded(text, "false")) return std::string(1, '\0');
    }
    return {};
}

}  // namespace dualwrite::replication
