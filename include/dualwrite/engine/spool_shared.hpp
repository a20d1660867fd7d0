#pragma once

#include <dualwrite/engine/spool.hpp>
#include <dualwrite/engine/spool_storage.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// What the logs of one directory share: the files' sizes, files prepared in advance, and the
// thread that prepares and deletes.

namespace dualwrite::engine {

struct spool_file_entry {
    std::string name;
    std::uint64_t size{0};
};

// Threads: any.
class spool_shared {
public:
    spool_shared(
        const spool_options& options,
        std::shared_ptr<spool_storage> storage,
        std::uint64_t segment_size
    );
    ~spool_shared();
    spool_shared(const spool_shared&) = delete;
    spool_shared& operator=(const spool_shared&) = delete;

    const spool_options& options() const noexcept { return options_; }
    spool_storage& storage() const noexcept { return *storage_; }
    const std::shared_ptr<spool_storage>& storage_ptr() const noexcept { return storage_; }
    std::uint64_t segment_size() const noexcept { return segment_size_; }
    bool fsync() const noexcept { return options_.durable == durability::fsync; }
    std::string path_of(const std::string& name) const { return options_.directory + "/" + name; }

    std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    void add_size(std::uint64_t bytes) noexcept { size_bytes_ += bytes; }
    void subtract_size(std::uint64_t bytes) noexcept { size_bytes_ -= bytes; }
    std::uint64_t size_limit() const noexcept;
    bool disk_full() const noexcept { return disk_full_; }
    bool full() const noexcept;

    // A new file of at least `size` bytes under a name of its own; prepared in advance if it is of
    // the usual size. The caller renames it.
    struct spare {
        std::string name;
        std::unique_ptr<spool_file> file;
        std::uint64_t size{0};
    };
    result<spare> take_spare(std::uint64_t size);

    // Deletes the file, after those that were given before: a log must not get a gap. While one
    // cannot be deleted it is tried again and the others wait; the next run finds them again.
    void remove_later(spool_file_entry file);
    // The same for files of left logs, but not before a live log has their highest write time.
    void remove_left_later(spool_file_entry file);

    // False: there are options().logs_max live logs already.
    bool begin_live_log();
    void live_log_has_clock();  // from now on left files may go
    void end_live_log();

    void report(std::string problem);
    std::string problem() const;
    result<void> keep_dead_letter(bytes_view json_line);

private:
    static constexpr std::uint64_t reserved_segments = 2;

    struct removal {
        spool_file_entry file;
        bool gone{false};  // but the directory is not synced
    };

    std::size_t spares_wanted() const noexcept;  // under mutex_
    result<spare> make_spare(std::uint64_t size, bool zero_fill);
    bool remove(removal& file);
    void begin_removals();
    void run();
    void refill(std::unique_lock<std::mutex>& lock);

    // Constant after construction.
    const spool_options options_;
    const std::shared_ptr<spool_storage> storage_;
    const std::uint64_t segment_size_;

    std::atomic<std::uint64_t> size_bytes_{0};
    std::atomic<std::uint64_t> spare_number_{0};
    std::atomic<bool> disk_full_{false};

    // Guarded by mutex_.
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<spare> spares_;
    std::deque<removal> removals_;
    std::deque<removal> left_removals_;  // wait for live_log_has_clock()
    std::uint32_t live_logs_{0};
    bool clock_kept_{false};
    bool stopping_{false};

    mutable std::mutex problem_mutex_;
    std::string problem_;  // guarded by problem_mutex_

    std::mutex dead_letter_mutex_;
    std::thread thread_;
};

}  // namespace dualwrite::engine
