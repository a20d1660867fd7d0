#include <dualwrite/engine/spool_shared.hpp>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace dualwrite::engine {

namespace {

constexpr std::chrono::seconds retry_interval{1};

bool means_disk_full(std::error_code error) noexcept
{
    return error == std::errc::no_space_on_device ||
           error == std::error_code(EDQUOT, std::generic_category());
}

}  // namespace

spool_shared::spool_shared(
    const spool_options& options, std::shared_ptr<spool_storage> storage, std::uint64_t segment_size
)
    : options_(options), storage_(std::move(storage)), segment_size_(segment_size)
{
    if (options_.background) thread_ = std::thread([this] { run(); });
}

spool_shared::~spool_shared()
{
    if (thread_.joinable()) {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }
    for (const auto& unused : spares_)
        if (const auto removed = storage_->remove(unused.name); removed) subtract_size(unused.size);
}

std::uint64_t spool_shared::size_limit() const noexcept
{
    const auto reserve = reserved_segments * segment_size_;
    return options_.size_max > reserve ? options_.size_max - reserve : 0;
}

bool spool_shared::full() const noexcept
{
    return disk_full_ || size_bytes_ >= size_limit();
}

std::size_t spool_shared::spares_wanted() const noexcept
{
    if (!options_.background || live_logs_ == 0 || stopping_) return 0;
    return fsync() ? 2 : 1;  // filling one with zeros takes a while
}

result<spool_shared::spare> spool_shared::take_spare(std::uint64_t size)
{
    if (size == segment_size_) {
        std::unique_lock lock(mutex_);
        if (!spares_.empty()) {
            auto ready = std::move(spares_.back());
            spares_.pop_back();
            lock.unlock();
            wake_.notify_one();
            return ready;
        }
    }
    return make_spare(size, false);
}

result<spool_shared::spare> spool_shared::make_spare(std::uint64_t size, bool zero_fill)
{
    spare made{"spare-" + std::to_string(++spare_number_), nullptr, size};
    auto file = storage_->open(made.name, open_mode::create);
    if (!file) return fail(file.error());
    made.file = *std::move(file);
    auto ready = made.file->allocate(size, zero_fill);
    if (ready && zero_fill) ready = made.file->sync();
    if (!ready) {
        made.file.reset();
        if (const auto removed = storage_->remove(made.name); !removed)
            report("cannot delete " + path_of(made.name) + ": " + removed.error().message());
        return fail(ready.error());
    }
    add_size(size);
    return made;
}

// False: try again.
bool spool_shared::remove(removal& waiting)
{
    result<void> done;
    if (!waiting.gone) {
        done = storage_->remove(waiting.file.name);
        waiting.gone = done || done.error() == std::errc::no_such_file_or_directory;
        if (waiting.gone) {
            done = {};
            subtract_size(waiting.file.size);
        }
    }
    // One by one: after a loss of power a later segment must not be gone before an earlier one.
    if (done && fsync()) done = storage_->sync_directory(".");
    if (!done)
        report("cannot delete " + path_of(waiting.file.name) + ": " + done.error().message());
    return done.has_value();
}

void spool_shared::remove_later(spool_file_entry file)
{
    {
        const std::lock_guard lock(mutex_);
        removals_.push_back({std::move(file)});
    }
    begin_removals();
}

void spool_shared::remove_left_later(spool_file_entry file)
{
    {
        const std::lock_guard lock(mutex_);
        auto& queue = clock_kept_ ? removals_ : left_removals_;
        queue.push_back({std::move(file)});
    }
    begin_removals();
}

void spool_shared::live_log_has_clock()
{
    {
        const std::lock_guard lock(mutex_);
        clock_kept_ = true;
        for (auto& waiting : left_removals_) removals_.push_back(std::move(waiting));
        left_removals_.clear();
    }
    begin_removals();
}

// Without a background thread one caller removes at a time, so that the order is kept.
void spool_shared::begin_removals()
{
    if (options_.background) return wake_.notify_one();
    const std::lock_guard lock(mutex_);
    while (!removals_.empty() && remove(removals_.front())) removals_.pop_front();
}

bool spool_shared::begin_live_log()
{
    {
        const std::lock_guard lock(mutex_);
        if (live_logs_ == options_.logs_max) return false;
        ++live_logs_;
    }
    wake_.notify_one();
    return true;
}

void spool_shared::end_live_log()
{
    const std::lock_guard lock(mutex_);
    --live_logs_;
}

void spool_shared::report(std::string problem)
{
    const std::lock_guard lock(problem_mutex_);
    problem_ = std::move(problem);
}

std::string spool_shared::problem() const
{
    const std::lock_guard lock(problem_mutex_);
    return problem_;
}

// The background thread: deletes what is to be deleted, then keeps enough spares.
void spool_shared::run()
{
    std::unique_lock lock(mutex_);
    for (;;) {
        if (!removals_.empty()) {
            auto& first = removals_.front();  // only this thread takes one away
            lock.unlock();
            const auto removed = remove(first);
            lock.lock();
            if (removed)
                removals_.pop_front();
            else if (stopping_)
                return;
            else
                wake_.wait_for(lock, retry_interval);
        } else if (stopping_) {
            return;
        } else if (spares_.size() < spares_wanted()) {
            refill(lock);
        } else {
            disk_full_ = false;
            wake_.wait(lock);
        }
    }
}

void spool_shared::refill(std::unique_lock<std::mutex>& lock)
{
    lock.unlock();
    auto made = make_spare(segment_size_, fsync());
    disk_full_ = !made && means_disk_full(made.error());
    if (!made) report("cannot prepare a spool file: " + made.error().message());
    lock.lock();
    if (made) {
        spares_.push_back(*std::move(made));
    } else {
        wake_.wait_for(lock, retry_interval);
    }
}

result<void> spool_shared::keep_dead_letter(bytes_view json_line)
{
    static constexpr auto name = "../dead_letters.jsonl";
    static constexpr std::byte line_end{'\n'};
    const std::lock_guard lock(dead_letter_mutex_);
    DW_TRY(file, storage_->open(name, open_mode::append));
    DW_TRY(end, file->size());

    // A crash may have left a line without its end.
    std::byte last = line_end;
    if (end != 0) {
        const auto read = file->read({&last, 1}, end - 1);
        if (!read) return fail(read.error());
    }
    const bytes_view newline(&line_end, 1);
    const bytes_view parts[] = {last == line_end ? bytes_view{} : newline, json_line, newline};
    DW_CHECK(file->write(parts, end));
    DW_CHECK(file->sync());
    return end == 0 ? storage_->sync_directory("..") : result<void>{};
}

}  // namespace dualwrite::engine
