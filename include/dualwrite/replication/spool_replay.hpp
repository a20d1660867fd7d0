#pragma once

#include <dualwrite/replication/spool_payload.hpp>

#include <algorithm>

namespace dualwrite::replication {

// What is known of a log after its records have been read in order: which writes it has, their
// states and the clock. It needs two bits per write that is not finished.
class spool_replay {
public:
    explicit spool_replay(std::uint64_t first_lsn) noexcept : states_(first_lsn) {}

    // Null if the record fits what came before, else what is wrong with it.
    const char* apply(const record_view& record)
    {
        const auto expected = states_.last_lsn() + (record.fields.type == record_type::intent);
        if (record.fields.lsn != expected) return "a record has the wrong number";

        switch (record.fields.type) {
        case record_type::intent:
            if (!read_intent(record.payload)) return "an intent does not parse";
            states_.push();
            return nullptr;
        case record_type::statement:
            return read_statement(record.payload) ? nullptr : "a statement does not parse";
        case record_type::settled:
            return apply_settled(record.payload) ? nullptr : "an outcome does not parse";
        case record_type::done:
            return apply_done(record.payload) ? nullptr : "a delivery does not parse";
        case record_type::clock:
            if (record.payload.size() != 8) return "a clock does not parse";
            clock_us_ = std::max(clock_us_, load_le<std::int64_t>(record.payload.data()));
            return nullptr;
        case record_type::seal:
            return record.payload.empty() ? nullptr : "a seal does not parse";
        case record_type::note:
            return nullptr;
        }
        return "a record has an unknown type";
    }

    const write_states& states() const noexcept { return states_; }
    write_states& states() noexcept { return states_; }
    std::int64_t clock_us() const noexcept { return clock_us_; }

private:
    // The writes of the range that are known and not finished. Those before the log's first
    // segment were finished, or their segment would be there.
    struct span_of_writes {
        std::uint64_t begin;
        std::uint64_t end;
    };
    std::optional<span_of_writes> waiting(const state_range& range) const noexcept
    {
        const auto last = states_.last_lsn();
        if (range.first == 0 || range.count == 0 || range.first > last) return {};
        if (range.count - 1 > last - range.first) return {};
        return span_of_writes{
            std::max(range.first, states_.first_unfinished()), range.first + range.count};
    }

    bool apply_settled(bytes_view in)
    {
        return read_ranges(in, [&](const state_range& range) {
            if (range.state != write_state::applied && range.state != write_state::void_)
                return false;
            const auto writes = waiting(range);
            if (!writes) return false;
            for (auto lsn = writes->begin; lsn < writes->end; ++lsn)
                if (states_.get(lsn) == write_state::open) states_.set(lsn, range.state);
            return true;
        });
    }

    bool apply_done(bytes_view in)
    {
        if (in.size() < 8) return false;
        const auto watermark = load_le<std::uint64_t>(in.data());
        if (watermark > states_.last_lsn()) return false;
        while (states_.first_unfinished() <= watermark)
            states_.set(states_.first_unfinished(), write_state::done);
        return read_ranges(in.subspan(8), [&](const state_range& range) {
            const auto writes = waiting(range);
            if (range.state != write_state::done || !writes) return false;
            for (auto lsn = writes->begin; lsn < writes->end; ++lsn)
                states_.set(lsn, write_state::done);
            return true;
        });
    }

    write_states states_;
    std::int64_t clock_us_{0};
};

}  // namespace dualwrite::replication
