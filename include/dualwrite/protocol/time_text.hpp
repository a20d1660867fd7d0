#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

namespace dualwrite::protocol::detail {

struct civil_date {
    std::int64_t year;
    unsigned month;
    unsigned day;
};

// The day, counted from 1970-01-01, in the proleptic Gregorian calendar. Eras of 400 years begin on
// March 1st, so that the leap day is the last one of a year.
constexpr civil_date civil_of_days(std::int64_t days) noexcept
{
    const auto shifted = days + 719468;  // from 0000-03-01
    const auto era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    const auto day_of_era = shifted - era * 146097;
    const auto year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const auto day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const auto month_shifted = (5 * day_of_year + 2) / 153;
    const auto day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    const auto month = month_shifted < 10 ? month_shifted + 3 : month_shifted - 9;
    const auto year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    return {year, static_cast<unsigned>(month), static_cast<unsigned>(day)};
}
static_assert(civil_of_days(0).year == 1970 && civil_of_days(0).day == 1);
static_assert(civil_of_days(19782).month == 2 && civil_of_days(19782).day == 29);

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) noexcept
{
    return a / b - (a % b < 0 ? 1 : 0);
}

// Only these years have a form that CQL reads back.
constexpr bool is_written_year(std::int64_t year) noexcept
{
    return year >= 1 && year <= 9999;
}

template <class... Args> void append_format(std::string& out, const char* format, Args... args)
{
    std::array<char, 64> text;
    const auto n = std::snprintf(text.data(), text.size(), format, args...);
    if (n > 0) out.append(text.data(), static_cast<std::size_t>(n));
}

// 'yyyy-mm-dd', or the raw number, which CQL takes too.
inline void append_date_text(std::string& out, std::uint32_t raw)
{
    const auto date = civil_of_days(std::int64_t{raw} - (std::int64_t{1} << 31));
    if (!is_written_year(date.year)) {
        out += std::to_string(raw);
        return;
    }
    append_format(out, "'%04d-%02u-%02u'", static_cast<int>(date.year), date.month, date.day);
}

// In UTC with the offset, so that it means the same to every reader; or the number.
inline void append_timestamp_text(std::string& out, std::int64_t ms)
{
    const auto days = floor_div(ms, 86400000);
    const auto date = civil_of_days(days);
    if (!is_written_year(date.year)) {
        out += std::to_string(ms);
        return;
    }
    const auto rest = static_cast<unsigned>(ms - days * 86400000);
    append_format(out, "'%04d-%02u-%02u ", static_cast<int>(date.year), date.month, date.day);
    append_format(
        out,
        "%02u:%02u:%02u.%03u+0000'",
        rest / 3600000,
        rest / 60000 % 60,
        rest / 1000 % 60,
        rest % 1000
    );
}

inline constexpr std::int64_t nanoseconds_per_day = 86400LL * 1000000000;

// `ns` is within a day.
inline void append_time_text(std::string& out, std::int64_t ns)
{
    const auto seconds = static_cast<unsigned>(ns / 1000000000);
    const auto fraction = static_cast<unsigned>(ns % 1000000000);
    append_format(
        out, "'%02u:%02u:%02u.%09u'", seconds / 3600, seconds / 60 % 60, seconds % 60, fraction
    );
}

// -1y2mo3d4h5m6s7ms8us9ns: the sign counts for all parts.
inline void
append_duration_text(std::string& out, std::int64_t months, std::int64_t days, std::int64_t ns)
{
    const auto negative = months < 0 || days < 0 || ns < 0;
    if (negative) out += '-';
    const auto magnitude = [](std::int64_t v) {
        return v < 0 ? 0 - static_cast<std::uint64_t>(v) : static_cast<std::uint64_t>(v);
    };
    const auto begin = out.size();
    const auto part = [&](std::uint64_t amount, const char* unit) {
        if (amount != 0) out += std::to_string(amount) + unit;
    };
    part(magnitude(months) / 12, "y");
    part(magnitude(months) % 12, "mo");
    part(magnitude(days), "d");
    auto left = magnitude(ns);
    part(left / 3600000000000, "h");
    left %= 3600000000000;
    part(left / 60000000000, "m");
    left %= 60000000000;
    part(left / 1000000000, "s");
    left %= 1000000000;
    part(left / 1000000, "ms");
    left %= 1000000;
    part(left / 1000, "us");
    part(left % 1000, "ns");
    if (out.size() == begin) out += "0s";
}

}  // namespace dualwrite::protocol::detail
