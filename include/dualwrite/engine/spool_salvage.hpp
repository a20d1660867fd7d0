#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/spool_walk.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace dualwrite::engine {

struct salvaged_log {
    std::string id;
    std::vector<walked_gap> gaps;
    std::uint64_t copied{0};     // writes that the target does not have
    std::uint64_t refreshed{0};  // of these: what the source said was lost, it will be read there
    std::uint64_t kept{0};       // DDL of which the same is true: dead letters
    std::uint64_t lost{0};       // their records are gone
    std::uint64_t unknown{0};    // theirs are there, but the statements that they name are not
};

struct spool_salvage {
    std::string from;
    std::string into;
    std::vector<salvaged_log> logs;

    std::uint64_t copied() const noexcept;
    std::uint64_t lost() const noexcept;  // those without a statement, too
    std::size_t damages() const noexcept;
};

// Copies every unfinished write that can be verified into a new state directory, with its clock and
// the dead letters. `from` is only read; no proxy may run on it. A proxy that is started on `into`,
// or a replay, delivers what is there. On failure `why` has a sentence for the operator.
result<spool_salvage>
salvage_spool(const std::string& from, const std::string& into, std::string& why);

std::string salvage_text(const spool_salvage& of);
std::string salvage_json(const spool_salvage& of);

}  // namespace dualwrite::engine
