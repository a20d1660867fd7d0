#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy_shared.hpp"
#include "worker.hpp"

namespace dualwrite::engine {

using workers = std::vector<std::unique_ptr<worker>>;

// Sums over all loops, and the lag of the slowest.
struct proxy_totals {
    std::uint64_t clients{0};
    std::uint64_t clients_total{0};
    std::uint64_t clients_refused{0};
    std::uint64_t clients_expired{0};
    std::uint64_t requests{0};
    std::uint64_t writes{0};
    std::uint64_t writes_applied{0};
    std::uint64_t writes_void{0};
    std::uint64_t writes_unknown{0};
    std::uint64_t redriven{0};
    std::uint64_t refused{0};
    std::uint64_t slowed{0};
    std::uint64_t degraded{0};
    std::uint64_t replicated{0};
    std::uint64_t refreshed{0};
    std::uint64_t unlogged{0};
    std::uint64_t target_errors{0};
    std::uint64_t target_retries{0};
    std::uint64_t waits_given_up{0};
    std::uint64_t memory_waits{0};
    std::uint64_t left_out{0};
    std::uint64_t backlog{0};
    std::uint64_t oldest_age_ms{0};
    std::uint64_t lag_ms{0};
    std::uint64_t target_connections{0};
    std::uint64_t loop_silence_ms{0};
};

std::string version_text();
proxy_totals sum(const workers& all);
// The same for who asks from outside: what was left and is not read yet counts as waiting.
proxy_totals totals_of(const proxy_shared& shared, const workers& all);
// Statements that write, by "keyspace.table"; each of a batch counts.
table_counts::sums table_writes(const workers& all);
std::string status_json(const proxy_shared& shared, const workers& all);
std::string metrics_text(const proxy_shared& shared, const workers& all);

}  // namespace dualwrite::engine
