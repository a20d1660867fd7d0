#pragma once

#include <cstddef>
#include <span>

// Which of the bugs of planted_bugs.txt is switched on.

namespace sim {

extern int planted_bug;  // by its place in the file, from 1; 0: none

inline bool is_planted(int number) noexcept
{
    return planted_bug == number;
}

// For one of them: the same values, without what makes unset ones different from nulls.
std::span<const std::byte> unset_to_null(std::span<const std::byte> values);

}  // namespace sim
