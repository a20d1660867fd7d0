#pragma once

#include <dualwrite/protocol/envelope.hpp>
#include <dualwrite/protocol/primitives.hpp>

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace dualwrite::protocol::test {

using byte_vector = std::vector<std::byte>;

inline constexpr std::uint8_t all_versions[] = {3, 4, 5};

inline byte_vector bytes(std::initializer_list<int> values)
{
    byte_vector out;
    for (const auto value : values) out.push_back(static_cast<std::byte>(value));
    return out;
}

// A copy of exactly the size, so that a sanitizer sees every read past the end.
inline byte_vector copy(bytes_view in)
{
    return {in.begin(), in.end()};
}

inline byte_vector operator+(byte_vector a, bytes_view b)
{
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

inline std::string hex(bytes_view in)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const auto byte : in) {
        out += digits[std::to_integer<std::size_t>(byte) >> 4];
        out += digits[std::to_integer<std::size_t>(byte) & 15];
    }
    return out;
}

// Bytes without repetitions that a compressor could use.
inline byte_vector noise(std::size_t size, std::uint32_t seed = 1)
{
    byte_vector out(size);
    for (auto& byte : out) {
        seed = seed * 1664525 + 1013904223;
        byte = static_cast<std::byte>(seed >> 24);
    }
    return out;
}

// Bytes that compress well.
inline byte_vector repetitive(std::size_t size)
{
    byte_vector out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>("INSERT INTO "[i % 12]);
    return out;
}

// `parse` takes bytes and gives a result; all of `whole` is needed.
template <class Parse> void check_every_truncation(bytes_view whole, Parse parse)
{
    CHECK(parse(bytes_view(copy(whole))).has_value());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        const auto part = copy(whole.first(size));
        const auto parsed = parse(bytes_view(part));
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error() == errc::malformed);
    }
}

inline envelope_view view_of(opcode op, bytes_view body, std::uint8_t version = 4)
{
    return {
        {.version = version, .op = op, .body_size = static_cast<std::uint32_t>(body.size())}, body};
}

}  // namespace dualwrite::protocol::test
