#pragma once

#include <dualwrite/copy/row_compare.hpp>

#include "copy_reader.hpp"

namespace dualwrite::engine {

// The rows of a range or a partition as a sequence of items in ring order: for each partition its
// static columns, if it has some, then its rows.
class row_stream {
public:
    enum class state : std::uint8_t { item, needs_page, ended };

    row_stream(const copy::table_model& table, page_reader pages)
        : table_(table), pages_(std::move(pages))
    {
    }

    state at() const noexcept { return state_; }
    const copy::row& row() const noexcept { return row_; }
    bool is_static() const noexcept { return is_static_; }
    std::span<const copy::atom> atoms() const noexcept
    {
        return is_static_ ? row_.statics : row_.regulars;
    }
    copy::row_place place() const noexcept
    {
        const auto clustering = std::span(row_.keys).subspan(table_.partition_count);
        return {row_.at, row_.partition_key, clustering, is_static_};
    }
    // Bytes read since the last call.
    std::size_t take_bytes() noexcept { return std::exchange(bytes_, 0); }

    // To the next item, as far as the page goes.
    void advance(cql_failure& why)
    {
        if (state_ == state::item && is_static_ && row_.has_row) {
            is_static_ = false;
            return;
        }
        while (pages_.read(row_, why)) {
            const bool next_partition = !any_ || !equal(partition_.view(), row_.partition_key);
            if (next_partition) {
                any_ = true;
                partition_.clear();
                partition_.append(row_.partition_key);
            }
            is_static_ = next_partition && !row_.statics.empty();
            if (!is_static_ && !row_.has_row) continue;
            state_ = state::item;
            return;
        }
        state_ = pages_.last() ? state::ended : state::needs_page;
    }

    // Reads pages until there is an item or the end. False: see `why`.
    asio::awaitable<bool> fill(cql_failure& why)
    {
        while (state_ == state::needs_page) {
            const bool read = co_await pages_.next(why);
            bytes_ += pages_.page_size();
            if (read) advance(why);
            if (!read || why) co_return false;
        }
        co_return true;
    }

private:
    const copy::table_model& table_;
    page_reader pages_;
    copy::row row_;
    state state_{state::needs_page};
    bool is_static_{false};
    bool any_{false};
    byte_buffer partition_;  // of the last row
    std::size_t bytes_{0};
};

// Which of two streams comes next; equal: both do. Not when both have ended.
inline std::strong_ordering
front_order(const copy::table_model& table, const row_stream& a, const row_stream& b)
{
    if (a.at() == row_stream::state::ended) return std::strong_ordering::greater;
    if (b.at() == row_stream::state::ended) return std::strong_ordering::less;
    return copy::compare_places(table, a.place(), b.place());
}

}  // namespace dualwrite::engine
