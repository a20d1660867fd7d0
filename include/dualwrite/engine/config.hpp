#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/check.hpp>
#include <dualwrite/engine/job.hpp>
#include <dualwrite/engine/log.hpp>
#include <dualwrite/engine/proxy.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// One table of keys stands behind flags, environment variables, dw_conf_set() and the help texts.
// A key is added there and read in config_options.cpp; nothing else knows about it.

namespace dualwrite::engine {

enum class config_type : std::uint8_t { text, boolean, number, size, duration, choice };

// Bits, so that a key can belong to several. Equal to DW_COMMAND_*.
enum class command : std::uint8_t {
    proxy = 1,
    copy = 2,
    validate = 4,
    replay = 8,
    retry = 16,
    check = 32,
    runs = 64
};

namespace key_flag {
inline constexpr std::uint32_t secret = 1;       // its value is never shown
inline constexpr std::uint32_t list = 2;         // may be given several times
inline constexpr std::uint32_t positional = 4;   // has no flag
inline constexpr std::uint32_t required = 8;     // has no default
inline constexpr std::uint32_t planned = 16;     // documented, accepted at its default only
inline constexpr std::uint32_t documented = 32;  // of the command line that the proxy keeps
}  // namespace key_flag

struct config_key {
    const char* name;
    const char* short_name;  // "" if none
    config_type type;
    const char* value_name;  // in the help; the words of a choice, with | between
    const char* default_text;
    std::uint32_t commands;
    std::uint32_t flags;
    std::uint64_t min;  // number; size in bytes; duration in ms
    std::uint64_t max;
    const char* group;
    const char* help;

    bool has(std::uint32_t flag) const noexcept { return (flags & flag) != 0; }
    bool belongs_to(command c) const noexcept
    {
        return (commands & static_cast<std::uint32_t>(c)) != 0;
    }
};

// In the order of the help; static.
std::span<const config_key> config_keys() noexcept;

// Values as people write them. Empty: the text is not one.
std::optional<bool> parse_boolean(std::string_view text) noexcept;
std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;
std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;         // bytes
std::optional<std::uint64_t> parse_duration_ms(std::string_view text) noexcept;  // needs its unit

// Like std::getenv, for tests: nullptr if there is no such variable.
using environment = std::function<const char*(const char* name)>;
const char* process_environment(const char* name) noexcept;

struct yaml_entry;

// What one command was told: by a file, which the key `config` names, by the environment, by flags
// or calls. The later ones win, in whatever order they come. Values are checked when they are set,
// so that what is read fits.
// `why` has a sentence for the operator after each failure; it names keys as flags: --key.
class config {
public:
    explicit config(command c);

    command for_command() const noexcept { return command_; }

    // Replaces; a list is split at commas. An empty text or list puts the default back. Setting
    // `config` reads the file.
    result<void> set(std::string_view key, std::string_view value, std::string& why);
    // Appends to a list.
    result<void> add(std::string_view key, std::string_view value, std::string& why);
    // The value in force; a secret's is hidden.
    result<std::string> get(std::string_view key, std::string& why) const;
    // DUALWRITE_SOURCE_PORT for source-port.
    result<void> load(const environment& env, std::string& why);

    // For readers of options, who know their keys: no such key is an error of the program.
    bool is_set(std::string_view key) const;
    std::string text(std::string_view key) const;
    std::vector<std::string> list(std::string_view key) const;
    bool boolean(std::string_view key) const;
    std::uint64_t number(std::string_view key) const;  // of a size bytes, of a duration ms
    log_level level() const;

private:
    // nullptr: not a key of this command.
    const config_key* find(std::string_view key) const noexcept;
    result<const config_key*> find(std::string_view key, std::string& why) const;
    bool is_of_another_command(std::string_view key) const noexcept;
    std::size_t index(std::string_view key) const;

    enum class layer : std::uint8_t { file, variables, given };
    // Nothing: the layer does not say. No values: it puts the default back.
    using setting = std::optional<std::vector<std::string>>;
    std::vector<setting>& at(layer which) { return layers_[static_cast<std::size_t>(which)]; }
    const setting& in_force(std::size_t index) const noexcept;
    result<void>
    set_in(layer where, std::string_view key, std::string_view value, std::string& why);
    result<void> load_file(std::string& why);
    result<void> take_entries(
        const std::vector<yaml_entry>& entries,
        std::vector<setting>& into,
        std::size_t& line,
        std::string& why
    ) const;

    command command_;
    std::array<std::vector<setting>, 3> layers_;  // by layer; each as config_keys()
};

// Checked as a whole: required keys, combinations, files that must be there.
result<proxy_options>
make_proxy_options(const config& from, const environment& env, std::string& why);
// Of `replay` and `retry`: a proxy without clients.
result<proxy_options>
make_delivery_options(const config& from, const environment& env, std::string& why);
// Of a copy, the limits that can be changed while it runs.
void read_pace(const config& from, copy_options& into);
result<copy_options>
make_copy_options(const config& from, const environment& env, std::string& why);
result<validate_options>
make_validate_options(const config& from, const environment& env, std::string& why);
// Of `check`: only where to look.
result<job_options>
make_check_options(const config& from, const environment& env, std::string& why);
result<check_request>
make_check_request(const config& from, const environment& env, std::string& why);

// Where the command keeps its files: --state-dir, else what systemd gives, else a folder of the
// user's named by what the command works on.
result<std::string> state_dir(const config& from, const environment& env, std::string& why);

}  // namespace dualwrite::engine
