#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/engine/memory_budget.hpp>
#include <dualwrite/engine/proxy.hpp>
#include <dualwrite/engine/refresh.hpp>
#include <dualwrite/engine/spool.hpp>
#include <dualwrite/engine/transport.hpp>
#include <dualwrite/policy/writetime.hpp>
#include <dualwrite/replication/statements.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client_limits.hpp"
#include "cluster_node.hpp"
#include "counter.hpp"
#include "dead_letter.hpp"
#include "log_progress.hpp"
#include "proxy_tls.hpp"
#include "recent_events.hpp"
#include "source_clock.hpp"
#include "table_counts.hpp"
#include "transaction_marks.hpp"

namespace dualwrite::engine {

// What one event loop counts. docs/operations.md says what each means.
struct proxy_counters {
    counter clients;
    counter clients_total;
    counter clients_refused;  // by the limits
    counter clients_expired;  // by the deadlines
    counter requests;
    counter writes;
    counter writes_applied;
    counter writes_void;
    counter writes_unknown;
    counter redriven;
    counter refused;   // OVERLOADED because of a limit of the spool
    counter degraded;  // writes of which only the rows were recorded
    counter slowed;    // times that a client was read no further for a while
    counter replicated;
    counter refreshed;
    counter unlogged;  // logged batches that were delivered as unlogged ones
    counter target_errors;
    counter target_retries;
    counter waits_given_up;
    counter memory_waits;  // large requests that waited for room in memory
    counter left_out;      // statements, or parts of batches, that filter or selection keeps away
    counter backlog;
    counter oldest_ms;  // when the oldest write that is not delivered was accepted; 0: none
    counter target_connections;
    counter heartbeat_ms;  // when the loop last came round, on the steady clock
    counter lag_ms;        // of the last delivered write
    counter draining;      // 1: no client is accepted any more, and the other numbers know it
    table_counts tables;
};

// Why the target differs from the source, by table: what is not replicated and what was refused.
struct incident {
    std::string table;
    std::string reason;
    std::uint64_t count{0};
};

// Usernames and passwords for our own connections. Never written anywhere.
struct login {
    std::string username;
    std::string password;
    bool known() const noexcept { return !username.empty(); }
};

// Logs of earlier runs that are being read: what is known of them.
struct unread_logs {
    std::atomic<std::uint64_t> logs{0};
    std::atomic<std::uint64_t> writes_max{0};  // that may not be delivered
    std::atomic<std::uint64_t> bytes{0};       // of all, those that have been read too
    spool_reading reading;

    // One is read, and what waits in it is counted elsewhere. 0 writes: it was never unread.
    void handed_out(std::uint64_t counted) noexcept
    {
        if (counted == 0) return;
        writes_max.fetch_sub(counted);
        logs.fetch_sub(1);
    }
};

// What the threads of one proxy share.
class proxy_shared {
public:
    explicit proxy_shared(proxy_options its = {});

    proxy_options options;
    memory_budget memory;
    policy::writetime_clock clock;
    source_clock source_time;
    transaction_marks marks;
    std::unique_ptr<spool_directory> spool;
    std::unique_ptr<refresher> refresh;
    proxy_tls tls;
    client_limits clients;
    log_progresses logs;
    std::function<bool(std::string_view)> filter;  // empty: none; each loop takes a copy

    // What a write that is accepted now gets its time from: the source's clock where it is known.
    std::int64_t write_ms(std::int64_t steady_ms, std::int64_t wall_ms) const noexcept
    {
        return source_time.at_least(steady_ms).value_or(wall_ms);
    }
    // No transaction that has been answered has a larger time.
    std::int64_t transactions_until_us(std::int64_t steady_ms) const noexcept;
    // A transaction has been answered: later writes get times above its own.
    void transaction_ended(std::int64_t steady_ms, std::int64_t wall_ms) noexcept;
    // The source was asked for its clock and has answered, at these steady times.
    void source_said(std::int64_t asked_ms, std::int64_t answered_ms, std::int64_t said_ms);

    // Bytes of writes to the spool have begun to fail, or the like: set once, ends the proxy.
    void fail(std::string why);
    std::string failure() const;
    std::atomic<bool> failed{false};

    std::atomic<bool> draining{false};
    // While one of these holds, a table that the target does not know may still come.
    std::atomic<std::uint32_t> schema_pending{0};
    std::atomic<std::uint32_t> left_logs{0};
    unread_logs unread;                        // and part of those
    std::atomic<bool> target_unlogged{false};  // it takes no logged batches
    // The source's schema has changed, or a table is not in what was read: read it again soon.
    std::atomic<bool> shapes_wanted{true};
    void want_shapes() noexcept { shapes_wanted.store(true, std::memory_order_relaxed); }

    void log(log_level level, std::string_view text) const;
    // The same text at most once in ten seconds; what was left out is said with the next.
    void log_limited(log_level level, const std::string& text);

