#include <dualwrite/engine/config.hpp>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace dualwrite::engine {

namespace {

constexpr std::string_view hidden = "********";

constexpr char folded(char c) noexcept
{
    if (c == '_') return '-';
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_key(std::string_view a, std::string_view b) noexcept
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return folded(x) == folded(y);
    });
}

std::string flag(const config_key& key)
{
    return key.has(key_flag::positional) ? std::string(key.name) : std::string("--") + key.name;
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
    return best == nullptr ? "" : "; did you mean " + flag(*best) + "?";
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

result<std::string> check_value(const config_key& key, std::string_view value, std::string& why)
{
    const auto wanted = expected(key, value);
    if (!wanted.empty()) {
        const auto shown = key.has(key_flag::secret) ? hidden : value.substr(0, 100);
        why = flag(key) + ": '" + std::string(shown) + "' is not " + wanted;
        return fail(errc::invalid_argument);
    }
    if (key.has(key_flag::planned) && !is_default(key, value)) {
        why = flag(key) + " is not supported yet by this version";
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

}  // namespace

const char* process_environment(const char* name) noexcept
{
    return std::getenv(name);
}

config::config(command c) : command_(c), values_(config_keys().size()) {}

const config_key* config::find(std::string_view key) const noexcept
{
    for (const auto& candidate : config_keys())
        if (candidate.belongs_to(command_) && same_key(candidate.name, key)) return &candidate;
    return nullptr;
}

result<const config_key*> config::find(std::string_view key, std::string& why) const
{
    if (const auto* found = find(key)) return found;
    for (const auto& other : config_keys()) {
        if (!same_key(other.name, key)) continue;
        why = flag(other) + " does not belong to this command";
        return fail(errc::invalid_argument);
    }
    why = "there is no option --" + std::string(key.substr(0, 100)) + suggestion(key, command_);
    return fail(errc::invalid_argument);
}

std::size_t config::index(std::string_view key) const
{
    const auto* found = find(key);
    DW_ASSERT(found != nullptr);
    return static_cast<std::size_t>(found - config_keys().data());
}

std::vector<std::string>& config::values(const config_key& key)
{
    return values_[static_cast<std::size_t>(&key - config_keys().data())];
}

result<void> config::set(std::string_view name, std::string_view value, std::string& why)
{
    DW_TRY(key, find(name, why));
    std::vector<std::string> parts;
    if (key->has(key_flag::list))
        parts = split_list(value);
    else if (key->type != config_type::text || !value.empty())
        parts.emplace_back(value);
    for (auto& part : parts) {
        DW_TRY(checked, check_value(*key, part, why));
        part = std::move(checked);
    }
    values(*key) = std::move(parts);
    return {};
}

result<void> config::add(std::string_view name, std::string_view value, std::string& why)
{
    DW_TRY(key, find(name, why));
    if (!key->has(key_flag::list)) {
        why = flag(*key) + " takes one value only";
        return fail(errc::invalid_argument);
    }
    auto joined = values(*key);
    for (const auto& part : split_list(value)) {
        DW_TRY(checked, check_value(*key, part, why));
        joined.push_back(std::move(checked));
    }
    values(*key) = std::move(joined);
    return {};
}

result<std::string> config::get(std::string_view name, std::string& why) const
{
    DW_TRY(key, find(name, why));
    if (key->has(key_flag::secret)) return std::string(text(key->name).empty() ? "" : hidden);
    if (std::string_view(key->name) == "state-dir") {
        // Without a home there is no default yet: that is an error only when the command starts.
        std::string ignored;
        const auto dir = state_dir(*this, process_environment, ignored);
        return dir ? *dir : std::string();
    }
    if (std::string_view(key->name) == "log-level" && level() == log_level::debug)
        return std::string("debug");
    return text(key->name);
}

result<void> config::load(const environment& env, std::string& why)
{
    for (const auto& key : config_keys()) {
        if (!key.belongs_to(command_)) continue;
        const auto name = variable_of(key);
        const auto* value = env(name.c_str());
        if (value == nullptr) continue;
        // Kubernetes sets DUALWRITE_PROXY_PORT=tcp://... for a service called dualwrite-proxy.
        if (key.type == config_type::number && std::string_view(value).starts_with("tcp://"))
            continue;
        const auto done = set(key.name, value, why);
        if (done) continue;
        why = "environment variable " + name + ": " + why;
        return fail(done.error());
    }
    return {};
}

bool config::is_set(std::string_view key) const
{
    return !values_[index(key)].empty();
}

std::string config::text(std::string_view key) const
{
    const auto i = index(key);
    if (values_[i].empty()) return config_keys()[i].default_text;
    std::string joined;
    for (const auto& value : values_[i]) (joined += joined.empty() ? "" : ",") += value;
    return joined;
}

std::vector<std::string> config::list(std::string_view key) const
{
    return values_[index(key)];
}

bool config::boolean(std::string_view key) const
{
    const auto value = parse_boolean(text(key));
    DW_ASSERT(value);
    return *value;
}

std::uint64_t config::number(std::string_view key) const
{
    const auto value = parse_as(config_keys()[index(key)].type, text(key));
    DW_ASSERT(value);
    return *value;
}

log_level config::level() const
{
    if (command_ == command::proxy && boolean("debug")) return log_level::debug;
    const auto word = text("log-level");
    if (word == "debug") return log_level::debug;
    if (word == "warning") return log_level::warning;
    return word == "error" ? log_level::error : log_level::info;
}

}  // namespace dualwrite::engine
