#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "counter.hpp"

namespace dualwrite::engine {

// Writes by table: counted by one loop, read by any thread. Texts name tables, and texts come from
// clients: what is over the bound is counted together.
class table_counts {
public:
    static constexpr std::size_t tables_max = 500;
    static constexpr const char* others = "(others)";

    // By the loop only, which may keep the address: a counter never moves.
    counter& of(const std::string& table)
    {
        if (const auto found = counts_.find(table); found != counts_.end()) return found->second;
        const std::lock_guard lock(mutex_);
        return counts_[counts_.size() < tables_max ? table : others];
    }

    using sums = std::map<std::string, std::uint64_t>;
    void add_to(sums& out) const
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [table, count] : counts_) out[table] += count.get();
    }

private:
    mutable std::mutex mutex_;  // while the map grows, or another thread walks it
    std::unordered_map<std::string, counter> counts_;
};

}  // namespace dualwrite::engine
