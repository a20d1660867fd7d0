#pragma once

#include <dualwrite/engine/spool_dictionary.hpp>
#include <dualwrite/engine/spool_walk.hpp>
#include <dualwrite/replication/mutation.hpp>
#include <dualwrite/replication/spool_rescue.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dualwrite::engine {

// What can be read of one log: its files, its holes, the state of each write, its statements.
class rescued_log {
public:
    struct write {
        std::uint64_t lsn{0};
        replication::write_state state{};
        std::span<const std::uint32_t> statement_ids;
        bytes_view payload;
    };

    // Reads the whole log once; memory: the statements, and two bits per unfinished write.
    static result<rescued_log> read(
        spool_storage& storage,
        const std::string& directory,
        const replication::log_id& log,
        const std::vector<std::uint64_t>& numbers,
        std::string& why
    );

    // Reads it again: calls `visit` for each write that is not finished, in order. The views are
    // valid during the call.
    result<void> for_each_unfinished(
        spool_storage& storage,
        const std::string& directory,
        const std::function<result<void>(const write&)>& visit,
        std::string& why
    ) const;

    const replication::log_id& id() const noexcept { return id_; }
    const walked_log& files() const noexcept { return files_; }
    const spool_dictionary& statements() const noexcept { return statements_; }
    std::uint32_t statement_ids_end() const noexcept { return ids_end_; }
    // Null: it has no record.
    const replication::spool_rescue* state() const noexcept { return state_ ? &*state_ : nullptr; }
    // A record that was promised to be there is not: outcomes of writes may be missing, too.
    bool damaged() const noexcept;
    std::uint64_t size_bytes() const noexcept;

private:
    void take(const walked_segment& segment, const replication::record_view& record);

    replication::log_id id_{};
    std::vector<std::uint64_t> numbers_;
    walked_log files_;
    std::optional<replication::spool_rescue> state_;
    spool_dictionary statements_;
    std::uint32_t ids_end_{0};
};

// The table of a write: "keyspace.table", of a batch that of its first statement. Texts of
// statements are looked at once.
class write_tables {
public:
    explicit write_tables(const spool_dictionary& statements) : statements_(statements) {}
    std::string of(const replication::mutation_view& m);

private:
    const std::string& of_statement(std::uint32_t id);

    const spool_dictionary& statements_;
    std::vector<std::optional<std::string>> known_;
};

}  // namespace dualwrite::engine
