#pragma once

#include <dualwrite/engine/log.hpp>
#include <dualwrite/engine/proxy.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

// The dead letters of a state directory: docs/formats/dead_letters.md. All of it may be used beside
// the proxy that writes them.

namespace dualwrite::engine {

struct letter_counts {
    std::uint64_t open{0};
    std::uint64_t applied{0};                      // by a retry
    std::uint64_t unreadable{0};                   // lines that are no letters
    std::map<std::string, std::uint64_t> reasons;  // of the open ones
    std::map<std::string, std::uint64_t> tables;   // the same
};

struct letters_wanted {
    bool applied{false};  // those that a retry has applied, too
    bool json{false};
};

using letter_sink = std::function<void(const std::string& line)>;

// One line for each letter, without values, then the counts. `sink` may be empty. On failure `why`
// has a sentence for the operator.
result<letter_counts> list_letters(
    const std::string& state_dir,
    const letters_wanted& wanted,
    const letter_sink& sink,
    std::string& why
);

// One JSON object for each letter with all that is known of it: as in the file, with `id`, `state`,
// and `cql` where the values could be written as CQL.
result<letter_counts> export_letters(
    const std::string& state_dir,
    const letters_wanted& wanted,
    const letter_sink& sink,
    std::string& why
);

// Delivers the open letters of options.state_dir with their write times. Each that the target takes
// is marked as applied; one that it refuses again stays open. A proxy without clients: stop() with
// a limit, then wait().
result<std::unique_ptr<proxy>>
retry_letters(const proxy_options& options, log_sink log, std::string& why);

}  // namespace dualwrite::engine
