#pragma once

#include <dualwrite/replication/partition_ref.hpp>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "delivery.hpp"

namespace dualwrite::engine {

// What clients write while the spool is full, with --spool-full degrade: not the writes, only which
// rows they touch, each once, as an intent to read them at the source later. The intents stay open
// as long as the spool is full, so that writes to the same rows can join them; then they are
// settled, and the delivery refreshes the rows from the source's state.
//
// Invariants:
//   D1  a row's intent is in the log before a write to it leaves for the source
//   D2  no write joins an intent behind which the log has a write to be replayed
//   D3  an intent is settled only when every write that joined it has been answered, or cannot be
//       executed any more
//
// Threads: the loop's.
class dirty_partitions {
public:
    // `bytes_max` of the log: behind the size limit of the spool there is not much left.
    // `syncs`: with durability::fsync.
    dirty_partitions(delivery& live, std::uint64_t bytes_max, bool syncs) noexcept
        : live_(live), bytes_max_(bytes_max), syncs_(syncs)
    {
    }

    // For one write: what answered() is to be told, 0 if there is no room for its rows.
    std::uint64_t begin(
        const std::vector<replication::partition_ref>& refs,
        const replication::table_shapes& shapes,
        bool transaction,
        std::int64_t now_ms
    );
    // The source has answered; not `sure`: nobody knows, it may still execute it. Returns the
    // intent that must be durable before the client hears of it; 0: none.
    std::uint64_t answered(std::uint64_t ticket, bool sure, std::int64_t now_ms);
    // A write has gone into the spool whole. What is written to these rows from now on needs
    // another intent, behind it: a refresh waits for the replays before its intent only.
    void close() noexcept { by_key_.clear(); }
    // The spool has room again: what can be settled is.
    void settle(std::int64_t now_ms);
    std::size_t size() const noexcept { return entries_.size(); }

private:
    struct entry {
        std::string key;
        std::size_t in_flight{0};
        std::int64_t not_before_ms{0};
    };

    struct joined {
        std::vector<std::uint64_t> lsns;
        std::uint64_t added{0};  // the last one that it has added itself
    };

    bool has_room(const std::vector<std::string>& keys) const;
    std::uint64_t append(
        const replication::partition_ref& ref,
        const replication::table_shape& shape,
        bool transaction,
        std::int64_t now_ms
    );

    delivery& live_;
    const std::uint64_t bytes_max_;
    const bool syncs_;
    std::uint64_t bytes_{0};
    std::uint64_t next_ticket_{1};
    std::unordered_map<std::string, std::uint64_t> by_key_;  // the lsn
    std::unordered_map<std::uint64_t, entry> entries_;       // by lsn
    std::unordered_map<std::uint64_t, joined> tickets_;
};

}  // namespace dualwrite::engine
