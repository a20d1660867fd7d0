#pragma once

#include <dualwrite/base/result.hpp>

#include <charconv>
#include <string_view>

namespace dualwrite::engine {

// "5%", "0.1 %": above 0, at most 1.
inline result<double> parse_share(std::string_view text)
{
    if (text.empty() || text.back() != '%') return fail(errc::invalid_argument);
    text.remove_suffix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    double percent = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, percent);
    if (error != std::errc{} || stop != end || !(percent > 0 && percent <= 100))
        return fail(errc::invalid_argument);
    return percent / 100;
}

}  // namespace dualwrite::engine
