#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/proxy.hpp>
#include <dualwrite/replication/write_states.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The durable queue of the proxy: every write stands here before the source sees it, and until the
// target has it. One directory per proxy, one log per event loop; docs/formats/spool.md.
//
//     auto directory = spool_directory::open(options, why);
//     auto log = *(*directory)->create_log();
//     for (auto& left : (*directory)->take_left_logs())  // of earlier runs
//         ... left.read(why, progress) ...               // deliver these too
//     const auto id = log->intern("ks", "INSERT ...");
//     const auto lsn = log->append_intent({&id, 1}, {parts});
//     if (!log->commit()) stop();                   // before anything is forwarded
//     log->settle(lsn, write_state::applied);       // when the source has answered
//     while (auto next = *log->next_intent()) ...   // deliver, then finish(lsn), release(lsn)

namespace dualwrite::engine {

using replication::write_state;

class spool_storage;
class spool_shared;
class spool_log;
class spool_log_recovery;
struct spool_log_parts;

struct spool_options {
    std::string directory;  // created with mode 0700, its parents too
    // Bytes of one file. Made smaller where `size_max` asks for it: as many files as `logs_max`
    // logs need must fit twice.
    std::uint64_t segment_size{std::uint64_t{64} << 20};
    std::uint64_t size_max{std::uint64_t{16} << 30};  // bytes of all files
    durability durable{durability::process};
    std::uint64_t memory_max{std::uint64_t{64} << 20};  // bytes per log between writer and reader
    std::uint32_t logs_max{64};                         // live logs, one per event loop
    // False: no thread of its own; files are prepared, synced and deleted inside the calls.
    bool background{true};
};

// How far reading has come, and an order to end. Threads: any.
struct spool_reading {
    std::atomic<std::uint64_t> bytes{0};  // of the files that have been read
    std::atomic<bool> stop{false};
};

// A log of an earlier run. Opening the directory has found where it ends, and its clock; to deliver
// it all of it has to be read, because what became of a write may stand anywhere behind it.
//
// Threads: one at a time. It may outlive the directory.
class unread_log {
public:
    unread_log(std::shared_ptr<spool_shared> shared, std::unique_ptr<spool_log_recovery> files);
    ~unread_log();
    unread_log(unread_log&&) noexcept;
    unread_log& operator=(unread_log&&) noexcept;

    // Of one file mostly, that was read when the directory was opened: read() takes no time.
    bool is_read() const noexcept;
    std::uint64_t unread_bytes() const noexcept;
    // At most so many of its writes are not finished; exact if is_read().
    std::uint64_t unfinished_max() const noexcept;

    // Once. Fails as spool_directory::open() does, and with operation_canceled if `progress.stop`
    // was set. Nothing is changed then, and the next run finds the log again.
    result<std::unique_ptr<spool_log>> read(std::string& why, spool_reading& progress);

private:
    std::shared_ptr<spool_shared> shared_;
    std::unique_ptr<spool_log_recovery> files_;
};

// Threads: any. Logs may outlive it.
class spool_directory {
public:
    // Creates the directory if there is none, locks it and reads the ends of the logs that earlier
    // runs left. On failure `why` has a sentence for the operator: what is wrong, in which file,
    // and what to do.
    static result<std::unique_ptr<spool_directory>>
    open(const spool_options& options, std::string& why);
    // The same on other files than the system's, for tests.
    static result<std::unique_ptr<spool_directory>>
    open(const spool_options& options, std::shared_ptr<spool_storage> storage, std::string& why);

    ~spool_directory();
    spool_directory(const spool_directory&) = delete;
    spool_directory& operator=(const spool_directory&) = delete;

    // The logs of earlier runs, oldest first; a second call returns none. One that is exhausted()
    // when it has been read has nothing to deliver: close it.
    std::vector<unread_log> take_left_logs();
    // A log for one event loop. It holds the highest write time of the left logs from the start.
    result<std::unique_ptr<spool_log>> create_log();

    // The largest set_clock() of all left logs; 0 if there is none.
    std::int64_t clock_high_water_us() const noexcept;
    std::uint64_t size_bytes() const noexcept;
    // New writes should be refused: the size limit, less a reserve of two files for outcomes, is
    // reached, or the disk is full. Falls back to false when deliveries free space.
    bool full() const noexcept;
    // Bytes at which it is full; what is behind is for outcomes.
    std::uint64_t size_limit() const noexcept;
    bool disk_full() const noexcept;
    // What went wrong beside the writes, last: a file that could not be deleted or prepared.
    // Nothing is lost by it. Empty: nothing.
    std::string problem() const;

