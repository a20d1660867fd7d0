#include <dualwrite/engine/config.hpp>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace dualwrite::engine {

namespace {

constexpr char lower(char c) noexcept
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_folded(std::string_view a, std::string_view b) noexcept
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return lower(x) == lower(y);
    });
}

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

// "16GiB", "16 GiB": digits, then one of `units`. The factor of "" is that of a bare number.
std::optional<std::uint64_t>
parse_with_unit(std::string_view text, std::span<const unit> units) noexcept
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    for (const auto& [name, factor] : units) {
        if (!same_folded(name, text)) continue;
        if (value > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
        return value * factor;
    }
    return std::nullopt;
}

constexpr unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
    {"KB", 1'000},
    {"MB", 1'000'000},
    {"GB", 1'000'000'000},
    {"TB", 1'000'000'000'000},
};

// No bare number: whether 30 means seconds or milliseconds is what people get wrong.
constexpr unit duration_units[] = {
    {"ms", 1},
    {"s", 1'000},
    {"min", 60'000},
    {"h", 3'600'000},
};

}  // namespace

std::optional<bool> parse_boolean(std::string_view text) noexcept
{
    for (const auto word : {"true", "yes", "on", "1"})
        if (same_folded(word, text)) return true;
    for (const auto word : {"false", "no", "off", "0"})
        if (same_folded(word, text)) return false;
    return std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept
{
    constexpr unit none[] = {{"", 1}};
    if (!text.empty() && text.back() == ' ') return std::nullopt;
    return parse_with_unit(text, none);
}

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept
{
    return parse_with_unit(text, size_units);
}

std::optional<std::uint64_t> parse_duration_ms(std::string_view text) noexcept
{
    return parse_with_unit(text, duration_units);
}

}  // namespace dualwrite::engine
