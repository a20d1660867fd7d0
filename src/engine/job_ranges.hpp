#pragma once

#include <dualwrite/copy/range_plan.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>

#include <deque>
#include <functional>

#include "asio_compat.hpp"

namespace dualwrite::engine {

// Works through ranges, some at once. A range that fails is tried again; where it asked for too
// much, its halves are; after that it has failed for good and the others go on.
class range_runner {
public:
    struct task {
        // May be changed by an attempt: what is left of the range.
        copy::planned_range planned;
        std::uint32_t attempts{0};
    };
    struct actions {
        // One attempt. No failure: the range is done, all of it.
        std::function<asio::awaitable<cql_failure>(task&)> attempt;
        // False: nothing more can be done (the ledger cannot be written); the rest is left.
        std::function<bool(const task&)> on_done;
        std::function<void(const copy::token_range&, const cql_failure&)> on_failed;
        std::function<void(const std::string&)> on_retry;
        std::function<bool()> stopping;
        std::function<std::uint64_t()> random;
    };

    range_runner(asio::any_io_executor executor, std::uint32_t workers, actions to_do);

    // Returns when all ranges are done or have failed, or when the job stops.
    asio::awaitable<void> run(std::vector<copy::planned_range> ranges);
    std::uint64_t ranges_done() const noexcept { return ranges_done_; }

private:
    asio::awaitable<void> work();
    asio::awaitable<void> run_one(task next);
    bool prepare_retry(task& next, const cql_failure& failure);

    asio::any_io_executor executor_;
    std::uint32_t workers_;
    actions do_;
    std::deque<task> queue_;
    std::uint32_t working_{0};
    std::uint64_t ranges_done_{0};
    bool gave_up_{false};
    async_event ended_;
};

}  // namespace dualwrite::engine
