#include "dead_letter_file.hpp"

#include <dualwrite/engine/dead_letters.hpp>
#include <dualwrite/engine/spool_survey.hpp>

#include <nlohmann/json.hpp>

#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>

namespace dualwrite::engine {

namespace {

using nlohmann::json;

constexpr auto letters_name = "/dead_letters.jsonl";
constexpr auto marks_name = "/dead_letters_applied.jsonl";
constexpr auto no_write_time = replication::writetime_in_text;

std::unordered_map<std::string, std::int64_t> read_marks(const std::string& state_dir)
{
    std::unordered_map<std::string, std::int64_t> out;
    std::ifstream file(state_dir + marks_name);
    for (std::string line; std::getline(file, line);) {
        const auto mark = json::parse(line, nullptr, false);
        // The last line may be torn: that letter is delivered once more.
        if (!mark.is_object() || !mark.contains("letter") || !mark["letter"].is_string()) continue;
        out[mark["letter"].get<std::string>()] = mark.value("time_s", std::int64_t{0});
    }
    return out;
}

std::string padded(std::string text, std::size_t width)
{
    if (text.size() < width) text.resize(width, ' ');
    return text + ' ';
}

// Without the server's words: they may hold values.
std::string row_text(const found_letter& its)
{
    const auto& [letter, time_s] = *its.content;
    return its.id + ' ' + padded(utc_text(time_s * 1'000'000), 23) + padded(letter.table, 30) +
           padded(its.applied_at_s ? "applied" : "open", 7) + letter.reason;
}

json row_json(const found_letter& its)
{
    const auto& [letter, time_s] = *its.content;
    json out{
        {"id", its.id},
        {"time_s", time_s},
        {"table", letter.table},
        {"state", its.applied_at_s ? "applied" : "open"},
        {"reason", letter.reason},
        {"statements", letter.statements.size()}};
    if (letter.writetime_us != no_write_time) out["writetime_us"] = letter.writetime_us;
    if (its.applied_at_s) out["applied_at_s"] = *its.applied_at_s;
    return out;
}

void count(letter_counts& to, const found_letter& its)
{
    if (!its.content) {
        ++to.unreadable;
    } else if (its.applied_at_s) {
        ++to.applied;
    } else {
        ++to.open;
        ++to.reasons[its.content->letter.reason];
        ++to.tables[its.content->letter.table];
    }
}

std::string summary_text(const letter_counts& of)
{
    std::string out;
    for (const auto& [reason, n] : of.reasons) out += padded(std::to_string(n), 10) + reason + '\n';
    out +=
        "open: " + std::to_string(of.open) + "; applied by a retry: " + std::to_string(of.applied);
    if (of.unreadable != 0) out += "; unreadable lines: " + std::to_string(of.unreadable);
    return out;
}

std::string dumped(const json& value)
{
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string summary_json(const letter_counts& of)
{
    return dumped(
        {{"open", of.open},
         {"applied", of.applied},
         {"unreadable", of.unreadable},
         {"reasons", of.reasons},
         {"tables", of.tables}}
    );
}

std::string exported(const found_letter& its)
{
    auto out = json::parse(its.line, nullptr, false);
    out["id"] = its.id;
    out["state"] = its.applied_at_s ? "applied" : "open";
    const auto& statements = its.content->letter.statements;
    for (std::size_t i = 0; i < statements.size(); ++i)
        if (const auto cql = cql_of(statements[i])) out["statements"][i]["cql"] = *cql;
    return dumped(out);
}

}  // namespace

result<void> read_letters(
    const std::string& state_dir,
    const std::function<void(const found_letter&)>& visit,
    std::string& why
)
{
    std::ifstream file(state_dir + letters_name);
    if (!file) {
        const std::error_code error(errno, std::generic_category());
        const auto none = error == std::errc::no_such_file_or_directory;
        if (none && ::access((state_dir + "/spool").c_str(), F_OK) == 0) return {};
        why = none ? state_dir + " is not the state directory of a proxy: it has neither a folder "
                                 "`spool` nor dead letters"
                   : "cannot read " + state_dir + letters_name + ": " + error.message();
        return fail(none ? make_error_code(errc::invalid_argument) : error);
    }
    const auto marks = read_marks(state_dir);
    std::unordered_set<std::string> seen;
    for (std::string line; std::getline(file, line);) {
        if (line.empty()) continue;
        found_letter its{letter_id(line), line, {}, {}};
        if (!seen.insert(its.id).second) continue;
        if (auto content = parse_letter(line)) its.content = *std::move(content);
        if (const auto mark = marks.find(its.id); mark != marks.end())
            its.applied_at_s = mark->second;
        visit(its);
    }
    if (!file.bad()) return {};
    why = "cannot read " + state_dir + letters_name;
    return fail({EIO, std::generic_category()});
}

result<letter_counts> list_letters(
    const std::string& state_dir,
    const letters_wanted& wanted,
    const letter_sink& sink,
    std::string& why
)
{
    letter_counts out;
    const auto show = [&](const found_letter& its) {
        count(out, its);
        if (!sink || !its.content || (its.applied_at_s && !wanted.applied)) return;
        sink(wanted.json ? dumped(row_json(its)) : row_text(its));
    };
    DW_CHECK(read_letters(state_dir, show, why));
    if (sink) sink(wanted.json ? summary_json(out) : summary_text(out));
    return out;
}

result<letter_counts> export_letters(
    const std::string& state_dir,
    const letters_wanted& wanted,
    const letter_sink& sink,
    std::string& why
)
{
    letter_counts out;
    const auto give = [&](const found_letter& its) {
        count(out, its);
        if (its.content && (wanted.applied || !its.applied_at_s)) sink(exported(its));
    };
    DW_CHECK(read_letters(state_dir, give, why));
    return out;
}

result<std::shared_ptr<letter_marks>>
letter_marks::open(const std::string& state_dir, std::string& why)
{
    const auto name = state_dir + marks_name;
    unique_fd file(::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    // A torn line of an earlier retry ends here.
    if (file && ::write(file.get(), "\n", 1) == 1)
        return std::shared_ptr<letter_marks>(new letter_marks(std::move(file)));
    const std::error_code error(errno, std::generic_category());
    why = "cannot write to " + name + ": " + error.message();
    return fail(error);
}

letter_marks::~letter_marks()
{
    ::fsync(file_.get());
}

bool letter_marks::add(const std::string& id)
{
    const auto line =
        dumped({{"letter", id}, {"time_s", static_cast<std::int64_t>(std::time(nullptr))}}) + '\n';
    const std::lock_guard lock(mutex_);
    return ::write(file_.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

}  // namespace dualwrite::engine
