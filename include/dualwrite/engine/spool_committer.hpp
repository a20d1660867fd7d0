#pragma once

#include <dualwrite/engine/spool_blocks.hpp>
#include <dualwrite/engine/spool_storage.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace dualwrite::engine {

// Syncs what a log has written, on a thread of its own: one sync for all commits that came in
// while the one before was under way. After a failure it does nothing any more: the kernel may
// have dropped the pages that it could not write, and a second sync would not say so.
class spool_committer {
public:
    // `threaded` false: commit() syncs itself.
    spool_committer(std::shared_ptr<spool_storage> storage, bool threaded);
    ~spool_committer();  // syncs what was given to it
    spool_committer(const spool_committer&) = delete;
    spool_committer& operator=(const spool_committer&) = delete;

    // Called after each sync, on the thread that did it. It must not call the committer, except for
    // durable_lsn() and failed().
    void on_synced(std::function<void()> callback);

    // The log's thread: `file` was written up to `end`. Nothing happens before commit().
    void add(const std::shared_ptr<spool_file>& file, spool_position end, bool created);
    // The log's thread: what was added has all intents up to `lsn`.
    void commit(std::uint64_t lsn);

    std::uint64_t durable_lsn() const noexcept
    {
        return durable_lsn_.load(std::memory_order_acquire);
    }
    spool_position secured() const;
    // The error of the sync that failed, and the segment it was for.
    std::error_code error(std::uint64_t& segment) const;
    bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }

private:
    struct write {
        std::shared_ptr<spool_file> file;
        spool_position end;
        bool created{false};
        std::uint64_t lsn{0};
    };

    void run();
    void sync(std::vector<write>& items);

    // Constant after construction.
    const std::shared_ptr<spool_storage> storage_;

    std::atomic<std::uint64_t> durable_lsn_{0};
    std::atomic<bool> failed_{false};

    std::vector<write> added_;  // the log's thread only

    // Guarded by mutex_.
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<write> waiting_;
    spool_position secured_;
    std::error_code error_;
    std::uint64_t error_segment_{0};
    bool stopping_{false};

    std::mutex callback_mutex_;
    std::function<void()> callback_;  // guarded by callback_mutex_

    std::vector<write> syncing_;  // the committer's thread only
    std::thread thread_;
};

}  // namespace dualwrite::engine
