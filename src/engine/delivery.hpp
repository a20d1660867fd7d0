#pragma once

#include <dualwrite/policy/retry.hpp>
#include <dualwrite/policy/schema_effect.hpp>
#include <dualwrite/replication/mutation.hpp>
#include <dualwrite/replication/partition_ref.hpp>
#include <dualwrite/replication/window.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "link_pool.hpp"
#include "log_progress.hpp"
#include "proxy_shared.hpp"

namespace dualwrite::engine {

// Whom a delivery tells what has become of its writes.
class delivery_observer {
public:
    virtual void on_delivered(std::uint64_t lsn) = 0;

protected:
    ~delivery_observer() = default;
};

// What a delivery works with; all of one loop.
struct delivery_tools {
    loop& on;
    proxy_shared& shared;
    proxy_counters& counters;
    replication::statement_registry& registry;
    link_pool& source;
    link_pool& target;
};

namespace delivery_limits {

inline constexpr policy::retry_schedule retries{};
inline constexpr std::int64_t undecided_delay_ms = 200;

// Of each loop: a part of the budget, so that an outage of the target does not use it up.
inline std::uint64_t bytes_max(const proxy_options& options, std::uint64_t usually) noexcept
{
    constexpr std::uint64_t least = 1 << 20;
    return std::clamp(options.memory_max / 8 / std::max(options.threads, 1u), least, usually);
}

}  // namespace delivery_limits

// Carries the writes of one log to the target, and to the source those of which nobody knows
// whether it has them. Nothing is given up: what the target refuses for good is kept as a dead
// letter.
//
// Threads: the loop's.
class delivery final : private link_user {
public:
    // `observer` may be null. `progress` is the log's for the others to see; null: a new one.
    delivery(
        const delivery_tools& tools,
        std::unique_ptr<spool_log> log,
        delivery_observer* observer,
        std::shared_ptr<log_progress> progress
    );
    ~delivery();

    spool_log& log() noexcept { return *log_; }

    // The source's answer to a write of a client.
    void settle(std::uint64_t lsn, write_state outcome);
    // There will be no answer, or one that says nothing. `place` of a transaction: until it is
    // refreshed it may be executed with any ballot.
    void settle_unknown(std::uint64_t lsn, transaction_marks::place place);

    // The write is DDL. Until it has been delivered a table that the target does not know may come.
    void expect_schema(std::uint64_t lsn);
    // The write is TRUNCATE; it takes its place in the log when the source has executed it.
    // `payload` is that of the intent.
    void expect_truncate(std::uint64_t lsn, std::span<const bytes_view> payload);
    // The number that it has now.
    std::uint64_t truncated_at_source(std::uint64_t lsn);

    // At the end of each turn, after the commit: takes in what is new and sends what can be sent.
    void pump();
    // Has work that a source connection is needed for.
    bool wants_source() const noexcept { return !redrives_.empty(); }
    bool exhausted() const noexcept { return log_->exhausted() && window_.empty(); }
    std::uint64_t backlog() const noexcept { return log_->backlog(); }
    std::uint64_t memory_bytes() const noexcept { return log_->memory_bytes(); }
    // When the oldest write in work was accepted, ms since 1970; 0: none.
    std::int64_t oldest_accepted_ms() const;

private:
    struct redrive {
        std::int64_t due_ms{0};
        std::uint32_t attempts{0};
        bool sent{false};
        bool waited{false};  // until the source has surely done it or not
    };
    struct refresh_work {
        std::size_t left{0};
        bool replayed{false};  // and now its rows are looked at
        refresh_status status{refresh_status::done};
        std::string why;
    };

    void on_answer(
        cluster_link& from,
        const link_request& request,
        const protocol::envelope_header& header,
        bytes_view message
    ) override;
    void on_lost(const link_request& request) override;
    void on_prepared(std::uint64_t lsn) override;

    bool takes_more() const noexcept;
    void refill();
    void add(const spool_log::intent& intent);
    void send_ready();
    void send_redrives();
    enum class sending : std::uint8_t { sent, waiting, refused, damaged };
    sending send(
        cluster_link& link, std::uint64_t lsn, const replication::mutation_view& m, link_user& user
    );
    sending prepare_all(
        cluster_link& link, const replication::mutation_view& m, std::uint64_t lsn, link_user& user
    );
    // Calls f(the log's id) for each prepared statement of the mutation.
    template <class F> static void for_each_prepared(const replication::mutation_view& m, F&& f);
    void forget_prepared(cluster_link& link, const replication::mutation_view& m);
    const replication::statement& statement_of(std::uint32_t log_id);
    replication::decision plan_of(const replication::mutation_view& m);
    bool may_still_come(const replication::mutation_view& m);
    // Calls f(statement, raw values) for each statement of the mutation.
    void for_each_statement(
        const replication::mutation_view& m,
        const std::function<void(const replication::statement&, bytes_view)>& f
    );

    bool is_truncate(std::uint64_t lsn) const noexcept;
    bool keep_destructive(std::uint64_t lsn);
    bool may_truncate(std::uint64_t lsn);
    void truncated(std::uint64_t lsn);
    void leave_out(std::uint64_t lsn);
    bool ask_schema(cluster_link& link, std::uint64_t lsn, const protocol::error_view& error);
    void schema_told(std::uint64_t lsn, bytes_view rows);
    void schema_ended(std::uint64_t lsn, bool truncates);
    void publish_progress();

