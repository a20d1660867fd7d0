#pragma once

#include <dualwrite/engine/spool.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "log_progress.hpp"
#include "proxy_shared.hpp"

namespace dualwrite::engine {

// A log of an earlier run for a loop to deliver.
struct left_log {
    std::unique_ptr<spool_log> log;
    std::shared_ptr<log_progress> progress;
    std::uint64_t counted{0};  // of its writes, in proxy_shared::unread until the loop has it
};

// The logs of earlier runs until the loops have them. Those of one file are there at once. The rest
// is read while clients are served already; until then what must come behind their writes waits for
// them as if none were delivered.
class left_logs {
public:
    using adopter = std::function<void(left_log)>;

    // Takes them from the spool.
    explicit left_logs(proxy_shared& shared);
    ~left_logs();
    left_logs(const left_logs&) = delete;
    left_logs& operator=(const left_logs&) = delete;

    // Before the loops run: hands out what needs no reading.
    result<void> hand_out_read(const adopter& adopt, std::string& why);
    // Reads the next one. False: there is none, or it cannot be read, and the proxy has failed.
    bool read_next(const adopter& adopt);

    // Reads all with a thread of its own, which calls `adopt`.
    void start(adopter adopt);
    void stop();
    // Now and then: says how far it is.
    void report(std::int64_t steady_ms);

private:
    void hand_out(std::unique_ptr<spool_log> log, std::size_t index, const adopter& adopt);
    void all_handed_out();

    struct entry {
        unread_log files;
        std::shared_ptr<log_progress> progress;
        std::uint64_t counted{0};
    };

    proxy_shared& shared_;
    std::vector<entry> logs_;  // the reader's, once it runs
    std::size_t next_{0};
    std::uint64_t writes_{0};  // that wait in those that were handed out
    std::int64_t reported_ms_{0};
    std::thread thread_;
};

}  // namespace dualwrite::engine
