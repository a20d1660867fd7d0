#pragma once

#include <dualwrite/engine/spool_log_recovery.hpp>
#include <dualwrite/engine/spool_storage.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dualwrite::engine {

struct recovered_spool {
    std::vector<std::unique_ptr<spool_log_recovery>> logs;  // oldest first; to be read
    std::uint64_t size_bytes{0};
    std::string problem;  // something that is not worth refusing to start; empty: nothing
};

// Finds the end of each log of a directory. Nothing is changed unless all of them have one; then
// what crashes left behind is put aside:
//
//     <segment>.broken   what stood behind the last good record, if it is not all zeros
//     spare-*            deleted
//
// Fails with errc::spool_corrupt or spool_version if a file does not hold what was written to it,
// or with the error of a file operation; `why` then has a sentence for the operator.
result<recovered_spool>
recover_spool(spool_storage& storage, const std::string& directory, bool fsync, std::string& why);

}  // namespace dualwrite::engine
