#pragma once

#include <dualwrite/engine/spool.hpp>
#include <dualwrite/engine/spool_blocks.hpp>
#include <dualwrite/engine/spool_committer.hpp>
#include <dualwrite/engine/spool_dictionary.hpp>
#include <dualwrite/engine/spool_reader.hpp>
#include <dualwrite/engine/spool_segments.hpp>
#include <dualwrite/engine/spool_shared.hpp>
#include <dualwrite/engine/spool_writer.hpp>
#include <dualwrite/replication/spool_payload.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace dualwrite::engine {

// What an earlier run left of a log, or nothing for a new one.
struct spool_log_state {
    spool_identity identity;
    spool_segments segments;
    replication::write_states states;
    std::int64_t clock_us{0};
};

// The inside of spool_log.
struct spool_log_parts {
    spool_log_parts(
        std::shared_ptr<spool_shared> shared_state, spool_log_state state, bool is_left
    );

    result<void> begin();  // of a live log: its first segment, with the clock
    std::uint64_t
    append(std::span<const std::uint32_t> statement_ids, std::span<const bytes_view> payload_parts);
    result<std::optional<spool_log::intent>> next();

    std::uint64_t statement_size(std::uint32_t id) const;  // of its record
    void place_statement(std::uint32_t id);
    void
    place_ranges(replication::record_type type, std::span<const replication::state_range> ranges);
    void place_outcomes();
    void place_done();
    void place_clock();
    bool may_wait() const noexcept;
    result<void> write(spool_log::outcomes what = spool_log::outcomes::written);
    void collect();
    void close();  // deletes the files
    void end();    // of a log that is not failed: leaves as little to do as possible
    std::string damaged(const char* what) const;
    failure stop(std::string reason, std::error_code error);

    const std::shared_ptr<spool_shared> shared;
    const spool_identity identity;
    const bool left;

    spool_segments segments;
    replication::write_states states;
    spool_dictionary dictionary;
    spool_blocks blocks;
    std::unique_ptr<spool_committer> committer;  // live logs with durability::fsync only
    spool_writer writer;
    spool_reader reader;

    replication::range_list settled;  // not written yet
    bool outcomes_due{false};         // one of them must not be lost
    replication::range_list finished;
    bool done_due{false};
    std::int64_t done_written_ms{0};
    bool clock_due{false};

    std::atomic<std::uint64_t> committed_lsn{0};
    std::uint64_t committed_segment{0};
    bool closed{false};     // its files are gone
    std::error_code error;  // fail-stop
    std::string why;
};

}  // namespace dualwrite::engine
