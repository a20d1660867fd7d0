#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace dualwrite::engine {

// Below which write times a lightweight transaction may have hidden what is written later.
//
// The source gives a transaction the time of its own clock, and what the transaction deletes leaves
// nothing to read there. A plain write with an earlier time is dropped by the source, whenever it
// comes; the target would keep it. So the rows of such a write are looked at when the target has
// it. Here stands which writes those are, by partition: for each, the largest time that one of its
// transactions may have. Partitions share places by their hash, so that one may be looked at for
// another's sake.
//
// Threads: any. No call allocates.
class transaction_marks {
public:
    static constexpr std::int64_t unknown = std::numeric_limits<std::int64_t>::max();

    struct place {
        static constexpr std::uint16_t none = 0xffff;
        std::uint16_t table{none};
        std::uint16_t partition{none};  // not named: all of the table
    };

    // `name` is that of the table with its keyspace.
    static place place_of(std::string_view name) noexcept
    {
        return {static_cast<std::uint16_t>(hash(name) % tables_count), place::none};
    }
    static place place_of(std::string_view name, std::span<const std::string> key) noexcept
    {
        auto mixed = hash(name);
        for (const auto& part : key)
            mixed = (mixed ^ hash(part)) * 0x9e3779b97f4a7c15ull + (mixed >> 29);
        auto out = place_of(name);
        out.partition = static_cast<std::uint16_t>((mixed >> 17) % partitions_count);
        return out;
    }

    bool any() const noexcept { return any_.load(std::memory_order_relaxed); }
    // One of its transactions has been seen.
    bool has(std::string_view table) const noexcept
    {
        return any() && tables_[place_of(table).table].all.until_us.load() != never;
    }

    // There will be some.
    void expect() noexcept { any_.store(true, std::memory_order_relaxed); }
    // A transaction has been executed, at this time at the latest.
    void executed(place where, std::int64_t until_us) noexcept
    {
        for_each_mark(where, [&](mark& its) { its.raise(until_us); });
        expect();
    }
    // One may be executed at any time from now on, until close().
    void open(place where) noexcept
    {
        for_each_mark(where, [&](mark& its) {
            its.open.fetch_add(1);
            its.raise(seen);
        });
        expect();
    }
    void close(place where, std::int64_t until_us) noexcept
    {
        executed(where, until_us);
        for_each_mark(where, [](mark& its) { its.open.fetch_sub(1); });
    }
    // A transaction may have hidden a write with this time that is accepted now.
    bool covers(place where, std::int64_t time_us) const noexcept
    {
        if (where.table == place::none) return false;
        const auto& table = tables_[where.table];
        if (table.all.until_us.load() == never) return false;
        if (time_us <= floor_us_.load()) return true;
        if (where.partition == place::none) return table.all.covers(time_us);
        return table.unnamed.covers(time_us) || partitions_[where.partition].covers(time_us);
    }

    // Transactions of an earlier run have no larger time.
    void set_floor(std::int64_t until_us) noexcept { floor_us_.store(until_us); }
    // Instead of `unknown`, everywhere.
    void clock_known(std::int64_t until_us) noexcept
    {
        const auto settle = [&](mark& its) {
            auto expected = unknown;
            its.until_us.compare_exchange_strong(expected, until_us);
        };
        for (auto& its : partitions_) settle(its);
        for (auto& its : tables_) {
            settle(its.all);
            settle(its.unnamed);
        }
    }

private:
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();
    static constexpr std::int64_t seen = never + 1;
    static constexpr std::size_t tables_count = 1024;
    static constexpr std::size_t partitions_count = 8 * 1024;

    struct mark {
        std::atomic<std::int64_t> until_us{never};
        std::atomic<std::uint32_t> open{0};

        void raise(std::int64_t to) noexcept
        {
            auto now = until_us.load();
            while (now < to && !until_us.compare_exchange_weak(now, to)) {
            }
        }
        bool covers(std::int64_t time_us) const noexcept
        {
            const auto until = until_us.load();
            return until != never && (time_us <= until || open.load() != 0);
        }
    };
    struct table_marks {
        mark all;      // of all its transactions
        mark unnamed;  // of those that do not say their partition
    };

    static std::uint64_t hash(std::string_view text) noexcept
    {
        return std::hash<std::string_view>{}(text);
    }
    template <class F> void for_each_mark(place where, F&& f) noexcept
    {
        if (where.table == place::none) return;
        auto& table = tables_[where.table];
        f(table.all);
        f(where.partition == place::none ? table.unnamed : partitions_[where.partition]);
    }

    std::atomic<bool> any_{false};
    std::atomic<std::int64_t> floor_us_{never};
    std::array<table_marks, tables_count> tables_;
    std::array<mark, partitions_count> partitions_;
};

}  // namespace dualwrite::engine