    // A refresh finds what must go at the target only when every older write is there.
    struct waiting_refresh {
        std::uint64_t lsn{0};
        std::uint64_t limit{0};    // all of this log up to here that is to be replayed comes first
        std::int64_t until_ms{0};  // and of the others, what was accepted until then
    };
    void wait_for_replays(std::uint64_t lsn);
    void start_refreshes();
    bool may_refresh(const waiting_refresh& its) const;
    bool is_refresh(std::uint64_t lsn) const;
    void find_first_replay();
    std::int64_t oldest_replay_ms() const;
    void start_refresh(std::uint64_t lsn, const replication::mutation_view& m);
    // The target has it. The rows that it may have emptied are looked at before it is done.
    void replayed(std::uint64_t lsn);
    std::vector<replication::partition_ref> emptied_rows(const replication::mutation_view& m);
    void refresh_all(
        std::uint64_t lsn,
        std::vector<replication::partition_ref> partitions,
        const refresh_key& common
    );
    void refresh_ended(std::uint64_t lsn, const refresh_result& result);

    void target_answered(std::uint64_t lsn, cluster_link& link, const protocol::error_view* error);
    void source_answered(std::uint64_t lsn, cluster_link& link, const protocol::error_view* error);
    void source_refused(std::uint64_t lsn, const protocol::error_view& error);
    void target_refused(std::uint64_t lsn, protocol::error_code code, std::string_view message);
    void redrive_later(std::uint64_t lsn);
    void open_transaction(std::uint64_t lsn);
    void close_transaction(std::uint64_t lsn);
    bool lower_level(std::uint64_t lsn);
    bool send_unlogged(std::uint64_t lsn, std::string_view message);
    bool takes_unlogged_only(const link_user& user) const noexcept
    {
        return &user == this && tools_.shared.target_unlogged.load(std::memory_order_relaxed);
    }
    bool is_logged_batch(const replication::mutation_view& m);
    void count_unlogged(std::uint64_t lsn);
    void retry_later(std::uint64_t lsn, std::int64_t delay_ms);
    void delivered(std::uint64_t lsn, bool refreshed);
    void tell_left(std::uint64_t lsn, bool delivered) const;
    void keep(std::uint64_t lsn, std::string_view reason, std::string_view detail = {});
    void finish(std::uint64_t lsn);
    std::string table_of(const replication::mutation_view& m);
    std::vector<kept_statement> statements_of(const replication::mutation_view& m);
    replication::mutation_view view_of(std::uint64_t lsn) const;

    // The same, for the requests that go to the source.
    struct source_user final : link_user {
        explicit source_user(delivery& of) : its(of) {}
        void on_answer(
            cluster_link& from,
            const link_request& request,
            const protocol::envelope_header& header,
            bytes_view message
        ) override;
        void on_lost(const link_request& request) override;
        void on_prepared(std::uint64_t) override {}
        delivery& its;
    };

    // For what asks the target whether it has done already what it refuses.
    struct schema_user final : link_user {
        explicit schema_user(delivery& of) : its(of) {}
        void on_answer(
            cluster_link& from,
            const link_request& request,
            const protocol::envelope_header& header,
            bytes_view message
        ) override;
        void on_lost(const link_request& request) override { its.on_lost(request); }
        void on_prepared(std::uint64_t) override {}
        delivery& its;
    };
    struct refused_schema {
        policy::schema_effect effect;
        protocol::error_code code{};
        std::string message;
    };

    delivery_tools tools_;
    std::unique_ptr<spool_log> log_;
    delivery_observer* observer_;
    replication::window window_;
    std::optional<spool_log::intent> next_;  // read, but too far ahead for the window
    source_user source_user_{*this};
    schema_user schema_user_{*this};
    std::unordered_map<std::uint64_t, refused_schema> refused_schemas_;  // the target was asked
    std::vector<const replication::statement*> statements_;              // by the log's id
    std::unordered_set<std::uint64_t> unknown_;  // settled so before they were read
    // Transactions of which nobody knows whether they are executed, and when.
    std::unordered_map<std::uint64_t, transaction_marks::place> open_transactions_;
    std::unordered_set<std::uint64_t> unread_schemas_;
    std::unordered_map<std::uint64_t, byte_buffer> open_truncates_;
    std::map<std::uint64_t, redrive> redrives_;
    std::int64_t next_redrive_ms_{0};
    std::unordered_map<std::uint64_t, refresh_work> refreshes_;
    std::unordered_set<std::uint64_t>
        prepared_anew_;                           // once already, since the target had forgotten
    std::unordered_set<std::uint64_t> unlogged_;  // refused as logged batches once already
    std::unordered_set<std::uint64_t> lowered_;   // the client's level is too high for the target
    std::pair<protocol::error_code, std::string> refusal_;            // why send() came to nothing
    std::unordered_map<std::string, std::int64_t> refused_since_ms_;  // by table
    std::shared_ptr<delivery*> alive_;     // what the refresher's answers find, or not any more
    std::deque<waiting_refresh> waiting_;  // oldest first
    std::unordered_set<std::uint64_t> decided_refreshes_;  // not known as such when accepted
    std::uint64_t first_replay_{0};  // the oldest that is not finished; window_.top(): none
    bool all_read_{false};           // what was committed by the last pump()
    std::uint64_t last_added_{0};
    std::int64_t last_accepted_ms_{0};  // of that one
    std::shared_ptr<log_progress> progress_;
    std::optional<progress_barrier> truncate_waits_;  // of the one at the window's base
    std::uint64_t random_{0x9e3779b97f4a7c15ull};
};

}  // namespace dualwrite::engine
