#pragma once

#include <dualwrite/base/assert.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace dualwrite {

// A first-in first-out queue that keeps its memory: std::deque allocates and frees a block every
// few elements as it moves on. Single-threaded.
template <class T> class ring {
public:
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }

    void push(T value)
    {
        if (size_ == slots_.size()) grow();
        slots_[(first_ + size_) & (slots_.size() - 1)] = std::move(value);
        ++size_;
    }

    T& front() noexcept
    {
        DW_ASSERT(size_ != 0);
        return slots_[first_];
    }

    T pop()
    {
        T value = std::move(front());
        first_ = (first_ + 1) & (slots_.size() - 1);
        --size_;
        return value;
    }

    // The i-th element from the front.
    T& operator[](std::size_t i) noexcept
    {
        DW_ASSERT(i < size_);
        return slots_[(first_ + i) & (slots_.size() - 1)];
    }

    void clear() noexcept { first_ = size_ = 0; }

private:
    void grow()
    {
        std::vector<T> larger(slots_.empty() ? 16 : slots_.size() * 2);
        for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
        slots_ = std::move(larger);
        first_ = 0;
    }

    std::vector<T> slots_;  // size: 0 or a power of two
    std::size_t first_{0};
    std::size_t size_{0};
};

}  // namespace dualwrite
