#include "console.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "handles.hpp"

namespace dualwrite::program {

namespace {

std::size_t terminal_width()
{
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

spdlog::level::level_enum level_of(int level)
{
    switch (level) {
    case DW_LOG_DEBUG:
        return spdlog::level::debug;
    case DW_LOG_INFO:
        return spdlog::level::info;
    case DW_LOG_WARNING:
        return spdlog::level::warn;
    default:
        return spdlog::level::err;
    }
}

// A JSON string. What is not UTF-8 in it is replaced.
std::string quoted(std::string_view text)
{
    using handler = nlohmann::json::error_handler_t;
    return nlohmann::json(text).dump(-1, ' ', false, handler::replace);
}

void on_log(int level, const char* text, size_t size, void* user)
{
    static_cast<console*>(user)->log(level, {text, size});
}

}  // namespace

console::console(std::string name) : name_(std::move(name)), terminal_(::isatty(STDERR_FILENO) == 1)
{
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    auto logger = std::make_shared<spdlog::logger>(name_, std::move(sink));
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v", spdlog::pattern_time_type::utc);
    logger->flush_on(spdlog::level::debug);
    spdlog::set_default_logger(std::move(logger));
}

console::~console()
{
    end_progress();
    spdlog::shutdown();
}

void console::attach(dw_conf* conf)
{
    // The library filters its own lines; this is for the program's.
    const auto level = get(conf, "log-level");
    json_ = get(conf, "log-format") == "json";
    if (json_)
        spdlog::default_logger()->set_pattern(
            R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","program":"%n","text":%v})",
            spdlog::pattern_time_type::utc
        );
    if (level == "warning") spdlog::set_level(spdlog::level::warn);
    if (level == "error") spdlog::set_level(spdlog::level::err);
    if (level == "debug") spdlog::set_level(spdlog::level::debug);
    check([&](dw_error* err) { return dw_conf_set_log(conf, on_log, this, err); });
}

void console::log(int level, std::string_view text)
{
    const std::lock_guard lock(mutex_);
    clear_line();
    if (json_)
        spdlog::log(level_of(level), "{}", quoted(text));
    else
        spdlog::log(level_of(level), "{}", text);
    draw_line();
}

void console::say(std::string_view text)
{
    if (json_) return log(DW_LOG_ERROR, text);
    const std::lock_guard lock(mutex_);
    clear_line();
    std::fprintf(stderr, "%s: %.*s\n", name_.c_str(), static_cast<int>(text.size()), text.data());
    draw_line();
}

void console::show_progress(std::string_view line)
{
    if (!terminal_) return;
    const std::lock_guard lock(mutex_);
    progress_ = line.substr(0, terminal_width() - 1);
    clear_line();
    draw_line();
}

void console::end_progress()
{
    const std::lock_guard lock(mutex_);
    if (!progress_.empty()) std::fputc('\n', stderr);
    progress_.clear();
}

void console::clear_line()
{
    if (!progress_.empty()) std::fputs("\r\033[K", stderr);
}

void console::draw_line()
{
    if (progress_.empty()) return;
    std::fputs(progress_.c_str(), stderr);
    std::fflush(stderr);
}

}  // namespace dualwrite::program
