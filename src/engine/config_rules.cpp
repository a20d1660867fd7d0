#include "config_rules.hpp"

#include <algorithm>
#include <limits>

namespace dualwrite::engine {

namespace {

constexpr std::string_view hidden = "********";

constexpr char folded(char c) noexcept
{
    if (c == '_') return '-';
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Edits that turn one name into the other, to find what a mistyped key was meant to be.
std::size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < a.size(); ++i) {
        auto diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const auto change = diagonal + (folded(a[i]) == folded(b[j]) ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

// The word of a choice that `text` means, written as the table has it; empty if there is none.
std::string_view word_of(std::string_view words, std::string_view text) noexcept
{
    while (!words.empty()) {
        const auto word = words.substr(0, words.find('|'));
        if (same_key(word, text)) return word;
        words.remove_prefix(std::min(words.size(), word.size() + 1));
    }
    return {};
}

std::string range_text(const config_key& key)
{
    const auto max = key.max == std::numeric_limits<std::int64_t>::max() ? std::string("2^63-1")
                                                                         : std::to_string(key.max);
    const auto from_to = std::to_string(key.min) + " to " + max;
    switch (key.type) {
    case config_type::size:
        return "a size from " + from_to + " bytes, such as 64MiB";
    case config_type::duration:
        return "a time from " + from_to + " ms with its unit, such as 500ms, 30s, 5min";
    default:
        return "a number from " + from_to;
    }
}

// What `text` should have been; empty if it fits.
std::string expected(const config_key& key, std::string_view text)
{
    if (text.find('\0') != text.npos) return "a text without NUL";
    switch (key.type) {
    case config_type::text:
        return "";
    case config_type::boolean:
        return parse_boolean(text) ? "" : "true or false";
    case config_type::choice:
        return !word_of(key.value_name, text).empty() ? ""
                                                      : std::string("one of ") + key.value_name;
    default:
        const auto value = parse_as(key.type, text);
        return value && *value >= key.min && *value <= key.max ? "" : range_text(key);
    }
}

bool is_default(const config_key& key, std::string_view text)
{
    if (key.type == config_type::boolean)
        return parse_boolean(text) == parse_boolean(key.default_text);
    if (key.type == config_type::text) return text == key.default_text;
    return parse_as(key.type, text) == parse_as(key.type, key.default_text);
}

// One spelling of each value, so that readers of options can compare.
std::string canonical(const config_key& key, std::string_view value)
{
    if (key.type == config_type::choice) value = word_of(key.value_name, value);
    if (key.type == config_type::boolean) value = *parse_boolean(value) ? "true" : "false";
    return std::string(value);
}

}  // namespace

bool same_key(std::string_view a, std::string_view b) noexcept
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return folded(x) == folded(y);
    });
}

std::string flag_of(const config_key& key)
{
    return key.has(key_flag::positional) ? std::string(key.name) : std::string("--") + key.name;
}

std::string suggestion(std::string_view name, command c)
{
    constexpr std::size_t edits_max = 3;
    const config_key* best = nullptr;
    std::size_t least = edits_max + 1;
    if (name.size() > 64) return "";  // not a mistyped name, and the search takes its square
    for (const auto& key : config_keys()) {
        const auto edits = key.belongs_to(c) ? distance(name, key.name) : least;
        if (edits < least && edits < name.size()) least = edits, best = &key;
    }
    return best == nullptr ? "" : "; did you mean " + flag_of(*best) + "?";
}

std::optional<std::uint64_t> parse_as(config_type type, std::string_view text) noexcept
{
    switch (type) {
    case config_type::number:
        return parse_number(text);
    case config_type::size:
        return parse_size(text);
    case config_type::duration:
        return parse_duration_ms(text);
    default:
        return std::nullopt;
    }
}

result<std::string> check_value(const config_key& key, std::string_view value, std::string& why)
{
    const auto wanted = expected(key, value);
    if (!wanted.empty()) {
        const auto shown = key.has(key_flag::secret) ? hidden : value.substr(0, 100);
        why = flag_of(key) + ": '" + std::string(shown) + "' is not " + wanted;
        return fail(errc::invalid_argument);
    }
    if (key.has(key_flag::planned) && !is_default(key, value)) {
        why = flag_of(key) + " is not supported yet by this version";
        const std::string_view usual = key.default_text;
        why += usual.empty() || key.has(key_flag::secret)
                   ? "; leave it out"
                   : "; only its default, " + std::string(usual) + ", is";
        return fail(errc::unsupported);
    }
    return canonical(key, value);
}

std::vector<std::string> split_list(std::string_view text)
{
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto part = text.substr(0, text.find(','));
        if (!part.empty()) parts.emplace_back(part);
        text.remove_prefix(std::min(text.size(), part.size() + 1));
    }
    return parts;
}

std::string variable_of(const config_key& key)
{
    std::string name = "DUALWRITE_";
    for (const char* c = key.name; *c != '\0'; ++c)
        name += *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? static_cast<char>(*c - 'a' + 'A') : *c;
    return name;
}

}  // namespace dualwrite::engine
