#pragma once

#include <dualwrite/copy/mutation_batch.hpp>
#include <dualwrite/copy/range_plan.hpp>
#include <dualwrite/engine/cql_client.hpp>
#include <dualwrite/engine/log.hpp>
#include <dualwrite/policy/outcome.hpp>
#include <dualwrite/protocol/rows.hpp>

#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace dualwrite::engine {

// A prepared statement. Nodes of one version give the same id, so it is valid at all of them; a
// node that does not know it is taught when it says so.
struct cql_prepared {
    std::string text;
    byte_buffer id;
    byte_buffer result_metadata_id;              // version 5
    std::vector<protocol::column_spec> columns;  // of the answer
};
using cql_prepared_ptr = std::shared_ptr<cql_prepared>;

// A request that is built already: EXECUTE or BATCH of prepared statements.
struct cql_request {
    protocol::opcode op{protocol::opcode::execute};
    byte_buffer body;
    std::vector<copy::ttl_patch> ttl_patches;  // see copy/mutation_batch.hpp
    std::uint32_t node{0};
    std::vector<cql_prepared_ptr> statements;  // that it uses
    bool repeatable{true};  // false: sent again only where it certainly was not carried out
};

struct cql_cluster_options {
    std::string side;  // "source" or "target", for texts
    std::size_t connections_per_node{2};
    std::chrono::milliseconds request_limit{20'000};
    // How long one request is tried again before its failure is reported.
    std::chrono::milliseconds retry_limit{60'000};
};

// What system.local and the peers say.
struct cql_cluster_facts {
    std::string name;
    std::string release;  // "5.0.8"
    std::string partitioner;
    std::string datacenter;
    std::uint8_t version{0};             // of the protocol
    std::vector<copy::ring_token> ring;  // of the contact point's datacenter

    // WRITETIME() and TTL() of each element of a collection: Cassandra 5.0 (CASSANDRA-8877).
    bool element_times() const noexcept;
};

// One side: connections to the nodes of the contact point's datacenter, kept up; statements with
// retries. Nodes are numbered as in the ring; the contact point is node 0.
//
// Threads: that of its executor. stop(), then let the executor run dry, before it is destroyed.
class cql_cluster {
public:
    cql_cluster(
        asio::any_io_executor executor, endpoint to, cql_cluster_options options, log_sink log
    );
    cql_cluster(const cql_cluster&) = delete;

    // Connects to the contact point and learns the ring. One attempt; may be called again.
    asio::awaitable<bool> start(cql_failure& why);
    void stop();
    bool started() const noexcept { return !nodes_.empty(); }
    // For connections made from now on.
    void set_credentials(std::string username, std::string password);
    void set_tls(std::shared_ptr<tls_client_context> tls) { tls_ = std::move(tls); }

    const cql_cluster_facts& facts() const noexcept { return facts_; }
    const std::string& side() const noexcept { return options_.side; }

    const asio::any_io_executor& executor() const noexcept { return executor_; }
    // Of the nodes, by number; the port that each is reached at.
    std::vector<socket_address> addresses() const;
    const std::shared_ptr<tls_client_context>& tls() const noexcept { return tls_; }
    // Of all answers so far.
    const cql_charges& charges() const noexcept { return *charges_; }

    // The least busy connection to a node, or to another one if it has none. Null: none is open.
    std::shared_ptr<cql_connection> connection(std::uint32_t node);
    // Node that holds a token as the first of its replicas.
    std::uint32_t owner_of(copy::token t) const noexcept;

    // Idempotent statements only: they are sent again until `retry_limit`. Empty: see `why`.
    asio::awaitable<std::optional<cql_reply>>
    query(std::string text, protocol::consistency level, cql_failure& why);
    asio::awaitable<cql_prepared_ptr> prepare(std::string text, cql_failure& why);
    // `parameters` views memory that lives until the answer.
    asio::awaitable<std::optional<cql_reply>> execute(
        cql_prepared_ptr statement,
        protocol::write_parameters parameters,
        std::uint32_t node,
        cql_failure& why
    );
    asio::awaitable<std::optional<cql_reply>> send(cql_request request, cql_failure& why);
    // Teaches a statement to the node behind `connection`. False: see `why`.
    asio::awaitable<bool> prepare_on(
        std::shared_ptr<cql_connection> connection, cql_prepared_ptr statement, cql_failure& why
    );

    std::uint64_t retries() const noexcept { return retries_; }
    // Counts it, and says why in the log, once in a while: what is retried for long is not silent.
    void count_retry(const cql_failure& why);
    std::chrono::milliseconds request_limit() const noexcept { return options_.request_limit; }
    std::uint64_t random() { return random_(); }

private:
    struct node {
        socket_address at;
        std::vector<std::shared_ptr<cql_connection>> connections;
        bool reported{false};  // that it cannot be reached
    };
    // What is sent again and again, and how.
    struct attempt_plan {
        protocol::opcode op{protocol::opcode::query};
        std::function<void(byte_buffer&, std::uint8_t version)> body;
        std::uint32_t node{0};
        std::vector<cql_prepared_ptr> statements;
        bool repeatable{true};
    };

    asio::awaitable<std::shared_ptr<cql_connection>> open_contact(cql_failure& why);
    asio::awaitable<bool> read_local(std::shared_ptr<cql_connection> contact, cql_failure& why);
    asio::awaitable<bool> read_peers(std::shared_ptr<cql_connection> contact, cql_failure& why);
    bool add_tokens(std::uint32_t node, bytes_view tokens);
    asio::awaitable<void> keep_connected(std::uint32_t number);
    asio::awaitable<void> pause(std::chrono::milliseconds delay);
    asio::awaitable<std::optional<cql_reply>> ask_with_retry(attempt_plan plan, cql_failure& why);
    asio::awaitable<bool> prepare_all(
        std::shared_ptr<cql_connection> connection,
        const std::vector<cql_prepared_ptr>& statements,
        cql_failure& why
    );

    asio::any_io_executor executor_;
    endpoint to_;
    contact_point contact_;  // that of node 0
    cql_cluster_options options_;
    log_sink log_;
    std::shared_ptr<tls_client_context> tls_;
    std::shared_ptr<cql_charges> charges_{std::make_shared<cql_charges>()};
    cql_cluster_facts facts_;
    std::vector<node> nodes_;
    std::map<std::string, cql_prepared_ptr> prepared_;
    std::uint64_t retries_{0};
    std::chrono::steady_clock::time_point next_report_{};  // of a retry
    bool stopped_{false};
    std::minstd_rand random_{std::random_device{}()};
};

// One statement to one connection, no retry.
asio::awaitable<std::optional<cql_reply>> query_on(
    std::shared_ptr<cql_connection> connection,
    std::string text,
    protocol::consistency level,
    std::chrono::milliseconds limit,
    cql_failure& why
);

}  // namespace dualwrite::engine
