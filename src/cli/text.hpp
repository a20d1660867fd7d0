#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "handles.hpp"

namespace dualwrite::program {

inline constexpr int exit_usage = 255;

// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number);
// 3000 as "2.9 KiB".
std::string bytes_text(std::uint64_t bytes);
// 75 as "1:15", 4000 as "1:06:40".
std::string clock_text(double seconds);

// Groups of options with their defaults. What is only accepted at its default comes last, by name.
std::string options_text(const std::vector<dw_key>& keys);

// A paragraph, and an entry of a list: `left`, then the text beside it in its own column.
void append_paragraph(std::string& out, std::string_view text);
void append_entry(std::string& out, std::string left, std::string_view text);

// "name : value" of each key that is set or has a default; secrets are hidden.
std::vector<std::string> settings_text(const dw_conf* conf);

}  // namespace dualwrite::program
