#pragma once

#include <dualwrite/engine/spool_walk.hpp>

#include <nlohmann/json.hpp>

namespace dualwrite::engine {

inline nlohmann::json gap_json(const walked_gap& gap)
{
    nlohmann::json out{
        {"file", gap.file},
        {"begin", gap.begin},
        {"end", gap.end},
        {"what", gap.damage ? "damage" : "torn"},
        {"why", gap.why}};
    if (gap.first_lsn != 0 && gap.last_lsn >= gap.first_lsn)
        out["lost"] = {{"first", gap.first_lsn}, {"last", gap.last_lsn}};
    return out;
}

}  // namespace dualwrite::engine
