#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/engine/spool_log.hpp>
#include <dualwrite/engine/spool_storage.hpp>
#include <dualwrite/replication/spool_replay.hpp>
#include <dualwrite/replication/spool_scan.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dualwrite::engine {

// What is no part of a log: put aside and cut off before the log is used again.
struct broken_file {
    std::string name;
    std::uint64_t offset{0};  // what lies behind it
    bool whole{false};        // the whole file
    bool zero{false};         // it is nothing but reserved space
};

// Reads one log in two steps, so that a start does not take the longer the more there is to
// deliver. find_end() reads where the log ends, mostly its last file: the tail that a crash tore
// off, and the clock. read_all() reads everything, while others are served. Neither changes
// anything.
class spool_log_recovery {
public:
    spool_log_recovery(
        spool_storage& storage,
        std::string directory,
        const replication::log_id& log,
        std::vector<std::uint64_t> numbers,
        bool fsync
    );

    // False: nothing was ever written to it. broken() says what is to be put aside.
    result<bool> find_end();
    const std::vector<broken_file>& broken() const noexcept { return broken_; }

    // After find_end():
    spool_identity identity() const noexcept;
    std::int64_t clock_us() const noexcept { return replay_->clock_us(); }
    bool is_read() const noexcept { return first_ == 0; }  // it was all in those last files
    std::uint64_t unread_bytes() const noexcept;
    std::uint64_t unfinished_max() const noexcept;  // exact if is_read()

    // Once, after what is broken was put aside. An invalid record is damage now, wherever it is.
    result<spool_log_state> read_all(spool_reading& progress);

    // Why one of them failed; empty: nothing but the error's own text.
    const std::string& why() const noexcept { return why_; }

private:
    struct source {
        std::uint64_t number{0};
        std::string name;
        std::uint64_t size{0};
        std::optional<replication::decoded_header> header;  // when it has been read
    };
    // Where and why the records of a log end before its files do.
    struct stop {
        std::size_t index{0};  // in sources_
        std::uint64_t offset{0};
        const char* why{nullptr};  // null: they do not
    };

    result<void> find_files();
    result<void> read_header(std::size_t index);
    bool has_valid_header(std::size_t index) const noexcept;
    result<std::size_t> find_secured();
    result<bool> shows_secured(std::size_t index);
    result<stop> read_from(std::size_t first, spool_reading* progress);
    result<stop> read_segment(std::size_t index);
    result<stop> read_records(std::size_t index, std::uint64_t end);
    result<void> open(std::size_t index);
    result<replication::file_window>
    read(std::size_t index, std::uint64_t offset, std::size_t size_min, std::size_t size_usual);
    result<replication::file_window>
    read(std::size_t index, std::uint64_t offset, std::size_t size_min);
    result<void> refuse_damage(const stop& at);
    result<bool> is_zero(std::size_t index, std::uint64_t from);
    result<void> put_aside(const stop& at);
    result<void> sync(std::size_t first, std::size_t end);
    spool_log_state take_state();
    void let_go();
    failure damaged(std::size_t index, std::uint64_t offset, const char* what);
    failure failed(const char* what, std::size_t index, std::error_code error);

    // Constant after construction.
    spool_storage& storage_;
    const std::string directory_;
    const replication::log_id log_;
    const std::vector<std::uint64_t> numbers_;
    const bool fsync_;

    std::vector<source> sources_;  // without what is broken, after find_end()
    std::size_t first_{0};         // the first that was read
    std::unique_ptr<spool_file> file_;
    std::size_t file_index_{0};  // in sources_
    byte_buffer buffer_;
    std::optional<replication::spool_replay> replay_;
    std::vector<spool_segment> segments_;
    std::vector<broken_file> broken_;
    std::string why_;
};

}  // namespace dualwrite::engine
