#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dead_letter.hpp"

namespace dualwrite::engine {

// One line of the file.
struct found_letter {
    std::string id;
    std::string_view line;
    std::optional<read_letter> content;        // nothing: it does not parse
    std::optional<std::int64_t> applied_at_s;  // by a retry
};

// Reads the letters of a state directory, and the marks of those that a retry has applied. A later
// equal letter is left out: it is the same write.
result<void> read_letters(
    const std::string& state_dir,
    const std::function<void(const found_letter&)>& visit,
    std::string& why
);

// dead_letters_applied.jsonl: which letters need no retry any more. Appended, never shortened.
//
// Threads: any.
class letter_marks {
public:
    static result<std::shared_ptr<letter_marks>>
    open(const std::string& state_dir, std::string& why);
    ~letter_marks();  // makes them durable

    // False: it could not be written; the letter is delivered once more by the next retry, which
    // changes nothing.
    bool add(const std::string& id);

private:
    explicit letter_marks(unique_fd file) : file_(std::move(file)) {}

    std::mutex mutex_;
    unique_fd file_;  // guarded by mutex_
};

}  // namespace dualwrite::engine
