#pragma once

#include <dualwrite/base/result.hpp>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace dualwrite::engine {

// "2026-11-26T08:30:00Z", with a fraction of up to six digits and an offset such as +02:00 instead
// of Z: RFC 3339. Microseconds since 1970; nothing for other texts, and for a time without zone.
inline std::optional<std::int64_t> parse_date_time(const std::string& text)
{
    std::tm fields{};
    const char* at = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &fields);
    if (at == nullptr) return std::nullopt;
    std::int64_t fraction_us = 0;
    if (*at == '.') {
        std::int64_t unit = 100'000;
        const char* const digits = ++at;
        for (; *at >= '0' && *at <= '9' && unit > 0; ++at, unit /= 10)
            fraction_us += unit * (*at - '0');
        if (at == digits) return std::nullopt;
    }
    const std::string_view zone(at);
    std::int64_t offset_s = 0;
    int hours = 0;
    int minutes = 0;
    char end = 0;
    if (zone == "Z" || zone == "z")
        offset_s = 0;
    else if (zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') &&
             std::sscanf(at + 1, "%2d:%2d%c", &hours, &minutes, &end) == 2 && hours < 24 &&
             minutes < 60)
        offset_s = (hours * 3600 + minutes * 60) * (zone[0] == '-' ? -1 : 1);
    else
        return std::nullopt;
    return (std::int64_t{::timegm(&fields)} - offset_s) * 1'000'000 + fraction_us;
}

// A write time as people give it: a date and time, or microseconds since 1970. Refuses what is
// meant as something else, seconds above all, and what lies ahead: it would win over the writes of
// applications.
inline result<std::int64_t>
parse_writetime(const std::string& text, std::int64_t now_us, std::string& why)
{
    constexpr std::int64_t year_2000_us = 946'684'800'000'000;
    auto found = parse_date_time(text);
    const bool number = !found;
    if (number) {
        std::int64_t value = 0;
        const auto* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        if (error != std::errc() || stop != end) {
            why = "'" + text.substr(0, 60) +
                  "' is no time: give 2026-11-26T08:30:00Z, or microseconds since 1970";
            return fail(errc::invalid_argument);
        }
        found = value;
    }
    if (*found >= year_2000_us && *found <= now_us) return *found;
    why = *found > now_us ? text + " lies ahead: what applications write would lose against it"
                          : text + " lies before the year 2000";
    if (number && *found > 0 && *found < year_2000_us)
        why += *found < year_2000_us / 1000
                   ? "; seconds are meant? they need six zeros more"
                   : "; milliseconds are meant? they need three zeros more";
    return fail(errc::invalid_argument);
}

}  // namespace dualwrite::engine