    // Appends a line to dead_letters.jsonl beside the directory (mode 0600) and syncs it. For
    // writes that the target refuses for good. `json_line` has no line end.
    result<void> keep_dead_letter(bytes_view json_line);

private:
    explicit spool_directory(std::shared_ptr<spool_shared> shared);

    // Constant after construction.
    std::shared_ptr<spool_shared> shared_;
    std::int64_t clock_us_{0};

    std::mutex left_mutex_;
    std::vector<unread_log> left_;  // guarded by left_mutex_
};

// One log: its intents have the numbers 1, 2, 3 ... without gap.
//
// Threads: one, the loop's; only durable_lsn() may be called from any.
//
// A write or sync that fails stops the log for good: commit() fails from then on and why() says
// what happened. What was committed before is safe; the process should end and start again.
class spool_log {
public:
    ~spool_log();
    spool_log(const spool_log&) = delete;
    spool_log& operator=(const spool_log&) = delete;

    struct statement {
        std::string keyspace;  // empty: the text names it
        std::string text;
    };

    // The id that stands for this statement in this log from now on. The text stays in memory as
    // long as the log does: intern what comes again, and put the rest into the payload.
    std::uint32_t intern(std::string_view keyspace, std::string_view text);
    // Of an id from intern() or from next_intent(). The reference stays valid.
    const statement& statement_of(std::uint32_t id) const;

    // Live logs only. Copies into the turn's buffer; nothing is durable before commit(). The
    // payload is the parts, one after another. Returns the lsn.
    std::uint64_t append_intent(
        std::span<const std::uint32_t> statement_ids, std::span<const bytes_view> payload_parts
    );
    // `outcome` is applied or void_. The first outcome of a write stands, later ones are ignored.
    void settle(std::uint64_t lsn, write_state outcome);
    // Delivered, or kept as a dead letter. Recorded now and then: losing it means that the write
    // is delivered once more, which changes nothing.
    void finish(std::uint64_t lsn);
    // Records finish() if 200 ms have passed since the last time; for a timer. Then commit().
    void sync_done(std::int64_t now_ms);
    // No write time that was given out is above it. Recorded with the next commit.
    void set_clock(std::int64_t high_water_us);

    enum class outcomes : std::uint8_t {
        written,
        // Those that are `applied` may wait for the next intent or sync_done(): a write whose
        // outcome was lost is sent to the source once more, which changes nothing. One that is
        // `void_` must not be, so it never waits.
        applied_may_wait,
    };
    // The next commit() writes all outcomes, and which writes are finished: what follows must not
    // repeat them.
    void write_at_once();
    // Writes what the turn appended, in one call; returns at once if that is nothing. With
    // durability::fsync the sync follows on another thread.
    result<void> commit(outcomes what = outcomes::written);

    // All intents up to this one survive what the durability promises.
    std::uint64_t durable_lsn() const noexcept;
    // With durability::fsync: called on the committer's thread after each sync, failed ones too:
    // then commit() fails. It may call durable_lsn(), nothing else of this log, and is called until
    // the destructor has returned.
    void on_durable(std::function<void()> callback);

    write_state state(std::uint64_t lsn) const noexcept;
    std::uint64_t first_unfinished() const noexcept;  // last_lsn() + 1: all are finished
    std::uint64_t last_lsn() const noexcept;          // 0: none yet
    std::uint64_t backlog() const noexcept;           // intents that are not finished
    std::uint64_t memory_bytes() const noexcept;      // of what is written, read and in delivery

    struct intent {
        std::uint64_t lsn{0};
        std::span<const std::uint32_t> statement_ids;
        bytes_view payload;
    };
    // The next committed intent that is not finished, in order, each once. Empty: caught up with
    // the writer. The views are valid until release() of that lsn.
    result<std::optional<intent>> next_intent();
    // The views of intents up to `lsn` are not needed any more.
    void release(std::uint64_t lsn);

    bool is_left() const noexcept;    // of an earlier run: takes outcomes, but no new intents
    bool exhausted() const noexcept;  // a left log whose intents are all finished
    // Deletes the files of an exhausted log. Nothing but the destructor may be called afterwards.
    void close_finished();

    // Why commit() or next_intent() failed: file and cause. Empty: nothing did.
    const std::string& why() const noexcept;

private:
    friend class spool_directory;
    friend class unread_log;
    explicit spool_log(std::unique_ptr<spool_log_parts> parts);

    std::unique_ptr<spool_log_parts> parts_;
};

}  // namespace dualwrite::engine
