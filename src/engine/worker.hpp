#pragma once

#include <dualwrite/base/ring.hpp>
#include <dualwrite/engine/loop.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "clock_reader.hpp"
#include "delivery.hpp"
#include "dirty_partitions.hpp"
#include "left_logs.hpp"
#include "link_pool.hpp"
#include "proxy_shared.hpp"

namespace dualwrite::engine {

class client_session;

// An answer of the source that the client does not get yet.
struct held_answer {
    std::uint64_t lsn{0};  // 0: free
    std::uint64_t session{0};
    std::int64_t deadline_ms{0};
    bool wants_target{false};
    byte_buffer envelope;  // keeps its memory
};

// One event loop with all that lives on it: clients, their source connections, a log of the spool,
// the replicator's connections. Loops share nothing on the path of a request.
class worker final : private io_handler, private delivery_observer {
public:
    worker(proxy_shared& shared, std::unique_ptr<spool_log> log, std::vector<unique_fd> listeners);
    ~worker();

    // A log of an earlier run, to be delivered by this loop. Before start(), or on its thread.
    void adopt(left_log left);
    void start();
    // What start()'s thread does around loop::run(), for a host that turns the loop itself.
    void begin();
    void end();
    // Any thread.
    void begin_drain();
    void stop();
    void join();

    proxy_counters& counters() noexcept { return counters_; }

    // Of the loop's thread, for its sessions.
    // The columns of prepared statements that tell addresses, by registry id.
    std::unordered_map<std::uint64_t, std::vector<protocol::column_spec>> address_columns;
    loop& on() noexcept { return loop_; }
    proxy_shared& shared() noexcept { return shared_; }
    replication::statement_registry& registry() noexcept { return registry_; }
    policy::function_evaluator& evaluator() noexcept { return evaluator_; }
    delivery& live() noexcept { return *live_; }
    spool_log& log() noexcept { return live_->log(); }
    // This loop writes the statement's table: its gc_grace_seconds counts.
    void note_written(const replication::statement& statement);
    dirty_partitions& dirty() noexcept { return *dirty_; }
    // The answer must wait until the disk has this intent.
    bool is_durable(std::uint64_t lsn) const noexcept
    {
        return shared_.options.durable == durability::process || lsn <= live_->log().durable_lsn();
    }
    // The log's id of a statement.
    std::uint32_t log_id(const replication::statement& statement);

    // True if the answer to this write has to wait, for the target or for the disk.
    bool must_hold(std::uint64_t lsn) const noexcept;
    // How often the last connection to the target was lost.
    std::uint64_t target_losses() const noexcept { return target_losses_; }
    // Keeps the answer until then.
    void hold(std::uint64_t lsn, client_session& session, bytes_view envelope);
    // Tells it when there is room for its request, in the order of these calls.
    void wait_for_memory(client_session& session);
    void session_ended(client_session& session);

private:
    void on_io(std::uint32_t events) override;
    void accept_some(int listener);
    void on_delivered(std::uint64_t lsn) override;
    bool commit();
    void flush_target();
    void count_memory();
    void feed_waiting();
    void tick();
    void update_counters();
    void update_backlog();
    bool admit(const client_limits::address& from);
    void end_overdue_sessions();
    void refresh_shapes();
    void watch_target();
    void release_due();
    bool is_due(held_answer& held);
    bool target_keeps_up() const;
    void release(held_answer& held);
    held_answer& slot_of(std::uint64_t lsn) noexcept;

    proxy_shared& shared_;
    loop loop_;
    std::vector<unique_fd> listeners_;
    replication::statement_registry registry_;
    std::unordered_set<std::string> written_;  // told to shared_
    std::string last_written_;
    counter* last_count_{nullptr};  // of that table
    std::random_device random_;
    policy::function_evaluator evaluator_{
        [this] { return std::uint64_t{random_()} << 32 | random_(); }};
    std::vector<std::uint32_t> log_ids_;  // by registry id, plus 1; 0: not interned
    std::uint64_t shapes_version_{0};
    proxy_counters counters_;
    link_pool source_;
    link_pool target_;
    clock_reader source_clock_;
    std::unique_ptr<delivery> live_;
    std::unique_ptr<dirty_partitions> dirty_;
    std::vector<std::unique_ptr<delivery>> left_;

    std::unordered_map<std::uint64_t, std::shared_ptr<client_session>> sessions_;
    std::uint64_t next_session_{1};
    std::int64_t next_overdue_ms_{0};

    std::deque<std::uint64_t> waiting_for_memory_;  // sessions, each once
    std::uint64_t counted_memory_{0};               // in the budget: what no channel counts
    std::size_t held_bytes_{0};

    std::vector<held_answer> held_;      // by the low bits of the lsn
    ring<std::uint64_t> held_in_order_;  // lsns, oldest answer first; some are gone already
    bool waiting_suspended_{false};      // the target is too slow to be waited for
    bool target_was_ready_{false};
    std::uint64_t target_losses_{0};
    std::int64_t clock_recorded_us_{0};
    std::int64_t unsent_since_ms_{0};  // requests to the target; 0: none
    std::thread thread_;
};

}  // namespace dualwrite::engine
