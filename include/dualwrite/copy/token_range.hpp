#pragma once

#include <dualwrite/base/assert.hpp>
#include <dualwrite/copy/token.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// One convention for ranges everywhere: (start, end], start excluded, end included.
//
// A ring range may wrap: start >= end goes through the ring's end, start == end is the whole ring.
// All work is done on linear ranges, which do not wrap; together they cover (token_min, token_max],
// where every key lies.

namespace dualwrite::copy {

__extension__ using uint128 = unsigned __int128;

struct token_range {
    token start;
    token end;

    bool wraps() const noexcept { return start >= end; }
    friend auto operator<=>(const token_range&, const token_range&) = default;
};

inline constexpr token_range whole_ring{token_min, token_max};

// Number of tokens in a linear range.
constexpr std::uint64_t width(const token_range& range) noexcept
{
    return static_cast<std::uint64_t>(range.end.value) -
           static_cast<std::uint64_t>(range.start.value);
}

// Share of the ring, for progress and estimates only.
inline double fraction(const token_range& range) noexcept
{
    return static_cast<double>(width(range)) / static_cast<double>(width(whole_ring));
}

constexpr bool contains(const token_range& linear, token t) noexcept
{
    return linear.start < t && t <= linear.end;
}

inline std::string to_text(const token_range& range)
{
    return "(" + std::to_string(range.start.value) + ", " + std::to_string(range.end.value) + "]";
}

// A linear range as people write it, START..END, or as to_text() does.
inline std::optional<token_range> parse_range(std::string_view text)
{
    const bool written = text.starts_with('(') && text.ends_with(']');
    if (written) text = text.substr(1, text.size() - 2);
    const std::string_view between = written ? ", " : "..";
    const auto at = text.find(between);
    if (at == std::string_view::npos) return std::nullopt;
    token_range out;
    const auto read = [](std::string_view number, token& to) {
        const auto* const end = number.data() + number.size();
        const auto [stop, error] = std::from_chars(number.data(), end, to.value);
        return error == std::errc() && stop == end;
    };
    if (!read(text.substr(0, at), out.start) || !read(text.substr(at + between.size()), out.end))
        return std::nullopt;
    if (out.wraps()) return std::nullopt;
    return out;
}

// At most two linear ranges, in ring order from the start of `range`.
inline std::vector<token_range> unwrap(const token_range& range)
{
    if (!range.wraps()) return {range};
    std::vector<token_range> out;
    if (range.start != token_max) out.push_back({range.start, token_max});
    if (range.end != token_min) out.push_back({token_min, range.end});
    return out;
}

// Cuts a linear range into at most `parts` of nearly equal width; fewer if there are fewer tokens.
// In integers: token i*width/parts past the start, so that nothing is lost to rounding.
inline std::vector<token_range> split(const token_range& linear, std::uint32_t parts)
{
    DW_ASSERT(!linear.wraps() && parts > 0);
    const auto total = width(linear);
    const auto count = std::min<std::uint64_t>(parts, total);
    const auto cut = [&](std::uint64_t i) {
        const auto offset = static_cast<std::uint64_t>(static_cast<uint128>(total) * i / count);
        const auto at = static_cast<std::uint64_t>(linear.start.value) + offset;
        return token{static_cast<std::int64_t>(at)};
    };
    std::vector<token_range> out;
    out.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) out.push_back({cut(i), cut(i + 1)});
    return out;
}

// True when every token of the ring lies in exactly one of the linear ranges.
inline bool covers_ring_once(std::vector<token_range> linear)
{
    std::sort(linear.begin(), linear.end());
    auto expected = token_min;
    for (const auto& range : linear) {
        if (range.wraps() || range.start != expected) return false;
        expected = range.end;
    }
    return expected == token_max;
}

}  // namespace dualwrite::copy
