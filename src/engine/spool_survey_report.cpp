#include <dualwrite/engine/spool_survey.hpp>
#include <dualwrite/replication/spool_segment.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "spool_gap_json.hpp"

namespace dualwrite::engine {

namespace {

using nlohmann::json;

std::string padded(std::string text, std::size_t width)
{
    if (text.size() < width) text.resize(width, ' ');
    return text;
}

std::string plural(std::uint64_t n, const char* one, const char* many)
{
    return std::to_string(n) + " " + (n == 1 ? one : many);
}

void append_line(std::string& out, const char* name, const std::string& text)
{
    out += padded("  " + std::string(name), 14) + text + '\n';
}

std::string segments_text(const surveyed_log& log)
{
    const auto& all = log.files.segments;
    if (all.empty()) return "none";
    std::uint64_t bytes = 0;
    for (const auto& segment : all) bytes += segment.size;
    return plural(all.size(), "file", "files") + " (" + std::to_string(all.front().number) +
           " to " + std::to_string(all.back().number) + "), " + size_text(bytes);
}

std::string format_text(const surveyed_log& log)
{
    for (const auto& segment : log.files.segments)
        if (segment.header == walked_header::newer)
            return std::to_string(segment.version) + ", newer than this program's (" +
                   std::to_string(replication::segment_version) +
                   "): deliver it with the version that wrote it";
    return std::to_string(replication::segment_version);
}

std::string records_text(const surveyed_log& log)
{
    std::string text;
    for (const auto& [name, count] : log.records)
        text += (text.empty() ? "" : ", ") + name + " " + std::to_string(count);
    return text.empty() ? "none" : text;
}

void append_tables(std::string& out, const surveyed_log& log, std::int64_t now_ms)
{
    if (log.tables.empty()) return;
    out += "    " + padded("table", 40) + padded("writes", 12) + padded("bytes", 12) + "oldest\n";
    for (const auto& [name, its] : log.tables)
        out += "    " + padded(name, 39) + ' ' + padded(std::to_string(its.writes), 12) +
               padded(size_text(its.bytes), 12) +
               (its.oldest_ms == 0 ? "-" : age_text(now_ms - its.oldest_ms)) + '\n';
}

void append_log(std::string& out, const surveyed_log& log, std::int64_t now_ms, bool in_use)
{
    out += "log " + log.id + '\n';
    append_line(out, "created", log.created_us == 0 ? "unknown" : utc_text(log.created_us));
    append_line(out, "format", format_text(log));
    append_line(out, "files", segments_text(log));
    append_line(out, "records", records_text(log));
    if (log.last_lsn >= log.first_lsn && log.first_lsn != 0)
        append_line(
            out, "numbers", std::to_string(log.first_lsn) + " to " + std::to_string(log.last_lsn)
        );
    append_line(
        out,
        "unfinished",
        plural(log.applied + log.open, "write", "writes") + " (" + std::to_string(log.applied) +
            " that the source has, " + std::to_string(log.open) + " of which it is not known)" +
            (log.oldest_ms == 0 ? "" : ", the oldest " + age_text(now_ms - log.oldest_ms) + " old")
    );
    if (log.unreadable != 0)
        append_line(out, "", std::to_string(log.unreadable) + " of them this version cannot read");
    if (log.clock_us != 0)
        append_line(
            out, "clock", std::to_string(log.clock_us) + " (" + utc_text(log.clock_us) + ")"
        );
    append_tables(out, log, now_ms);
    for (const auto& gap : log.files.gaps) {
        const auto* name = gap.damage ? "DAMAGE" : in_use ? "being written" : "torn end";
        append_line(out, name, gap_text(gap));
    }
}

const char* name_of(walked_header header)
{
    constexpr std::array names{"valid", "missing", "unwritten", "newer", "damaged"};
    return names[static_cast<std::size_t>(header)];
}

json log_json(const surveyed_log& log, std::int64_t now_ms)
{
    json segments = json::array();
    for (const auto& its : log.files.segments)
        segments.push_back(
            {{"file", its.name},
             {"number", its.number},
             {"header", name_of(its.header)},
             {"format", its.version},
             {"first", its.first_lsn},
             {"size_bytes", its.size},
             {"end", its.end},
             {"records", its.records},
             {"sealed", its.sealed}}
        );
    json tables = json::array();
    for (const auto& [name, its] : log.tables)
        tables.push_back(
            {{"table", name},
             {"writes", its.writes},
             {"bytes", its.bytes},
             {"oldest_age_ms", its.oldest_ms == 0 ? 0 : now_ms - its.oldest_ms}}
        );
    json gaps = json::array();
    for (const auto& gap : log.files.gaps) gaps.push_back(gap_json(gap));
    return {
        {"log", log.id},
        {"created_us", log.created_us},
        {"segments", std::move(segments)},
        {"records", log.records},
        {"first", log.first_lsn},
        {"last", log.last_lsn},
        {"applied", log.applied},
        {"open", log.open},
        {"unreadable", log.unreadable},
        {"lost", log.lost},
        {"clock_us", log.clock_us},
        {"oldest_age_ms", log.oldest_ms == 0 ? 0 : now_ms - log.oldest_ms},
        {"tables", std::move(tables)},
        {"gaps", std::move(gaps)}};
}

}  // namespace

std::size_t spool_survey::damages() const noexcept
{
    std::size_t count = 0;
    for (const auto& log : logs)
        count += static_cast<std::size_t>(std::count_if(
            log.files.gaps.begin(), log.files.gaps.end(), [](const auto& gap) { return gap.damage; }
        ));
    return count;
}

std::string utc_text(std::int64_t us)
{
    const auto s = static_cast<std::time_t>(us / 1'000'000);
    std::tm parts{};
    std::array<char, 64> out{};
    if (::gmtime_r(&s, &parts) == nullptr) return std::to_string(us) + " us";
    std::strftime(out.data(), out.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
    return out.data();
}

std::string age_text(std::int64_t ms)
{
    const auto s = ms < 0 ? 0 : ms / 1000;
    if (s < 120) return plural(static_cast<std::uint64_t>(s), "second", "seconds");
    if (s < 7200) return std::to_string(s / 60) + " minutes";
    if (s < 172'800) return std::to_string(s / 3600) + " hours";
    return std::to_string(s / 86'400) + " days";
}

std::string size_text(std::uint64_t bytes)
{
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
    std::array<char, 32> out{};
    std::snprintf(out.data(), out.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out.data();
}

std::string gap_text(const walked_gap& gap)
{
    auto text = gap.file + ", bytes " + std::to_string(gap.begin) + " to " +
                std::to_string(gap.end) + ": " + gap.why;
    if (gap.first_lsn == 0 || gap.last_lsn == 0)
        return text + (gap.damage ? "; no write is missing behind it" : "");
    text += "; writes " + std::to_string(gap.first_lsn) + " to " + std::to_string(gap.last_lsn);
    return text + " are missing";
}

std::string survey_text(const spool_survey& of, std::int64_t now_ms)
{
    std::string out = "spool " + of.directory + '\n';
    const auto who = of.holder == 0 ? "a process" : "process " + std::to_string(of.holder);
    append_line(out, "in use", of.in_use ? "by " + who : "no");
    append_line(
        out,
        "size",
        size_text(of.size_bytes) + " in " + plural(of.logs.size(), "log", "logs") +
            (of.spares == 0 ? "" : "; " + plural(of.spares, "spare file", "spare files"))
    );
    if (of.dead_letters_bytes != 0)
        append_line(out, "dead letters", size_text(of.dead_letters_bytes));
    for (const auto& name : of.broken) append_line(out, "torn before", name);
    for (const auto& name : of.foreign) append_line(out, "not ours", name);
    std::uint64_t unfinished = 0;
    for (const auto& log : of.logs) {
        append_log(out, log, now_ms, of.in_use);
        unfinished += log.applied + log.open;
    }
    const auto damages = of.damages();
    out += "result: " + plural(unfinished, "write waits", "writes wait") + " for the target; ";
    if (damages == 0) return out + "every record is sound\n";
    return out + "damaged at " + plural(damages, "place", "places") +
           ": a proxy does not run on it. Bring back the files, or copy what is good with "
           "`dualwrite spool salvage`\n";
}

std::string survey_json(const spool_survey& of, std::int64_t now_ms)
{
    json logs = json::array();
    std::uint64_t unfinished = 0;
    for (const auto& log : of.logs) {
        logs.push_back(log_json(log, now_ms));
        unfinished += log.applied + log.open;
    }
    const json out{
        {"directory", of.directory},
        {"in_use", of.in_use},
        {"holder", of.holder},
        {"size_bytes", of.size_bytes},
        {"spares", of.spares},
        {"broken", of.broken},
        {"foreign", of.foreign},
        {"dead_letters_bytes", of.dead_letters_bytes},
        {"unfinished", unfinished},
        {"damages", of.damages()},
        {"logs", std::move(logs)}};
    return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace dualwrite::engine
