#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/endpoint.hpp>
#include <dualwrite/engine/log.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace dualwrite::engine {

class tls_client_context;

// What to make equal: a table, one partition, or the rows of it that begin with `clustering`.
struct refresh_key {
    std::string keyspace;  // as the schema spells it: no quotes
    std::string table;
    // Values as a bound marker carries them, in the order of the key's columns.
    // Empty: every partition that the source has; those that only the target has stay as they are.
    std::vector<std::string> partition;
    std::vector<std::string> clustering;  // empty: the whole partition
    // Read the source at LOCAL_SERIAL: finishes or voids open lightweight transactions first.
    bool serial{false};
    // Nothing is done as long as the source has the row.
    bool if_gone{false};
    // The write that made this necessary, 0: unknown. Used only where the source cannot tell a
    // time: collections of a source before 5.0, and the markers of rows that have no cells.
    std::int64_t writetime_us{0};

    friend bool operator==(const refresh_key&, const refresh_key&) = default;
};

enum class refresh_status : std::uint8_t {
    done,    // the target holds what the source held when it was read
    retry,   // a cluster did not answer or was overloaded: ask again after a delay
    failed,  // asking again cannot help: see `why`
};

struct refresh_result {
    refresh_status status{refresh_status::done};
    std::string why;              // no bound values, no credentials
    std::uint64_t rows{0};        // compared
    std::uint64_t cells_sent{0};  // written at the target, deletions included
    std::uint64_t writes{0};      // requests to the target
};

struct refresh_counts {
    std::uint64_t done{0};
    std::uint64_t failed{0};
    std::uint64_t retried{0};
    std::uint64_t in_work{0};  // now, waiting ones included
};

// Reads a partition at the source with the write time and expiry of each cell and writes at the
// target what differs, with those times. What the source no longer has is deleted at the target's
// own write times, never at "now": a newer write that arrives meanwhile survives.
//
// The order of reading is what makes it safe beside live writes: whatever is about to be deleted
// or overridden is read at the target first and then at the source, so a write that reached both in
// between can only make the source look newer.
//
// Requests for the same partition run one after another; equal requests that have not started are
// one. Counter tables are converged: target += source - target, by this one writer.
//
// Threads: request(), set_credentials(), set_tls(), schema_changed(), counts() from any; the rest
// from one.
class refresher {
public:
    virtual ~refresher() = default;  // stop()

    // Starts a thread. It does not need the clusters yet: requests wait until they answer.
    static result<std::unique_ptr<refresher>>
    start(const endpoint& source, const endpoint& target, log_sink log);
    // The same without a thread: its host calls poll().
    static std::unique_ptr<refresher>
    make(const endpoint& source, const endpoint& target, log_sink log);
    // Runs what is ready, without waiting; false: nothing was. One without a thread only.
    virtual bool poll() = 0;

    // Calls `done` once, on the refresher's thread; after stop(), with `retry`. `done` may call
    // request().
    virtual void request(refresh_key key, std::function<void(refresh_result)> done) = 0;

    // Used for connections made from now on; requests that failed for want of them are retried.
    virtual void set_credentials(
        const std::string& source_username,
        const std::string& source_password,
        const std::string& target_username,
        const std::string& target_password
    ) = 0;
    // TLS for connections made from now on; until then it makes its own. Null: none.
    virtual void set_tls(
        std::shared_ptr<tls_client_context> source, std::shared_ptr<tls_client_context> target
    ) = 0;
    // Forgets what is known of a table; empty `table`: of the whole keyspace.
    virtual void schema_changed(const std::string& keyspace, const std::string& table) = 0;

    virtual refresh_counts counts() const = 0;
    // Idempotent; answers what is open, then ends the thread.
    virtual void stop() = 0;
};

}  // namespace dualwrite::engine
