#include <dualwrite/engine/spool_committer.hpp>

#include <algorithm>
#include <utility>

namespace dualwrite::engine {

spool_committer::spool_committer(std::shared_ptr<spool_storage> storage, bool threaded)
    : storage_(std::move(storage))
{
    if (threaded) thread_ = std::thread([this] { run(); });
}

spool_committer::~spool_committer()
{
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void spool_committer::on_synced(std::function<void()> callback)
{
    const std::lock_guard lock(callback_mutex_);
    callback_ = std::move(callback);
}

void spool_committer::add(const std::shared_ptr<spool_file>& file, spool_position end, bool created)
{
    if (!added_.empty() && added_.back().file == file) {
        added_.back().end = end;
        added_.back().created = added_.back().created || created;
    } else {
        added_.push_back({file, end, created, 0});
    }
}

void spool_committer::commit(std::uint64_t lsn)
{
    if (added_.empty()) return;
    added_.back().lsn = lsn;
    if (!thread_.joinable()) {
        sync(added_);
        added_.clear();
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        for (auto& item : added_) {
            if (!waiting_.empty() && waiting_.back().file == item.file) {
                waiting_.back().end = item.end;
                waiting_.back().lsn = std::max(waiting_.back().lsn, item.lsn);
            } else {
                waiting_.push_back(std::move(item));
            }
        }
    }
    added_.clear();
    wake_.notify_one();
}

spool_position spool_committer::secured() const
{
    const std::lock_guard lock(mutex_);
    return secured_;
}

std::error_code spool_committer::error(std::uint64_t& segment) const
{
    const std::lock_guard lock(mutex_);
    segment = error_segment_;
    return error_;
}

void spool_committer::run()
{
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        syncing_.swap(waiting_);
        lock.unlock();
        sync(syncing_);
        syncing_.clear();
        lock.lock();
    }
}

// In order, so that a segment never counts as secured before those ahead of it.
void spool_committer::sync(std::vector<write>& items)
{
    for (auto& item : items) {
        if (failed_) return;
        auto synced = item.file->sync();
        if (synced && item.created) synced = storage_->sync_directory(".");
        {
            const std::lock_guard lock(mutex_);
            if (synced) {
                secured_ = item.end;
            } else {
                error_ = synced.error();
                error_segment_ = item.end.segment;
            }
        }
        if (!synced)
            failed_.store(true, std::memory_order_release);
        else if (item.lsn != 0)
            durable_lsn_.store(item.lsn, std::memory_order_release);
        const std::lock_guard lock(callback_mutex_);
        if (callback_) callback_();
    }
}

}  // namespace dualwrite::engine
