#pragma once

#include <dualwrite/copy/mutation_batch.hpp>
#include <dualwrite/copy/pace.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>

#include <deque>
#include <map>

#include "asio_compat.hpp"

namespace dualwrite::engine {

// The writes of one range: how many are open, and the first failure. Outlives its writes.
struct write_tracker {
    explicit write_tracker(const asio::any_io_executor& executor) : changed(executor) {}

    std::uint32_t open{0};
    cql_failure failure;
    std::uint64_t rows_done{0};
    std::uint64_t cells_done{0};
    async_event changed;
};

// One request on its way to the target, kept until it is acknowledged.
struct write_request {
    protocol::opcode op{protocol::opcode::execute};
    byte_buffer body;
    std::vector<copy::ttl_patch> ttl_patches;
    std::uint32_t node{0};
    std::uint32_t rows{0};
    std::uint32_t cells{0};
    write_tracker* tracker{nullptr};
};

struct copy_writer_options {
    copy::window_limits window;
    copy::unit_limit* units{nullptr};  // of the whole job; null: none
    std::chrono::milliseconds retry_limit{120'000};
};

// Sends writes that may be repeated: pipelined, as many at once as the target takes, each again
// until it is acknowledged, refused for good, or too old.
class copy_writer {
public:
    copy_writer(asio::any_io_executor executor, cql_cluster& target, copy_writer_options options);
    ~copy_writer();
    copy_writer(const copy_writer&) = delete;

    // Statements that requests use, taught to a node that does not know them.
    void use(cql_prepared_ptr statement) { statements_.push_back(std::move(statement)); }

    write_request& next_request();  // to be filled, then submit()
    void submit(write_tracker& tracker);

    // Waits until more may be submitted.
    asio::awaitable<void> wait_for_room();
    // Waits until the tracker has nothing open. Also after a failure: the requests view it.
    static asio::awaitable<void> settle(write_tracker& tracker);

    // Fails everything that waits for a retry, now and from now on.
    void stop();

private:
    class operation;

    void pump();
    bool may_send();
    bool send(operation& op);
    void settle_cost(bool worked);
    void on_done(operation& op);
    void on_failure(operation& op, const cql_failure& failure);
    void retry_later(operation& op, std::chrono::milliseconds delay);
    void arm_timer();
    void give_up(operation& op, const cql_failure& failure);
    void release(operation& op);
    asio::awaitable<void> teach(std::shared_ptr<cql_connection> connection);
    void prepare_for(operation& op);

    asio::any_io_executor executor_;
    cql_cluster& target_;
    copy_writer_options options_;
    copy::request_window window_;
    std::uint32_t in_flight_{0};
    cql_charges settled_;  // of the target's charges, what the limit knows already
    bool stopped_{false};
    bool pumping_{false};

    std::vector<std::unique_ptr<operation>> all_;
    std::vector<operation*> free_;
    operation* filling_{nullptr};
    std::deque<operation*> ready_;
    std::multimap<std::chrono::steady_clock::time_point, operation*> later_;
    // Connections that are being taught, and what waits for that.
    std::map<std::shared_ptr<cql_connection>, std::vector<operation*>> teaching_;
    std::vector<cql_prepared_ptr> statements_;
    asio::steady_timer timer_;
    asio::steady_timer pace_timer_;
    std::shared_ptr<bool> alive_{std::make_shared<bool>(true)};
    async_event room_;
};

}  // namespace dualwrite::engine
