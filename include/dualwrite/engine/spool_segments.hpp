#pragma once

#include <dualwrite/base/assert.hpp>
#include <dualwrite/engine/spool_blocks.hpp>
#include <dualwrite/replication/spool_segment.hpp>

#include <cstdint>
#include <deque>
#include <string>

namespace dualwrite::engine {

struct spool_segment {
    std::uint64_t number{0};
    std::uint64_t first_lsn{0};
    std::uint64_t last_lsn{0};      // first_lsn - 1: it has no intent
    std::uint64_t size{0};          // of the file
    std::uint64_t end{0};           // of the records that are in the file
    std::uint64_t previous_end{0};  // of the records of the segment before
    bool on_disk{false};            // false: planned by the writer, not committed yet
};

// The segments of a log, oldest first; their numbers have no gap.
class spool_segments {
public:
    spool_segments() = default;
    explicit spool_segments(std::deque<spool_segment> segments) : segments_(std::move(segments)) {}

    bool empty() const noexcept { return segments_.empty(); }
    std::size_t size() const noexcept { return segments_.size(); }
    spool_segment& front() noexcept { return segments_.front(); }
    spool_segment& back() noexcept { return segments_.back(); }
    auto begin() noexcept { return segments_.begin(); }
    auto end() noexcept { return segments_.end(); }

    spool_segment& at(std::uint64_t number) noexcept
    {
        DW_ASSERT(!empty() && number >= front().number && number <= back().number);
        return segments_[static_cast<std::size_t>(number - front().number)];
    }
    bool has(std::uint64_t number) const noexcept
    {
        return !empty() && number >= segments_.front().number && number <= segments_.back().number;
    }

    void push_back(const spool_segment& segment) { segments_.push_back(segment); }
    void pop_front() { segments_.pop_front(); }

private:
    std::deque<spool_segment> segments_;
};

}  // namespace dualwrite::engine
