#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/endpoint.hpp>
#include <dualwrite/engine/log.hpp>
#include <dualwrite/policy/addresses.hpp>
#include <dualwrite/policy/table_selection.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace dualwrite::engine {

enum class durability : std::uint8_t {
    process,  // an acknowledged write survives kill -9 of the proxy
    fsync,    // and loss of power
};

// What happens to writes when the spool has reached a limit.
enum class when_full : std::uint8_t {
    slow,     // clients are slowed down before, then writes are refused with OVERLOADED
    refuse,   // refused only
    degrade,  // only which rows they write is recorded; these are read at the source later
};

// How long the proxy hopes for the better. No operator has a reason to change it; tests have.
struct proxy_patience {
    // What the target refuses becomes a dead letter then: DDL of another loop or of the operator
    // may be on its way.
    std::int64_t refusal_ms{10'000};
    std::int64_t connect_ms{10'000};  // one of the proxy's own connections, its handshake included
    std::int64_t answer_ms{12'000};   // an answer on it; then it is given up
    // Without a request on one of those: it asks for nothing then. Azure Cosmos DB ends idle ones
    // after four minutes, and says nothing.
    std::int64_t idle_ms{30'000};
    std::int64_t orphan_ms{15'000};  // the answers to writes of a client that is gone
    // A request whose answer was lost may still be in work at the source: what is refreshed is not
    // read before. Longer than the server's own limits for writes (2 s, counters 5 s).
    std::int64_t doubt_ms{5'500};
    std::int64_t stall_ms{60'000};  // a request that has begun, without a further byte
    // Requests in flight, when another proxy takes over; its clients wait to be accepted meanwhile.
    std::uint32_t release_ms{2'000};
};

// What becomes of DDL and TRUNCATE.
enum class ddl_policy : std::uint8_t {
    mirror,       // the target gets the same, behind all that was written before
    source_only,  // kept as dead letters
    refuse,       // an error for the client, before the source sees it
};

struct proxy_options {
    endpoint source;
    endpoint target;

    std::string listen_host{"0.0.0.0"};
    std::uint16_t listen_port{29042};       // 0: any free one, see proxy::port()
    std::string listen_tls_cert_file;       // PEM or a key store; empty: plain
    std::string listen_tls_key_file;        // PEM; empty: in the file of the certificate
    std::string listen_tls_password;        // of the key or key store
    std::string listen_tls_password_flag;   // named in error texts
    std::string listen_tls_client_ca_file;  // PEM; not empty: clients must show a certificate of it
    std::string metrics_host{"127.0.0.1"};
    std::uint16_t metrics_port{28000};  // 0: any free one
    bool metrics{true};
    std::uint32_t threads{1};
    // No clients: what earlier runs left in the state directory is delivered, nothing else.
    bool deliver_only{false};
    // Told what has become of each write that an earlier run left, on any loop's thread. If it is
    // there, writes that the target refuses are not kept as dead letters: they are some already.
    std::function<void(std::uint64_t number, bool delivered)> left_write_ended;
    std::uint64_t clients_max{0};              // 0: as many as open files allow
    std::uint64_t clients_per_address_max{0};  // 0: no limit
    std::int64_t login_limit_ms{30'000};       // from accept to the end of the login; 0: none
    std::int64_t idle_limit_ms{0};             // without a byte either way; 0: none
    std::int64_t lost_peer_limit_ms{120'000};  // without a sign of the peer's system

    bool wait{true};                    // answer a write when the target has it too
    std::uint32_t wait_limit_ms{2000};  // then answer all the same

    std::string state_dir;  // created with mode 0700; the spool lies in its folder `spool`
    durability durable{durability::process};
    std::uint64_t spool_size_max{std::uint64_t{16} << 30};  // bytes
    when_full spool_full{when_full::slow};

    ddl_policy ddl{ddl_policy::mirror};
    std::uint32_t target_connections{2};                       // per thread, to each node
    bool target_discovery{true};                               // find the target's other nodes
    std::uint32_t request_size_max{std::uint32_t{256} << 20};  // bytes of one request's body
    std::uint64_t memory_max{std::uint64_t{1} << 30};          // bytes of all buffers together
    // Bytes that may wait for a slow client before the source is read no further.
    std::uint32_t write_buffer_size{65'536};
    // A client that was there when the target was lost is sent away at its next request.
    bool close_when_target_lost{false};

    // What clients see; empty: what the source says.
    std::vector<std::uint8_t> protocol_versions;  // others are refused, as the server does
    std::vector<std::string> cql_versions;
    std::vector<std::string> compressions;
    bool compression_enabled{true};
    policy::address_rules addresses;  // its port is filled in by the proxy

    // Statements whose text matches as a whole go to the source only. PCRE2, as Java's syntax.
    std::string filter_tables;
    // The others' statements do too, and the children of a batch that are about them.
    policy::table_selection tables;
    // Writes to these get no time of the proxy's: their rows are read at the source.
    std::vector<policy::table_pattern> source_times;
    std::uint32_t drain_limit_ms{30'000};
    bool take_over{false};  // from the proxy that runs on state_dir, if there is one
    proxy_patience patience;
};

// A running proxy. It owns its threads.
//
// Threads: start() and the destructor belong to one thread; the others may be called from any.
class proxy {
public:
    virtual ~proxy() = default;

    // Opens the state directory and the listening sockets, then serves. The source need not be
    // there yet: until it is, clients get an error that says so. On failure `why` has a sentence
    // for the operator: what is wrong and what to do.
    static result<std::unique_ptr<proxy>>
    start(const proxy_options& options, log_sink log, std::string& why);

    virtual std::uint16_t port() const = 0;
    virtual std::uint16_t metrics_port() const = 0;

    // Reads the files of certificates and keys again, for connections made from now on. On failure
    // nothing changes, and `why` says what is wrong. At any time before the destructor.
    virtual result<void> reload(std::string& why) = 0;

    // Begins to stop: no new clients, requests in flight are answered, then the spool is delivered;
    // all for at most `drain_limit_ms`. What is not delivered by then stays in the spool.
    virtual void stop(std::uint32_t drain_limit_ms) = 0;
    // Waits until the proxy has stopped, at most `timeout_ms` (negative: for ever). True: stopped.
    virtual bool wait(std::int64_t timeout_ms) = 0;
    // Why it stopped by itself (the spool failed); empty after stop().
    virtual std::string failure() const = 0;

    virtual std::string status_json() const = 0;   // one object, see docs/operations.md
    virtual std::string metrics_text() const = 0;  // Prometheus exposition format 0.0.4
    virtual bool ready() const = 0;                // the source answers
    // The process that has taken its place; 0: none.
    virtual std::int64_t successor() const { return 0; }
};

}  // namespace dualwrite::engine
