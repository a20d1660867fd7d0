#pragma once

#include <dualwrite/base/assert.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dualwrite::replication {

// What is known of one write that the spool holds.
enum class write_state : std::uint8_t {
    open,     // forwarded to the source, or about to be; its outcome is not known
    applied,  // the source has it or will have it: deliver
    void_,    // no replica of the source got it: forget
    done,     // delivered to the target, or kept as a dead letter
};

constexpr bool is_finished(write_state state) noexcept
{
    return state == write_state::void_ || state == write_state::done;
}

// The states of a log's writes, two bits each, in a window that slides: it begins with the word of
// the first unfinished write and ends with the last one. A write before the window is `done`.
//
// Everything is O(1), amortised: the first unfinished write is found by a cursor that only moves
// forward, and the words before it are dropped when they are half of all.
class write_states {
public:
    // The first write will have the number `first_lsn`, at least 1.
    explicit write_states(std::uint64_t first_lsn = 1) noexcept
        : base_(first_lsn / lsns_per_word * lsns_per_word), next_(first_lsn), cursor_(first_lsn)
    {
        DW_ASSERT(first_lsn != 0);
    }

    // Adds the next write, as `open`, and returns its number.
    std::uint64_t push()
    {
        if (word_of(next_) == words_.size()) words_.push_back(0);
        ++unfinished_;
        return next_++;
    }

    void set(std::uint64_t lsn, write_state state) noexcept
    {
        DW_ASSERT(lsn < next_);
        if (lsn < cursor_) return;
        auto& word = words_[word_of(lsn)];
        const auto shift = shift_of(lsn);
        const auto before = static_cast<write_state>(word >> shift & 3);
        word = (word & ~(std::uint64_t{3} << shift)) | static_cast<std::uint64_t>(state) << shift;
        if (is_finished(before) && !is_finished(state)) ++unfinished_;
        if (!is_finished(before) && is_finished(state)) --unfinished_;
        if (lsn == cursor_ && is_finished(state)) advance();
    }

    write_state get(std::uint64_t lsn) const noexcept
    {
        DW_ASSERT(lsn < next_);
        if (lsn < cursor_) return write_state::done;
        return static_cast<write_state>(words_[word_of(lsn)] >> shift_of(lsn) & 3);
    }

    // last_lsn() + 1 if all are finished.
    std::uint64_t first_unfinished() const noexcept { return cursor_; }
    std::uint64_t last_lsn() const noexcept { return next_ - 1; }  // first_lsn - 1: none yet
    std::uint64_t unfinished() const noexcept { return unfinished_; }
    std::size_t size_bytes() const noexcept { return words_.capacity() * sizeof(std::uint64_t); }

private:
    static constexpr std::uint64_t lsns_per_word = 32;
    static constexpr std::uint64_t low_bits = 0x5555'5555'5555'5555;

    std::size_t word_of(std::uint64_t lsn) const noexcept
    {
        return static_cast<std::size_t>((lsn - base_) / lsns_per_word);
    }
    static unsigned shift_of(std::uint64_t lsn) noexcept
    {
        return static_cast<unsigned>(lsn % lsns_per_word) * 2;
    }

    // Moves the cursor to the next write that is not finished: one whose high bit is clear.
    void advance() noexcept
    {
        ++cursor_;
        while (cursor_ < next_) {
            const auto high = words_[word_of(cursor_)] >> 1 & low_bits;
            const auto waiting = ~high & low_bits & ~std::uint64_t{0} << shift_of(cursor_);
            if (waiting != 0) {
                const auto index = static_cast<unsigned>(std::countr_zero(waiting)) / 2;
                cursor_ = cursor_ / lsns_per_word * lsns_per_word + index;
                break;
            }
            cursor_ = (cursor_ / lsns_per_word + 1) * lsns_per_word;
        }
        if (cursor_ > next_) cursor_ = next_;
        trim();
    }

    void trim() noexcept
    {
        const auto unused = word_of(cursor_);
        if (unused < 64 || unused < words_.size() / 2) return;
        const auto count = unused < words_.size() ? unused : words_.size();
        words_.erase(words_.begin(), words_.begin() + static_cast<std::ptrdiff_t>(count));
        base_ += count * lsns_per_word;
        // A backlog that is gone must not keep its memory.
        if (words_.capacity() > 1024 + 4 * words_.size()) words_.shrink_to_fit();
    }

    std::vector<std::uint64_t> words_;
    std::uint64_t base_;    // the first write of words_[0]
    std::uint64_t next_;    // the number that push() gives next
    std::uint64_t cursor_;  // all before it are finished
    std::uint64_t unfinished_{0};
};

}  // namespace dualwrite::replication
