#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/spool_walk.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

// A look at the spool of a state directory that changes nothing, also while a proxy works on it.

namespace dualwrite::engine {

struct surveyed_table {
    std::uint64_t writes{0};  // that are not finished
    std::uint64_t bytes{0};   // of them
    std::int64_t oldest_ms{0};
};

struct surveyed_log {
    std::string id;
    walked_log files;
    std::int64_t created_us{0};
    std::uint64_t first_lsn{0};
    std::uint64_t last_lsn{0};
    std::map<std::string, std::uint64_t> records;  // by kind
    std::uint64_t applied{0};                      // not finished: the source has it
    std::uint64_t open{0};                         // not finished: what the source said is unknown
    std::uint64_t unreadable{0};                   // of these: by this version
    std::uint64_t lost{0};
    std::int64_t clock_us{0};
    std::int64_t oldest_ms{0};  // 0: nothing waits
    std::map<std::string, surveyed_table> tables;
};

struct spool_survey {
    std::string directory;
    bool in_use{false};
    std::int64_t holder{0};
    std::vector<surveyed_log> logs;  // oldest first
    std::uint64_t size_bytes{0};
    std::size_t spares{0};
    std::vector<std::string> broken;
    std::vector<std::string> foreign;
    std::uint64_t dead_letters_bytes{0};

    // What keeps a proxy from starting on it.
    std::size_t damages() const noexcept;
};

// One line for each unfinished write: a JSON object with its statement and values.
using survey_line = std::function<void(const std::string&)>;

// `state_dir` is the one of the proxy. `show` may be empty; else it is given every unfinished
// write. On failure `why` has a sentence for the operator.
result<spool_survey>
survey_spool(const std::string& state_dir, const survey_line& show, std::string& why);

std::string survey_text(const spool_survey& of, std::int64_t now_ms);
std::string survey_json(const spool_survey& of, std::int64_t now_ms);

// 1700000000123456 as "2023-11-14 22:13:20 UTC".
std::string utc_text(std::int64_t us);
// A text for people about how long ago something was.
std::string age_text(std::int64_t ms);
std::string size_text(std::uint64_t bytes);
// What a hole in a log costs, in a sentence.
std::string gap_text(const walked_gap& gap);

}  // namespace dualwrite::engine
