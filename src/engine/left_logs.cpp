#include "left_logs.hpp"

#include <algorithm>
#include <cstdio>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace dualwrite::engine {

namespace {

constexpr std::int64_t report_interval_ms = 5000;

// Clients come first: this thread gets a tenth of the share of a loop where there are not enough
// processors, and is the last at the disk where the system's scheduler knows ranks.
void stand_back() noexcept
{
    constexpr int niceness = 10;
    constexpr int io_best_effort_last = 2 << 13 | 7;
    const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
    // It may be forbidden; then it is as fast as the others.
    (void)::setpriority(PRIO_PROCESS, thread, niceness);
    (void)::syscall(SYS_ioprio_set, 1, static_cast<int>(thread), io_best_effort_last);
}

std::string gib(std::uint64_t bytes)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
    return text;
}

}  // namespace

left_logs::left_logs(proxy_shared& shared) : shared_(shared)
{
    auto& unread = shared.unread;
    for (auto& files : shared.spool->take_left_logs()) {
        entry its{std::move(files), shared.logs.add_unread(), 0};
        shared.left_logs.fetch_add(1);
        if (!its.files.is_read()) {
            its.counted = std::max<std::uint64_t>(its.files.unfinished_max(), 1);
            unread.logs.fetch_add(1);
            unread.writes_max.fetch_add(its.counted);
            unread.bytes.fetch_add(its.files.unread_bytes());
        }
        logs_.push_back(std::move(its));
    }
    if (unread.logs.load() != 0)
        shared.log(
            log_level::info,
            "reading " + gib(unread.bytes.load()) +
                " that earlier runs have left in the spool; clients are served meanwhile"
        );
}

left_logs::~left_logs()
{
    stop();
    if (thread_.joinable()) thread_.join();
}

result<void> left_logs::hand_out_read(const adopter& adopt, std::string& why)
{
    for (std::size_t index = 0; index < logs_.size(); ++index) {
        if (!logs_[index].files.is_read()) continue;
        DW_TRY(log, logs_[index].files.read(why, shared_.unread.reading));
        hand_out(std::move(log), index, adopt);
    }
    if (shared_.unread.logs.load() == 0) all_handed_out();
    return {};
}

bool left_logs::read_next(const adopter& adopt)
{
    while (next_ < logs_.size() && logs_[next_].progress == nullptr) ++next_;
    if (next_ == logs_.size()) return false;
    std::string why;
    auto log = logs_[next_].files.read(why, shared_.unread.reading);
    if (!log) {
        if (log.error() != std::errc::operation_canceled) shared_.fail(std::move(why));
        return false;
    }
    hand_out(*std::move(log), next_, adopt);
    if (++next_ != logs_.size()) return true;
    all_handed_out();
    return false;
}

void left_logs::hand_out(std::unique_ptr<spool_log> log, std::size_t index, const adopter& adopt)
{
    auto& its = logs_[index];
    const auto progress = std::exchange(its.progress, nullptr);
    if (!log->exhausted()) {
        writes_ += log->backlog();
        return adopt({std::move(log), progress, its.counted});
    }
    log->close_finished();
    progress->end();
    shared_.left_logs.fetch_sub(1);
    shared_.unread.handed_out(its.counted);
}

void left_logs::all_handed_out()
{
    if (writes_ != 0)
        shared_.log(
            log_level::info, std::to_string(writes_) + " writes of an earlier run are delivered now"
        );
}

void left_logs::start(adopter adopt)
{
    if (shared_.unread.logs.load() == 0) return;
    thread_ = std::thread([this, adopt = std::move(adopt)] {
        stand_back();
        while (read_next(adopt)) continue;
    });
}

void left_logs::stop()
{
    shared_.unread.reading.stop.store(true);
}

void left_logs::report(std::int64_t steady_ms)
{
    const auto& unread = shared_.unread;
    if (unread.logs.load() == 0 || unread.reading.stop.load()) return;
    if (reported_ms_ == 0) reported_ms_ = steady_ms;
    if (steady_ms - reported_ms_ < report_interval_ms) return;
    reported_ms_ = steady_ms;
    shared_.log(
        log_level::info,
        "read " + gib(unread.reading.bytes.load()) + " of " + gib(unread.bytes.load()) +
            " that earlier runs have left in the spool"
    );
}

}  // namespace dualwrite::engine
