#pragma once

#include <dualwrite/copy/sample.hpp>

#include "job_tables.hpp"

namespace dualwrite::engine {

// The part of the ring that a job works on; none: all of it.
struct ring_part {
    std::optional<copy::range_set> wanted;

    std::vector<copy::planned_range> of(std::vector<copy::planned_range> plan) const
    {
        return wanted ? copy::remaining(plan, copy::complement(*wanted)) : std::move(plan);
    }
    double fraction() const { return wanted ? wanted->done_fraction() : 1; }
    void narrow(copy::range_set to)
    {
        wanted = wanted ? copy::intersection(*wanted, to) : std::move(to);
    }
};

// What --token-range names.
ring_part named_part(const job_options& options);

// Adds the tokens of the partitions of `table` that the CQL condition `where` finds at one side.
// False: see `why`.
asio::awaitable<bool> find_partitions(
    cql_cluster& side,
    const copy::table_model& table,
    std::string where,
    copy::range_set& found,
    cql_failure& why
);

}  // namespace dualwrite::engine
