#include <dualwrite/engine/spool.hpp>
#include <dualwrite/engine/spool_log.hpp>
#include <dualwrite/engine/spool_recovery.hpp>
#include <dualwrite/engine/spool_shared.hpp>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

namespace dualwrite::engine {

namespace {

constexpr std::uint64_t page_size = 4096;
constexpr std::uint64_t segment_size_min = 4 * page_size;
constexpr std::uint64_t segment_size_max = std::uint64_t{1} << 30;

// So that the files of logs that have delivered everything never fill the directory: one per log
// and two in reserve, twice. 0: `size_max` is too small.
std::uint64_t segment_size_for(const spool_options& options)
{
    const auto share = options.size_max / (4 + 2 * std::uint64_t{options.logs_max});
    const auto size = std::min({options.segment_size, share, segment_size_max});
    return size < segment_size_min ? 0 : size / page_size * page_size;
}

spool_identity new_identity()
{
    spool_identity identity;
    std::random_device random;
    for (auto& byte : identity.log) byte = static_cast<std::byte>(random() & 0xff);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    identity.created_us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    return identity;
}

std::string lock_sentence(const std::string& directory, std::error_code error, std::int64_t holder)
{
    if (error != errc::spool_locked)
        return "cannot lock the spool directory " + directory + ": " + error.message();
    const auto who = holder != 0 ? "process " + std::to_string(holder) : "another process";
    return "the spool directory " + directory + " is in use by " + who +
           "; stop it, or give this one another --state-dir";
}

}  // namespace

result<std::unique_ptr<spool_directory>>
spool_directory::open(const spool_options& options, std::string& why)
{
    auto storage = open_system_storage(options.directory, why);
    if (!storage) return fail(storage.error());
    return open(options, *std::move(storage), why);
}

result<std::unique_ptr<spool_directory>> spool_directory::open(
    const spool_options& options, std::shared_ptr<spool_storage> storage, std::string& why
)
{
    why.clear();
    const auto segment_size = segment_size_for(options);
    if (segment_size == 0) {
        const auto least = segment_size_min * (4 + 2 * std::uint64_t{options.logs_max});
        why = "the spool needs a size limit of at least " + std::to_string(least) + " bytes, not " +
              std::to_string(options.size_max);
        return fail(errc::invalid_argument);
    }
    std::int64_t holder = 0;
    if (const auto locked = storage->lock(holder); !locked) {
        why = lock_sentence(options.directory, locked.error(), holder);
        return fail(locked.error());
    }
    auto recovered =
        recover_spool(*storage, options.directory, options.durable == durability::fsync, why);
    if (!recovered) return fail(recovered.error());

    auto shared = std::make_shared<spool_shared>(options, std::move(storage), segment_size);
    shared->add_size(recovered->size_bytes);
    if (!recovered->problem.empty()) shared->report(recovered->problem);
    std::unique_ptr<spool_directory> directory(new spool_directory(std::move(shared)));
    for (auto& log : recovered->logs) {
        directory->clock_us_ = std::max(directory->clock_us_, log->clock_us());
        directory->left_.emplace_back(directory->shared_, std::move(log));
    }
    return directory;
}

unread_log::unread_log(
    std::shared_ptr<spool_shared> shared, std::unique_ptr<spool_log_recovery> files
)
    : shared_(std::move(shared)), files_(std::move(files))
{
}

unread_log::~unread_log() = default;
unread_log::unread_log(unread_log&&) noexcept = default;
unread_log& unread_log::operator=(unread_log&&) noexcept = default;

bool unread_log::is_read() const noexcept
{
    return files_->is_read();
}

std::uint64_t unread_log::unread_bytes() const noexcept
{
    return files_->unread_bytes();
}

std::uint64_t unread_log::unfinished_max() const noexcept
{
    return files_->unfinished_max();
}

result<std::unique_ptr<spool_log>> unread_log::read(std::string& why, spool_reading& progress)
{
    auto state = files_->read_all(progress);
    if (!state) {
        why = files_->why().empty() ? state.error().message() : files_->why();
        return fail(state.error());
    }
    auto parts = std::make_unique<spool_log_parts>(shared_, *std::move(state), true);
    files_.reset();
    return std::unique_ptr<spool_log>(new spool_log(std::move(parts)));
}

spool_directory::spool_directory(std::shared_ptr<spool_shared> shared) : shared_(std::move(shared))
{
}

spool_directory::~spool_directory() = default;

std::vector<unread_log> spool_directory::take_left_logs()
{
    const std::lock_guard lock(left_mutex_);
    return std::exchange(left_, {});
}

result<std::unique_ptr<spool_log>> spool_directory::create_log()
{
    if (!shared_->begin_live_log()) return fail(errc::invalid_argument);
    auto parts = std::make_unique<spool_log_parts>(
        shared_,
        spool_log_state{
            .identity = new_identity(),
            .segments = {},
            .states = replication::write_states(1),
            .clock_us = clock_us_,
        },
        false
    );
    std::unique_ptr<spool_log> log(new spool_log(std::move(parts)));
    if (const auto begun = log->parts_->begin(); !begun) {
        shared_->report(log->why());
        return fail(begun.error());
    }
    shared_->live_log_has_clock();
    return log;
}

std::int64_t spool_directory::clock_high_water_us() const noexcept
{
    return clock_us_;
}

std::uint64_t spool_directory::size_bytes() const noexcept
{
    return shared_->size_bytes();
}

std::uint64_t spool_directory::size_limit() const noexcept
{
    return shared_->size_limit();
}

bool spool_directory::disk_full() const noexcept
{
    return shared_->disk_full();
}

bool spool_directory::full() const noexcept
{
    return shared_->full();
}

std::string spool_directory::problem() const
{
    return shared_->problem();
}

result<void> spool_directory::keep_dead_letter(bytes_view json_line)
{
    return shared_->keep_dead_letter(json_line);
}

}  // namespace dualwrite::engine
