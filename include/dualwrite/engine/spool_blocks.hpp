#pragma once

#include <dualwrite/base/assert.hpp>
#include <dualwrite/base/bytes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

// The parts of a log that are in memory, and the pool that they come from.

namespace dualwrite::engine {

// A place in a log.
struct spool_position {
    std::uint64_t segment{0};
    std::uint64_t offset{0};
    friend auto operator<=>(const spool_position&, const spool_position&) = default;
};

// Whole records of one segment, as they stand in its file from `begin` on.
struct spool_block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t capacity{0};
    std::size_t used{0};
    std::size_t written{0};  // what the file has; the reader sees no more than this
    spool_position begin;
    std::uint64_t last_handed_out{0};  // lsn of the last intent that has a view into this block
    std::unique_ptr<spool_block> next;

    spool_position end() const noexcept { return {begin.segment, begin.offset + used}; }
    std::size_t room() const noexcept { return capacity - used; }
};

// The blocks of a log in the order of their positions:
//
//     handed out, not released | reader's | gap: only in the files | not read yet ... writer's
//
// Memory is taken from the system only when more blocks are in use than ever before.
class spool_blocks {
public:
    spool_blocks(std::size_t block_size, std::uint64_t memory_max) noexcept
        : block_size_(block_size), memory_max_(memory_max)
    {
    }
    ~spool_blocks()
    {
        // One by one: the list may be long, and a recursive destructor would use up the stack.
        while (head_) head_ = std::move(head_->next);
    }
    spool_blocks(const spool_blocks&) = delete;
    spool_blocks& operator=(const spool_blocks&) = delete;

    spool_block* head() noexcept { return head_.get(); }
    spool_block* tail() noexcept { return tail_; }
    std::uint64_t size_bytes() const noexcept { return size_bytes_; }

    // Adds a block with room for `size_min` bytes at the end.
    spool_block& push_back(std::size_t size_min, spool_position begin)
    {
        auto block = take(size_min, begin);
        auto* const added = block.get();
        (tail_ != nullptr ? tail_->next : head_) = std::move(block);
        tail_ = added;
        return *added;
    }

    // Adds one behind `before`; null: at the front.
    spool_block& insert(spool_block* before, std::size_t size_min, spool_position begin)
    {
        auto block = take(size_min, begin);
        auto* const added = block.get();
        auto& link = before != nullptr ? before->next : head_;
        added->next = std::move(link);
        link = std::move(block);
        if (added->next == nullptr) tail_ = added;
        return *added;
    }

    // Frees what lies before `reader` and has no views above `released_lsn`.
    void release(const spool_block* reader, std::uint64_t released_lsn)
    {
        while (head_.get() != reader && head_ && head_->last_handed_out <= released_lsn) {
            DW_ASSERT(head_.get() != tail_);
            give_back(std::exchange(head_, std::move(head_->next)));
        }
    }

    // After a commit, when memory is short: frees the blocks between the reader's and the writer's;
    // they will be read from the files when their turn comes.
    void drop_unread(spool_block* reader)
    {
        if (size_bytes_ <= memory_max_) return;
        auto& link = reader != nullptr ? reader->next : head_;
        while (link && link.get() != tail_) {
            DW_ASSERT(link->written == link->used);
            give_back(std::exchange(link, std::move(link->next)));
        }
    }

    // Frees `block`, which follows `before` (null: is the first) and has no views.
    void remove_after(spool_block* before)
    {
        auto& link = before != nullptr ? before->next : head_;
        DW_ASSERT(link);
        if (link.get() == tail_) tail_ = before;
        give_back(std::exchange(link, std::move(link->next)));
    }

private:
    static constexpr std::size_t pooled_max = 16;

    std::unique_ptr<spool_block> take(std::size_t size_min, spool_position begin)
    {
        std::unique_ptr<spool_block> block;
        if (size_min <= block_size_ && !pool_.empty()) {
            block = std::move(pool_.back());
            pool_.pop_back();
        } else {
            block = std::make_unique<spool_block>();
            block->capacity = std::max(size_min, block_size_);
            block->bytes = std::make_unique_for_overwrite<std::byte[]>(block->capacity);
        }
        block->used = block->written = 0;
        block->last_handed_out = 0;
        block->begin = begin;
        size_bytes_ += block->capacity;
        return block;
    }

    void give_back(std::unique_ptr<spool_block> block)
    {
        size_bytes_ -= block->capacity;
        if (block->capacity == block_size_ && pool_.size() < pooled_max)
            pool_.push_back(std::move(block));
    }

    // Constant after construction.
    std::size_t block_size_;
    std::uint64_t memory_max_;

    std::unique_ptr<spool_block> head_;
    spool_block* tail_{nullptr};
    std::uint64_t size_bytes_{0};
    std::vector<std::unique_ptr<spool_block>> pool_;
};

}  // namespace dualwrite::engine
