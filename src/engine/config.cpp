#include <dualwrite/engine/config.hpp>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "config_files.hpp"
#include "config_rules.hpp"
#include "config_yaml.hpp"

namespace dualwrite::engine {

namespace {

constexpr std::string_view hidden = "********";
constexpr std::size_t file_size_max = 1024 * 1024;

}  // namespace

const char* process_environment(const char* name) noexcept
{
    return std::getenv(name);
}

config::config(command c) : command_(c)
{
    for (auto& its : layers_) its.resize(config_keys().size());
}

const config_key* config::find(std::string_view key) const noexcept
{
    for (const auto& candidate : config_keys())
        if (candidate.belongs_to(command_) && same_key(candidate.name, key)) return &candidate;
    return nullptr;
}

bool config::is_of_another_command(std::string_view key) const noexcept
{
    const auto keys = config_keys();
    return find(key) == nullptr && std::any_of(keys.begin(), keys.end(), [&](const auto& other) {
               return same_key(other.name, key);
           });
}

result<const config_key*> config::find(std::string_view key, std::string& why) const
{
    if (const auto* found = find(key)) return found;
    if (is_of_another_command(key)) {
        why = "--" + std::string(key) + " does not belong to this command";
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

const config::setting& config::in_force(std::size_t index) const noexcept
{
    for (auto i = layers_.size() - 1; i > 0; --i)
        if (layers_[i][index]) return layers_[i][index];
    return layers_[0][index];
}

result<void>
config::set_in(layer where, std::string_view name, std::string_view value, std::string& why)
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
    auto& its = at(where)[index(key->name)];
    auto before = std::exchange(its, std::move(parts));
    if (std::string_view(key->name) != "config") return {};
    const auto done = load_file(why);
    if (!done) its = std::move(before);
    return done;
}

result<void> config::set(std::string_view name, std::string_view value, std::string& why)
{
    return set_in(layer::given, name, value, why);
}

result<void> config::add(std::string_view name, std::string_view value, std::string& why)
{
    DW_TRY(key, find(name, why));
    if (!key->has(key_flag::list)) {
        why = flag_of(*key) + " takes one value only";
        return fail(errc::invalid_argument);
    }
    auto joined = list(key->name);
    for (const auto& part : split_list(value)) {
        DW_TRY(checked, check_value(*key, part, why));
        joined.push_back(std::move(checked));
    }
    at(layer::given)[index(key->name)] = std::move(joined);
    return {};
}

// The file that is named now, in place of the one that was named before.
result<void> config::load_file(std::string& why)
{
    const auto path = text("config");
    std::vector<setting> settings(config_keys().size());
    if (!path.empty()) {
        DW_TRY(content, read_text_file("--config", path, file_size_max, why));
        std::size_t line = 0;
        const auto entries = parse_yaml(content, why, line);
        auto done = entries ? take_entries(*entries, settings, line, why) : fail(entries.error());
        if (!done) {
            why = path + ":" + std::to_string(line) + ": " + why;
            return done;
        }
    }
    at(layer::file) = std::move(settings);
    return {};
}

// One file serves several commands: keys of others are passed over.
result<void> config::take_entries(
    const std::vector<yaml_entry>& entries,
    std::vector<setting>& into,
    std::size_t& line,
    std::string& why
) const
{
    const auto refuse = [&](std::string what) {
        return why = std::move(what), errc::invalid_argument;
    };
    for (const auto& entry : entries) {
        line = entry.line;
        if (is_of_another_command(entry.key)) continue;
        DW_TRY(key, find(entry.key, why));
        if (std::string_view(key->name) == "config")
            return fail(refuse("a configuration file cannot name another one"));
        auto& its = into[index(key->name)];
        if (its) return fail(refuse(std::string(key->name) + " is there twice"));
        if (entry.values.size() != 1 && !key->has(key_flag::list))
            return fail(refuse(std::string(key->name) + " takes one value only"));
        its.emplace();
        for (const auto& value : entry.values) {
            const auto parts =
                key->has(key_flag::list) ? split_list(value) : std::vector<std::string>{value};
            for (const auto& part : parts) {
                DW_TRY(checked, check_value(*key, part, why));
                its->push_back(std::move(checked));
            }
        }
    }
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
        const auto done = set_in(layer::variables, key.name, value, why);
        if (done) continue;
        why = "environment variable " + name + ": " + why;
        return fail(done.error());
    }
    return {};
}

bool config::is_set(std::string_view key) const
{
    return !list(key).empty();
}

std::string config::text(std::string_view key) const
{
    const auto values = list(key);
    if (values.empty()) return config_keys()[index(key)].default_text;
    std::string joined;
    for (const auto& value : values) (joined += joined.empty() ? "" : ",") += value;
    return joined;
}

std::vector<std::string> config::list(std::string_view key) const
{
    return in_force(index(key)).value_or(std::vector<std::string>());
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
