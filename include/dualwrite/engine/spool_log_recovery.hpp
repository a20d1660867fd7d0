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

// Reads one log. Changes nothing.
class spool_log_recovery {
public:
    spool_log_recovery(
        spool_storage& storage,
        std::string directory,
        const replication::log_id& log,
        std::vector<std::uint64_t> numbers,
        std::string& why
    );

    // Empty: nothing was ever written to it. broken() says what is to be put aside.
    result<std::optional<spool_log_state>> run();
    // Makes what run() read durable: an earlier run may have been killed before it could.
    result<void> sync();
    const std::vector<broken_file>& broken() const noexcept { return broken_; }

private:
    struct source {
        std::uint64_t number{0};
        std::string name;
        std::unique_ptr<spool_file> file;
        std::uint64_t size{0};
        replication::decoded_header header;
    };
    // Where and why the records of a log end before its files do.
    struct stop {
        std::size_t index{0};  // in sources_
        std::uint64_t offset{0};
        const char* why{nullptr};  // null: they do not
    };

    result<void> open_files();
    result<void> read_header(source& file);
    result<stop> read_segment(std::size_t index);
    result<stop> read_records(std::size_t index, std::uint64_t end);
    result<replication::file_window> read(source& file, std::uint64_t offset, std::size_t size);
    result<void> refuse_damage(const stop& at);
    result<bool> is_zero(source& file, std::uint64_t from);
    result<void> put_aside(const stop& at);
    failure damaged(const source& file, std::uint64_t offset, const char* what);
    failure unreadable(const source& file, std::error_code error);

    // Constant after construction.
    spool_storage& storage_;
    const std::string directory_;
    const replication::log_id log_;
    const std::vector<std::uint64_t> numbers_;
    std::string& why_;

    std::vector<source> sources_;
    byte_buffer buffer_;
    std::optional<replication::spool_replay> replay_;
    std::vector<spool_segment> segments_;
    std::vector<broken_file> broken_;
};

}  // namespace dualwrite::engine
