#pragma once

#include <dualwrite/engine/endpoint.hpp>
#include <dualwrite/policy/table_selection.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// A look at both sides before anything is started: who they are, what they speak, and what of that
// would not work.

namespace dualwrite::engine {

struct check_request {
    endpoint source;
    endpoint target;
    std::string keyspace;             // empty: all but the servers' own
    std::vector<std::string> tables;  // of it; empty: all
    policy::table_selection selection;
    std::string state_dir;
    std::uint64_t state_size_max{0};  // what may come to lie there; 0: not known
    bool probe{false};                // try the target, in a table of its own
    std::string probe_keyspace;       // where to make it; empty: in a keyspace of its own

    // Of the proxy.
    struct listener {
        std::string host;
        std::uint16_t port{0};
        std::string flag;  // "--proxy-port"
    };
    std::vector<listener> listeners;
    std::vector<std::uint8_t> protocol_versions;  // that clients are to be told
    std::vector<std::string> compressions;
};

struct check_node {
    std::string address;
    std::string failure;  // why it could not be asked; empty: it was
    std::string release;
    std::optional<std::int64_t> clock_ahead_ms;  // of this machine's
};

// What was seen of one side.
struct check_side {
    std::string address;  // as the operator calls it
    bool tls{false};
    std::string tls_verify;  // "full", "ca", "none"
    std::string failure;     // why it cannot be used; empty: it can

    // Told before a login.
    std::vector<std::string> protocol_versions;  // "5/v5"
    std::vector<std::string> cql_versions;
    std::vector<std::string> compressions;
    std::string authenticator;  // that asks for credentials; empty: none does

    // Told after it; `release` is empty where it was not possible.
    std::string username;
    std::string release;
    std::string cluster;
    std::string datacenter;
    std::string partitioner;
    std::string host_id;  // of the node that answered
    std::uint8_t protocol_version{0};
    std::size_t nodes{0};                            // of the datacenter; 0: not known
    std::optional<std::int64_t> clock_ahead_ms;      // of this machine's
    std::vector<check_node> every_node;              // the one that answered is the first
    std::optional<std::uint64_t> mutation_size_max;  // bytes; nothing: it does not tell
    bool charges{false};  // its answers say what they cost: Azure Cosmos DB
};

struct check_table {
    std::string name;  // "shop.orders"
    bool missing{false};
    std::size_t columns{0};                // at the source
    std::vector<std::string> differences;  // that would lose something
    std::vector<std::string> notes;        // other differences
};

enum class check_answer : std::uint8_t { no, yes, unknown };

// One thing that was tried at the target.
struct check_probe {
    std::string name;  // "write time per cell"
    std::string key;   // "cell_writetime"
    check_answer answer{check_answer::unknown};
    std::string detail;  // what the server said
};

struct check_report {
    check_side source;
    check_side target;
    std::optional<std::size_t> tables;    // that were compared; nothing: they could not be
    std::vector<check_table> schema;      // each of them
    std::vector<std::string> statements;  // CQL that makes at the target what it lacks
    std::string probed;                   // where the target was tried, or why it was not
    std::vector<check_probe> probes;
    std::string state_folder;  // what of the state directory's path is there
    std::optional<std::uint64_t> free_bytes;
    std::vector<std::string> problems;  // sentences: this would not work
    std::vector<std::string> notes;     // what the operator should know
};

// Connects, reads, starts nothing and changes nothing, except what a probe makes and takes away
// again. Blocking, for a minute at most where one side does not answer.
check_report check_clusters(const check_request& request);

// For people, lines with an end each.
std::string check_text(const check_report& report);
// The same with every table and every node.
std::string check_long_text(const check_report& report);
// One object: docs/operations.md.
std::string check_json(const check_report& report);
// What the target lacks, as statements for it.
std::string check_cql(const check_report& report);

}  // namespace dualwrite::engine
