#pragma once

#include <dualwrite/engine/spool_blocks.hpp>
#include <dualwrite/engine/spool_segments.hpp>
#include <dualwrite/engine/spool_shared.hpp>
#include <dualwrite/engine/spool_writer.hpp>
#include <dualwrite/replication/spool_record.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace dualwrite::engine {

// Reads the records of a log in order: from the blocks that the writer just filled, or, where those
// were dropped or never were in memory, from the files.
class spool_reader {
public:
    spool_reader(
        spool_shared& shared,
        const replication::log_id& log,
        spool_segments& segments,
        spool_blocks& blocks,
        spool_position from
    );

    // The next committed record. Empty: caught up with the writer. It lies in block().
    result<std::optional<replication::record_view>> next();
    spool_block* block() noexcept { return block_; }
    spool_position position() const noexcept { return position_; }

    // Views of intents up to `lsn` are not needed any more.
    void release(std::uint64_t lsn);
    const std::string& why() const noexcept { return why_; }

private:
    static constexpr std::uint64_t read_ahead_size = 256 * 1024;

    result<bool> advance();
    result<void> load(std::uint64_t end);
    result<std::size_t> fill(spool_block& block, std::uint64_t end);
    failure failed(std::uint64_t offset, const std::string& what, std::error_code error);

    // Constant after construction.
    spool_shared& shared_;
    const replication::log_id log_;
    spool_segments& segments_;
    spool_blocks& blocks_;

    spool_position position_;
    spool_block* block_{nullptr};
    std::size_t cursor_{0};  // in block_
    std::uint64_t released_lsn_{0};

    std::unique_ptr<spool_file> file_;
    std::uint64_t file_segment_{0};
    std::uint32_t seed_{0};
    std::string why_;
};

}  // namespace dualwrite::engine
