#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>
#include <dualwrite/replication/mutation.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dualwrite::engine {

// A statement with what was bound to it, so that it can be executed again by hand.
struct kept_statement {
    std::string text;
    std::string values;  // raw, as they stood in the request
    bool named_values{false};
    // The type of each value as system_schema spells it, "" where it is not known. Empty: none is.
    std::vector<std::string> types{};
};

// A write that the target does not get. Kept with its values: the file is as private as the spool.
struct dead_letter {
    std::string table;
    std::string reason;
    std::string detail;  // the server's words
    std::vector<kept_statement> statements;
    std::int64_t writetime_us{replication::writetime_in_text};
    std::int64_t accepted_ms{0};  // since 1970; a TTL counts from there
    // Of a BATCH: its type. Empty: it is none.
    std::optional<std::uint8_t> batch{};
    std::optional<std::uint16_t> consistency{};
};

// One line of dead_letters.jsonl, without its end; docs/formats/dead_letters.md.
std::string to_json_line(const dead_letter& letter, std::int64_t now_s);

// The same from a line. Fails with errc::malformed if it is none.
struct read_letter {
    dead_letter letter;
    std::int64_t time_s{0};
};
result<read_letter> parse_letter(std::string_view line);

// What a line is called: a hash of its content, 16 hexadecimal digits. Equal lines are the same
// write.
std::string letter_id(std::string_view line);

// The types of a statement's values, as far as its text and the schema tell.
std::vector<std::string>
types_of_values(std::string_view text, const replication::table_shapes& shapes);

// The statement with its values in the text, as CQL; nothing if that would not be the same: a value
// is unset, its type is not known, or it has no literal.
std::optional<std::string> cql_of(const kept_statement& its);

}  // namespace dualwrite::engine
