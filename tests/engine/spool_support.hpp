#pragma once

#include <dualwrite/engine/spool.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/sanitized.hpp"
#include "spool_memory.hpp"

// What the tests of the spool share: small options, intents whose content follows from a number,
// and ways to open a disk in memory.

namespace spool_test {

using dualwrite::as_bytes;
using dualwrite::as_text;
using dualwrite::engine::durability;
using dualwrite::engine::spool_directory;
using dualwrite::engine::spool_log;
using dualwrite::engine::spool_options;
using dualwrite::engine::spool_reading;
using dualwrite::engine::write_state;

inline spool_options small_options()
{
    spool_options options;
    options.directory = "state/spool";
    options.segment_size = 16 * 1024;
    options.size_max = std::uint64_t{64} << 20;
    options.logs_max = 4;
    options.background = false;
    return options;
}

struct opened_spool {
    std::unique_ptr<spool_directory> directory;
    std::error_code error;
    std::string why;
};

inline opened_spool
open_disk(const std::shared_ptr<memory_disk>& disk, const spool_options& options = small_options())
{
    opened_spool opened;
    auto made = spool_directory::open(options, std::make_shared<memory_storage>(disk), opened.why);
    if (made)
        opened.directory = *std::move(made);
    else
        opened.error = made.error();
    return opened;
}

// An opening that must succeed.
inline std::unique_ptr<spool_directory>
must_open(const std::shared_ptr<memory_disk>& disk, const spool_options& options = small_options())
{
    auto opened = open_disk(disk, options);
    INFO(opened.why);
    REQUIRE(opened.directory);
    return std::move(opened.directory);
}

// Reads all logs of earlier runs.
inline std::vector<std::unique_ptr<spool_log>> take_left(spool_directory& directory)
{
    std::vector<std::unique_ptr<spool_log>> logs;
    spool_reading progress;
    for (auto& unread : directory.take_left_logs()) {
        std::string why;
        auto log = unread.read(why, progress);
        INFO(why);
        REQUIRE(log);
        logs.push_back(*std::move(log));
    }
    return logs;
}

inline std::unique_ptr<spool_log> must_create(spool_directory& directory)
{
    auto log = directory.create_log();
    REQUIRE(log);
    return *std::move(log);
}

// What intent `lsn` of the log that is called `tag` holds.
inline std::string payload_of(std::uint64_t lsn, std::size_t size, const std::string& tag = "")
{
    auto text = tag + "#" + std::to_string(lsn) + ":";
    while (text.size() < size) text += static_cast<char>('a' + (lsn + text.size() * 7) % 26);
    return text;
}

inline std::uint64_t
append(spool_log& log, const std::string& payload, const std::vector<std::uint32_t>& ids = {})
{
    const auto half = payload.size() / 2;
    const bytes_view all = as_bytes(payload);
    const bytes_view parts[] = {all.first(half), all.subspan(half)};
    return log.append_intent(ids, parts);
}

// A comparison whose operands are too long to be printed.
inline bool same(std::string_view a, std::string_view b)
{
    return a == b;
}

struct read_intent {
    std::uint64_t lsn{0};
    std::string payload;
    std::vector<std::string> statements;
    friend bool operator==(const read_intent&, const read_intent&) = default;
};

// All that can be read now, each released at once.
inline std::vector<read_intent> read_all(spool_log& log)
{
    std::vector<read_intent> intents;
    for (;;) {
        const auto next = log.next_intent();
        INFO(log.why());
        REQUIRE(next);
        if (!*next) return intents;
        const auto& [lsn, ids, payload] = **next;
        read_intent intent{lsn, std::string(as_text(payload)), {}};
        for (const auto id : ids) {
            const auto& statement = log.statement_of(id);
            intent.statements.push_back(statement.keyspace + "|" + statement.text);
        }
        intents.push_back(std::move(intent));
        log.release(lsn);
    }
}

inline std::vector<std::uint64_t> lsns_of(const std::vector<read_intent>& intents)
{
    std::vector<std::uint64_t> lsns;
    for (const auto& intent : intents) lsns.push_back(intent.lsn);
    return lsns;
}

// The seeds of a random test: 1 to `count`, a quarter of them under a sanitizer; SPOOL_SEED=n runs
// the one, SPOOL_SEEDS=n runs n.
struct seed_range {
    std::uint64_t first;
    std::uint64_t last;
};
inline seed_range seeds(std::uint64_t count)
{
    const char* const one = std::getenv("SPOOL_SEED");
    const char* const many = std::getenv("SPOOL_SEEDS");
    if (one != nullptr) return {std::strtoull(one, nullptr, 10), std::strtoull(one, nullptr, 10)};
    return {
        1,
        many != nullptr              ? std::strtoull(many, nullptr, 10)
        : dualwrite::test::sanitized ? count / 4
                                     : count};
}

inline std::vector<std::string> segments_of(const memory_disk& disk)
{
    std::vector<std::string> names;
    for (const auto& [name, file] : disk.files)
        if (name.ends_with(".log")) names.push_back(name);
    return names;
}

}  // namespace spool_test
