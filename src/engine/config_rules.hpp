#pragma once

#include <dualwrite/engine/config.hpp>

// What the table of keys says about names and values.

namespace dualwrite::engine {

// Without regard to case, `_` as `-`.
bool same_key(std::string_view a, std::string_view b) noexcept;
// "--threads"; a positional's bare name.
std::string flag_of(const config_key& key);
// "DUALWRITE_SOURCE_PORT"
std::string variable_of(const config_key& key);
// "; did you mean --threads?", or nothing if no name of the command is near.
std::string suggestion(std::string_view name, command c);

// The value in its one spelling, or in `why` a sentence that says what it should have been.
result<std::string> check_value(const config_key& key, std::string_view value, std::string& why);
std::optional<std::uint64_t> parse_as(config_type type, std::string_view text) noexcept;
std::vector<std::string> split_list(std::string_view text);

}  // namespace dualwrite::engine
