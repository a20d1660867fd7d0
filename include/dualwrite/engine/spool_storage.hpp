#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

// The file operations that the spool needs, and no others: tests put files in memory behind them,
// let any call fail and replay the calls up to a crash.

namespace dualwrite::engine {

// Threads: one at a time may write; reads, writes and syncs of different threads may overlap.
class spool_file {
public:
    virtual ~spool_file() = default;

    // All parts, one after another from `offset` on, or a failure after which the range has
    // unspecified content.
    virtual result<void> write(std::span<const bytes_view> parts, std::uint64_t offset) = 0;
    // Fewer bytes than asked for: the file ends there.
    virtual result<std::size_t> read(mutable_bytes out, std::uint64_t offset) = 0;
    // Reserves `size` bytes of disk, so that writes inside do not find it full. With `zero_fill`
    // they are written too, so that a later sync has no metadata to write.
    virtual result<void> allocate(std::uint64_t size, bool zero_fill) = 0;
    virtual result<void> truncate(std::uint64_t size) = 0;
    // The data, and what is needed to find it.
    virtual result<void> sync() = 0;
    virtual result<std::uint64_t> size() = 0;
};

enum class open_mode : std::uint8_t {
    read,
    append,  // created with mode 0600 if there is none
    create,  // the same, emptied
};

// The files of one directory, by name. Threads: any.
class spool_storage {
public:
    virtual ~spool_storage() = default;

    // Fails with errc::spool_locked if another process has it; `holder` is its id, 0 if unknown.
    virtual result<void> lock(std::int64_t& holder) = 0;
    virtual result<std::vector<std::string>> list() = 0;
    virtual result<std::unique_ptr<spool_file>> open(const std::string& name, open_mode mode) = 0;
    virtual result<void> rename(const std::string& from, const std::string& to) = 0;
    virtual result<void> remove(const std::string& name) = 0;
    // Creations, renames and removals in "." or in "..", the directory above.
    virtual result<void> sync_directory(const std::string& name) = 0;
};

// The system's files. Creates the directory, and its parents, with mode 0700. On failure `why` has
// a sentence for the operator.
result<std::shared_ptr<spool_storage>>
open_system_storage(const std::string& directory, std::string& why);

}  // namespace dualwrite::engine
