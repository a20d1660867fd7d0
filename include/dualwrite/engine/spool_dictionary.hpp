#pragma once

#include <dualwrite/base/assert.hpp>
#include <dualwrite/engine/spool.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dualwrite::engine {

// The statements of a log by id, and, of a live log, the ids by statement.
class spool_dictionary {
public:
    static constexpr std::uint32_t ids_max = 1u << 26;

    std::uint32_t intern(std::string_view keyspace, std::string_view text)
    {
        const auto known = ids_.find(key{keyspace, text});
        if (known != ids_.end()) return known->second;
        DW_ASSERT(entries_.size() < ids_max);
        const auto id = static_cast<std::uint32_t>(entries_.size());
        const auto& added = entries_.emplace_back(make_entry(keyspace, text))->statement;
        ids_.emplace(key{added.keyspace, added.text}, id);
        return id;
    }

    // As a record of an earlier run has it. False: it contradicts what was read before.
    bool define(std::uint32_t id, std::string_view keyspace, std::string_view text)
    {
        if (id >= ids_max) return false;
        if (id >= entries_.size()) entries_.resize(std::size_t{id} + 1);
        auto& known = entries_[id];
        if (!known) known = make_entry(keyspace, text);
        return known->statement.keyspace == keyspace && known->statement.text == text;
    }

    bool knows(std::uint32_t id) const noexcept { return id < entries_.size() && entries_[id]; }

    const spool_log::statement& statement_of(std::uint32_t id) const
    {
        DW_ASSERT(knows(id));
        return entries_[id]->statement;
    }

    // The segment that has the statement's record, the last one if several have.
    std::uint64_t& segment_of(std::uint32_t id)
    {
        DW_ASSERT(knows(id));
        return entries_[id]->segment;
    }

private:
    struct entry {
        spool_log::statement statement;
        std::uint64_t segment{0};
    };

    // Views into the entries' own strings.
    struct key {
        std::string_view keyspace;
        std::string_view text;
        friend bool operator==(const key&, const key&) = default;
    };
    struct key_hash {
        std::size_t operator()(const key& k) const noexcept
        {
            const std::hash<std::string_view> hash;
            return hash(k.text) * 31 + hash(k.keyspace);
        }
    };

    static std::unique_ptr<entry> make_entry(std::string_view keyspace, std::string_view text)
    {
        return std::make_unique<entry>(entry{
            {std::string(keyspace), std::string(text)}, std::uint64_t{0}});
    }

    std::vector<std::unique_ptr<entry>> entries_;
    std::unordered_map<key, std::uint32_t, key_hash> ids_;
};

}  // namespace dualwrite::engine
