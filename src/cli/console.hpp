#pragma once

#include <dualwrite/dualwrite.h>

#include <mutex>
#include <string>
#include <string_view>

namespace dualwrite::program {

// Standard error of a program: log lines and, on a terminal, one line of progress below them.
//
// Threads: any.
class console {
public:
    // `name` stands before messages that are no log lines.
    explicit console(std::string name);
    ~console();
    console(const console&) = delete;
    console& operator=(const console&) = delete;

    // Sends the library's log here, in the form that `log-format` asks for.
    void attach(dw_conf* conf);

    void log(int level, std::string_view text);
    // "NAME: text", for errors before there is a log; an error of the log where that is JSON.
    void say(std::string_view text);

    // Shows the line in place of the one before; on a terminal only, cut to its width.
    void show_progress(std::string_view line);
    // Ends the line of progress; what was shown last stays.
    void end_progress();

    bool is_terminal() const noexcept { return terminal_; }

private:
    void clear_line();
    void draw_line();

    std::string name_;
    bool terminal_;
    bool json_{false};
    std::mutex mutex_;
    std::string progress_;  // guarded by mutex_; empty: no line is shown
};

}  // namespace dualwrite::program
