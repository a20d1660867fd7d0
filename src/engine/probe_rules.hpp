#pragma once

#include <dualwrite/engine/check.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace dualwrite::engine {

// What it means for the operator when the target does not do a thing.
struct probe_rule {
    std::string_view key;
    bool problem;  // else a note
    std::string_view meaning;
};

inline constexpr auto probe_rules = std::to_array<probe_rule>({
    {"old_writetime",
     true,
     "the target does not keep the write time that a write says: what is copied would count as "
     "newer than what clients write meanwhile"},
    {"protocol_writetime",
     true,
     "the target does not keep the write time that the protocol carries: what waits would "
     "overwrite newer values when it is delivered"},
    {"cell_writetime", true, "the target keeps one write time for a whole row"},
    {"cell_ttl", true, "the target keeps one TTL for a whole row"},
    {"late_write_loses", true, "at the target a write that comes late overwrites a newer one"},
    {"late_delete_loses", true, "at the target a deletion that comes late deletes newer values"},
    {"token_scan",
     false,
     "the target cannot be read by token ranges: dualwrite validate cannot compare it"},
    {"logged_batch", false, "the target takes no logged batches; they are sent as unlogged ones"},
    {"unlogged_batch", true, "the target takes no batches"},
    {"row_size", true, "the target refuses rows of half a MiB"},
});

inline check_answer answer_of(const check_report& report, std::string_view key)
{
    for (const auto& probe : report.probes)
        if (probe.key == key) return probe.answer;
    return check_answer::unknown;
}

inline void judge_probes(check_report& report)
{
    const bool flags_help = answer_of(report, "flags") == check_answer::yes;
    for (const auto& rule : probe_rules) {
        if (answer_of(report, rule.key) != check_answer::no) continue;
        std::string text(rule.meaning);
        if (rule.key == "cell_writetime" && flags_help)
            text += "; make its tables with the three flags cosmosdb_cell_level_..., as --cql "
                    "prints them, they cannot be altered later";
        (rule.problem ? report.problems : report.notes).push_back(std::move(text));
    }
}

}  // namespace dualwrite::engine
