#include "text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace dualwrite::program {

namespace {

constexpr std::size_t indent = 32;
constexpr std::size_t width = 100;

// `text` in lines that begin at column `left`; the first one continues the current line.
void append_wrapped(std::string& out, std::string_view text, std::size_t left = indent)
{
    std::size_t column = left;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        if (column != left && column + 1 + word.size() > width) {
            out += '\n' + std::string(left, ' ');
            column = left;
        } else if (column != left) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
        text.remove_prefix(std::min(text.size(), word.size() + 1));
    }
    out += '\n';
}

std::string upper(std::string text)
{
    for (auto& c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        if (c == '-') c = '_';
    }
    return text;
}

std::string left_column(const dw_key& key)
{
    const std::string_view short_name = key.short_name;
    std::string left = "  ";
    if ((key.flags & DW_KEY_POSITIONAL) != 0) return left + upper(key.name);
    if (!short_name.empty()) (left += '-') += std::string(short_name) + ", ";
    return left + "--" + key.name + ' ' + key.value_name;
}

void append_key(std::string& out, const dw_key& key)
{
    std::string help = key.help;
    if (*key.default_text != '\0') help += std::string(" [") + key.default_text + ']';
    append_entry(out, left_column(key), help);
}

}  // namespace

std::string grouped(std::uint64_t number)
{
    auto text = std::to_string(number);
    for (auto at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
    return text;
}

std::string bytes_text(std::uint64_t bytes)
{
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
    std::array<char, 32> out{};
    std::snprintf(out.data(), out.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out.data();
}

std::string clock_text(double seconds)
{
    const auto whole = static_cast<std::uint64_t>(std::max(seconds, 0.0) + 0.5);
    std::array<char, 64> out{};
    const auto h = static_cast<unsigned long long>(whole / 3600);
    const auto m = static_cast<unsigned>(whole / 60 % 60);
    const auto s = static_cast<unsigned>(whole % 60);
    if (h > 0)
        std::snprintf(out.data(), out.size(), "%llu:%02u:%02u", h, m, s);
    else
        std::snprintf(out.data(), out.size(), "%u:%02u", m, s);
    return out.data();
}

void append_paragraph(std::string& out, std::string_view text)
{
    append_wrapped(out, text, 0);
}

void append_entry(std::string& out, std::string left, std::string_view text)
{
    if (left.size() + 2 > indent)
        left += '\n' + std::string(indent, ' ');
    else
        left.resize(indent, ' ');
    out += left;
    append_wrapped(out, text);
}

std::string options_text(const std::vector<dw_key>& keys)
{
    std::string out;
    std::string_view group;
    std::string planned;
    for (const auto& key : keys) {
        if ((key.flags & DW_KEY_PLANNED) != 0) {
            planned += (planned.empty() ? "--" : ", --") + std::string(key.name);
            continue;
        }
        if (group != key.group) ((out += '\n') += key.group) += '\n';
        group = key.group;
        append_key(out, key);
    }
    if (planned.empty()) return out;
    out += "\nNot yet in this version (accepted with their defaults)\n" + std::string(indent, ' ');
    append_wrapped(out, planned);
    return out;
}

std::vector<std::string> settings_text(const dw_conf* conf)
{
    std::vector<std::string> lines;
    for (const auto& key : keys_of(conf)) {
        const auto value = get(conf, key.name);
        if (!value.empty() && (key.flags & DW_KEY_PLANNED) == 0)
            lines.push_back(std::string(key.name) + " : " + value);
    }
    return lines;
}

}  // namespace dualwrite::program
