#pragma once

#include <dualwrite/replication/spool_payload.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace dualwrite::replication {

// What can be known of a log that may have holes: spool_replay for people and for salvage. A write
// whose record is missing is counted as lost and is nothing to deliver; records about writes that
// are not known are passed over.
class spool_rescue {
public:
    // More than that is not missing: the number is wrong, whatever its checksum says.
    static constexpr std::uint64_t missing_max = std::uint64_t{1} << 28;

    explicit spool_rescue(std::uint64_t first_lsn) noexcept : states_(first_lsn) {}

    // How many intents are missing before `record`.
    std::uint64_t missing_before(const record_view& record) const noexcept
    {
        const auto intent = record.fields.type == record_type::intent;
        return missing_up_to(record.fields.lsn - (intent && record.fields.lsn != 0 ? 1 : 0));
    }
    std::uint64_t missing_up_to(std::uint64_t lsn) const noexcept
    {
        return lsn > states_.last_lsn() ? lsn - states_.last_lsn() : 0;
    }

    // All intents up to this one are there or lost.
    void skip_to(std::uint64_t lsn)
    {
        while (states_.last_lsn() < lsn) {
            states_.set(states_.push(), write_state::done);
            ++lost_;
        }
    }

    void apply(const record_view& record)
    {
        if (missing_before(record) > missing_max) return;
        skip_to(states_.last_lsn() + missing_before(record));
        const auto index = static_cast<std::size_t>(record.fields.type);
        if (index < records_.size()) ++records_[index];
        switch (record.fields.type) {
        case record_type::intent:
            if (record.fields.lsn == states_.last_lsn() + 1) states_.push();
            break;
        case record_type::settled:
            (void)read_ranges(record.payload, [&](const auto& range) { return settle(range); });
            break;
        case record_type::done:
            apply_done(record.payload);
            break;
        case record_type::clock:
            if (record.payload.size() == 8)
                clock_us_ = std::max(clock_us_, load_le<std::int64_t>(record.payload.data()));
            break;
        default:
            break;
        }
    }

    const write_states& states() const noexcept { return states_; }
    std::int64_t clock_us() const noexcept { return clock_us_; }
    std::uint64_t lost() const noexcept { return lost_; }
    std::uint64_t records(record_type type) const noexcept
    {
        return records_[static_cast<std::size_t>(type)];
    }

private:
    // Calls set(lsn) for the writes of the range that are known and not finished.
    template <class Set> bool for_each(const state_range& range, Set set)
    {
        if (range.first == 0 || range.count == 0) return true;
        const auto last = std::min(
            states_.last_lsn(),
            range.first > std::numeric_limits<std::uint64_t>::max() - range.count
                ? states_.last_lsn()
                : range.first + range.count - 1
        );
        for (auto lsn = std::max(range.first, states_.first_unfinished()); lsn <= last; ++lsn)
            set(lsn);
        return true;
    }

    bool settle(const state_range& range)
    {
        return for_each(range, [&](std::uint64_t lsn) {
            if (states_.get(lsn) == write_state::open) states_.set(lsn, range.state);
        });
    }

    void apply_done(bytes_view in)
    {
        if (in.size() < 8) return;
        const auto watermark = std::min(load_le<std::uint64_t>(in.data()), states_.last_lsn());
        while (states_.first_unfinished() <= watermark)
            states_.set(states_.first_unfinished(), write_state::done);
        (void)read_ranges(in.subspan(8), [&](const auto& range) {
            return for_each(range, [&](std::uint64_t lsn) { states_.set(lsn, write_state::done); });
        });
    }

    write_states states_;
    std::array<std::uint64_t, 8> records_{};  // by type
    std::int64_t clock_us_{0};
    std::uint64_t lost_{0};
};

}  // namespace dualwrite::replication