    // A write that reached the source and will not reach the target: counted, logged with table and
    // reason (the first of each kind, then one in ten seconds), and kept for the operator.
    void keep(dead_letter letter);
    // The same without keeping it: nothing of the user's data is concerned.
    void report(const std::string& table, const std::string& reason);
    std::vector<incident> incidents() const;
    std::uint64_t dead_letters() const noexcept { return dead_letters_.load(); }

    // Which statement the source means by a prepared id: the same for every loop.
    struct prepared_text {
        std::string keyspace;
        std::string text;
    };
    void remember_prepared(bytes_view id, const std::string& keyspace, const std::string& text);
    std::optional<prepared_text> find_prepared(bytes_view id) const;
    std::size_t prepared_count() const;

    // gc_grace_seconds by "keyspace.table", of one side.
    using grace_map = std::map<std::string, std::int64_t, std::less<>>;
    void set_grace(bool source, grace_map seconds);
    // A table that this run writes, or that an earlier run has left writes for.
    void note_written(const std::string& table);
    // Compares the age of the oldest write with the smallest gc_grace_seconds of written tables,
    // at either side; logs what changes.
    void check_age(std::uint64_t oldest_age_ms);
    // Of those tables, the smallest one; 0: none is known.
    std::int64_t grace_s() const noexcept { return grace_s_.load(std::memory_order_relaxed); }
    std::atomic<bool> age_alarm{false};  // half of it has passed
    std::atomic<bool> too_old{false};    // 90 %: no new writes

    // Credentials: the configured ones, else those of the first client that the source let in, as
    // long as the server takes them: our own connections do not change their user with every
    // client.
    login source_login() const;
    login target_login() const;
    void learn_login(const login& seen);
    // One side has refused it: the next known one is tried.
    void login_refused(bool source, const login& which);
    // Changes whenever there is something new to try.
    std::uint64_t logins_version() const noexcept { return logins_version_.load(); }
    // The target asks for credentials and none are known: writes wait.
    std::atomic<bool> target_wants_login{false};

    std::vector<socket_address> source_addresses() const;
    // Where the proxy's own connections go. Of the target: its contact points, then what it has
    // told of others, each node once.
    std::vector<cluster_node> nodes(bool source) const;
    // Changes when nodes() may have.
    std::uint64_t nodes_version() const noexcept { return nodes_version_.load(); }
    void set_contacts(bool source, std::vector<cluster_node> nodes);
    void set_target_peers(std::vector<cluster_node> nodes);
    // The target can be asked again what it has to tell: gc_grace_seconds, its nodes.
    std::atomic<bool> target_facts_wanted{false};

    std::shared_ptr<const replication::table_shapes> shapes() const;
    std::uint64_t shapes_version() const noexcept { return shapes_version_.load(); }
    void set_shapes(std::shared_ptr<const replication::table_shapes> shapes);

    // "source answers" and why not, for readiness and for the log.
    std::atomic<bool> source_reachable{false};
    std::atomic<bool> target_reachable{false};
    // The schema's reader tries again and again then, and sees when it is back.
    void source_is_away() noexcept
    {
        source_reachable.store(false);
        want_shapes();
    }

    // Where the log goes; warnings and errors are remembered for the status.
    void set_sink(log_sink to);
    log_sink sink;
    recent_events events;
    const std::uint64_t started_ms;  // since 1970

private:
    struct limited {
        std::int64_t last_ms{0};
        std::uint64_t left_out{0};
    };

    mutable std::mutex mutex_;
    std::string failure_;
    std::map<std::string, limited> limited_;
    std::map<std::pair<std::string, std::string>, std::uint64_t> incidents_;
    void log_not_understood(const dead_letter& letter);
    void find_smallest_grace();          // with the mutex held
    std::set<std::string> shapes_seen_;  // of statements that were not understood
    std::atomic<std::uint64_t> dead_letters_{0};
    grace_map source_grace_;
    grace_map target_grace_;
    std::set<std::string, std::less<>> written_;
    std::atomic<std::int64_t> grace_s_{0};
    std::string grace_table_;  // whose that is
    std::unordered_map<std::string, prepared_text, replication::text_hash, std::equal_to<>>
        prepared_;
    void tell_logins();
    login configured_or_learned(const endpoint& to, std::size_t chosen) const;
    std::vector<login> learned_;  // one for each user, in the order in which they came
    std::size_t chosen_for_source_{0};
    std::size_t chosen_for_target_{0};
    std::atomic<std::uint64_t> logins_version_{0};
    std::vector<cluster_node> source_contacts_;
    std::vector<cluster_node> target_contacts_;
    std::vector<cluster_node> target_peers_;
    std::atomic<std::uint64_t> nodes_version_{1};
    std::shared_ptr<const replication::table_shapes> shapes_{
        std::make_shared<replication::table_shapes>()};
    std::atomic<std::uint64_t> shapes_version_{0};
};

}  // namespace dualwrite::engine
