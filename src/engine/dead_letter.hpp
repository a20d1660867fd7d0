#pragma once

#include <dualwrite/base/bytes.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace dualwrite::engine {

// A statement with what was bound to it, so that it can be executed again by hand.
struct kept_statement {
    std::string text;
    std::string values;  // raw, as they stood in the request
    bool named_values{false};
};

// A write that the target does not get. Kept with its values: the file is as private as the spool.
struct dead_letter {
    std::string table;
    std::string reason;
    std::string detail;  // the server's words
    std::vector<kept_statement> statements;
    std::int64_t writetime_us{0};
    std::int64_t accepted_ms{0};  // since 1970; a TTL counts from there
};

// One line of dead_letters.jsonl, without its end; docs/formats/dead_letters.md.
std::string to_json_line(const dead_letter& letter, std::int64_t now_s);

}  // namespace dualwrite::engine
