#pragma once

#include <dualwrite/base/assert.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace dualwrite::protocol {

// The stream ids 0..count-1 of one connection. The lowest free one is taken first, so that few
// concurrent requests use few ids. No allocation after construction.
class stream_ids {
public:
    static constexpr std::size_t count_max = 32768;

    explicit stream_ids(std::size_t count) : count_(count), free_((count + 63) / 64, ~0ull)
    {
        DW_ASSERT(count > 0 && count <= count_max);
        if (count % 64 != 0) free_.back() = (1ull << (count % 64)) - 1;
    }

    // Empty: all are in use.
    std::optional<std::int16_t> take() noexcept
    {
        for (; first_ < free_.size(); ++first_) {
            if (free_[first_] == 0) continue;
            const auto bit = static_cast<std::size_t>(std::countr_zero(free_[first_]));
            free_[first_] &= free_[first_] - 1;
            ++in_use_;
            return static_cast<std::int16_t>(first_ * 64 + bit);
        }
        return std::nullopt;
    }

    // False: the id was not in use, so the peer answers what was never asked.
    bool give_back(std::int16_t id) noexcept
    {
        if (!is_in_use(id)) return false;
        const auto index = static_cast<std::size_t>(id);
        free_[index / 64] |= 1ull << (index % 64);
        if (index / 64 < first_) first_ = index / 64;
        --in_use_;
        return true;
    }

    bool is_in_use(std::int16_t id) const noexcept
    {
        if (id < 0 || static_cast<std::size_t>(id) >= count_) return false;
        const auto index = static_cast<std::size_t>(id);
        return (free_[index / 64] >> (index % 64) & 1) == 0;
    }

    std::size_t count() const noexcept { return count_; }
    std::size_t in_use() const noexcept { return in_use_; }

private:
    std::size_t count_;
    std::size_t in_use_{0};
    std::size_t first_{0};             // no free id before this word
    std::vector<std::uint64_t> free_;  // one bit per id
};

}  // namespace dualwrite::protocol
