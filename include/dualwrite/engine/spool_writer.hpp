#pragma once

#include <dualwrite/engine/spool_blocks.hpp>
#include <dualwrite/engine/spool_committer.hpp>
#include <dualwrite/engine/spool_segments.hpp>
#include <dualwrite/engine/spool_shared.hpp>
#include <dualwrite/replication/spool_payload.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace dualwrite::engine {

struct spool_identity {
    replication::log_id log{};
    std::int64_t created_us{0};  // since 1970
};

// Puts records into blocks, and blocks into segments. Placing a record does no I/O: when a segment
// is full the next one is planned, and its file made by write_out().
class spool_writer {
public:
    // `segments` has the segments of an earlier run, or none. `committer` is null if nothing is to
    // be synced.
    spool_writer(
        spool_shared& shared,
        const spool_identity& identity,
        spool_segments& segments,
        spool_blocks& blocks,
        spool_committer* committer
    );

    // The write time that each new segment begins with.
    void set_clock(std::int64_t us) noexcept { clock_us_ = us; }
    std::int64_t clock_us() const noexcept { return clock_us_; }

    // True if records of `size` bytes together fit into the current segment.
    bool fits(std::uint64_t size) const noexcept;
    // Ends the current segment and begins one where records of `size` bytes fit. `last_lsn` is the
    // last intent's that was placed.
    void begin_segment(std::uint64_t size, std::uint64_t last_lsn);
    std::uint64_t segment() const noexcept { return position_.segment; }

    // Space for a record's payload; end_record() must follow. The record fits.
    std::byte* begin_record(std::size_t payload_size);
    void end_record(replication::record_type type, std::uint64_t lsn);

    bool has_unwritten() const noexcept { return unwritten_; }
    // On failure why() names the file.
    result<void> write_out();
    // After write_out(), before anything else is written: waits until the disk has it.
    result<void> sync();
    // After write_out(): ends the log; the last file gives back what it does not need.
    result<void> close(std::uint64_t last_lsn);
    const std::string& why() const noexcept { return why_; }

private:
    failure failed(const char* what, std::uint64_t segment, std::error_code error);
    std::uint32_t secured_mark() const noexcept;
    result<void> create_file(spool_segment& segment);
    result<void> write_blocks(spool_block*& block);

    // Constant after construction.
    spool_shared& shared_;
    const spool_identity identity_;
    spool_segments& segments_;
    spool_blocks& blocks_;
    spool_committer* const committer_;
    const bool left_;

    spool_position position_;  // where the next record goes
    std::uint32_t seed_{0};
    bool open_{false};  // position_ is in a segment of ours, with room for a seal
    std::int64_t clock_us_{0};
    spool_position secured_;

    // The record between begin_record() and end_record().
    std::byte* record_{nullptr};
    std::size_t payload_size_{0};

    spool_block* first_unwritten_{nullptr};
    bool unwritten_{false};

    std::shared_ptr<spool_file> file_;  // of the segment that is being written
    std::uint64_t file_segment_{0};
    std::string why_;
};

}  // namespace dualwrite::engine
