#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/engine/spool_storage.hpp>
#include <dualwrite/replication/spool_scan.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

// Reads every record of a log that can be verified, whatever lies between: for `dualwrite spool
// inspect` and `salvage`. Changes nothing, and may run beside the proxy that writes the log.

namespace dualwrite::engine {

// The files of a spool directory, by kind.
struct spool_listing {
    std::map<replication::log_id, std::vector<std::uint64_t>> logs;  // numbers in order
    std::vector<std::string> spares;
    std::vector<std::string> broken;
    std::vector<std::string> foreign;  // not ours
};
result<spool_listing> list_spool(spool_storage& storage);

enum class walked_header : std::uint8_t {
    valid,
    missing,    // there is no such file, but a later one
    unwritten,  // nothing was ever written to it
    newer,      // of a later format: nothing of it is read
    damaged,    // or another file's; the records are read all the same
};

struct walked_segment {
    std::uint64_t number{0};
    std::string name;
    walked_header header{walked_header::valid};
    std::uint32_t version{0};       // what the header says
    std::uint64_t first_lsn{0};     // the number that its first intent has; 0: not known
    std::uint64_t previous_end{0};  // where the records of the segment before end
    std::uint64_t size{0};          // of the file
    std::uint64_t end{0};           // behind the last good record
    std::uint64_t records{0};
    std::int64_t created_us{0};  // since 1970
    std::int64_t log_created_us{0};
    bool sealed{false};
};

// Bytes of a segment that are no record where there should be one.
struct walked_gap {
    std::string file;
    std::uint64_t segment{0};
    std::uint64_t begin{0};
    std::uint64_t end{0};
    std::string why;
    // Intents that are missing there; 0: none is known to be. `last_lsn` 0: perhaps some at the end
    // of the log.
    std::uint64_t first_lsn{0};
    std::uint64_t last_lsn{0};
    // What stands behind says that it was once good. Otherwise it is what a crash or a loss of
    // power leaves of writes that nobody was told of.
    bool damage{false};
};

struct walked_log {
    std::vector<walked_segment> segments;  // without gaps in their numbers
    std::vector<walked_gap> gaps;
};

// The views are valid during the call.
using record_visitor = std::function<
    void(const walked_segment&, std::uint64_t offset, const replication::record_view&)>;

// Fails only if a file cannot be read; `why` names it. One that is gone meanwhile is passed over:
// the proxy deletes segments as it delivers them.
result<walked_log> walk_log(
    spool_storage& storage,
    const std::string& directory,
    const replication::log_id& log,
    const std::vector<std::uint64_t>& numbers,
    const record_visitor& visit,
    std::string& why
);

// The files of a directory that exists, for reading only: nothing is created or changed. `why` has
// a sentence for the operator.
struct readable_spool {
    std::shared_ptr<spool_storage> storage;
    bool in_use{false};      // by a process that may be writing
    std::int64_t holder{0};  // its id; 0: unknown
};
// `keep_lock`: no proxy can start on it as long as the storage lives.
result<readable_spool>
open_readable_spool(const std::string& directory, bool keep_lock, std::string& why);

}  // namespace dualwrite::engine
