#pragma once

#include <dualwrite/copy/row.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>
#include <dualwrite/protocol/response.hpp>

#include <optional>

namespace dualwrite::engine {

// Seconds since 1970.
std::int64_t now_seconds();

// What a table's rows are read with at one side.
struct table_reader {
    cql_cluster* from{nullptr};
    const copy::table_model* table{nullptr};
    copy::row_layout layout;
    protocol::consistency level{protocol::consistency::local_quorum};
    // Rows of a page: at most so many, fewer where rows are large. Shared by all readers of the
    // table, so what one learns about the size of rows holds for the others. Few at first: several
    // readers begin at once, and a row may have megabytes.
    std::uint32_t page_rows_max{1000};
    std::uint32_t page_rows{4};
};

// The rows that one statement selects, page by page. Read with the clock stopped at `now_s`: on
// version 5 the server judges expiry as of then, for all pages and for both sides of a comparison.
class page_reader {
public:
    page_reader(
        table_reader& reader,
        cql_prepared_ptr statement,
        protocol::value_list values,
        std::uint32_t node,
        std::int64_t now_s
    );

    // Reads the next page, perhaps an empty one. False: see `why`. Not after last().
    asio::awaitable<bool> next(cql_failure& why);
    bool last() const noexcept { return last_; }

    // The page's rows, one after another. Fills `out` and returns true, or false at the page's end
    // or (see `why`) at a row that makes no sense. `out` views the page.
    bool read(copy::row& out, cql_failure& why);
    std::size_t page_size() const noexcept { return page_ ? page_->message.size() : 0; }  // bytes

private:
    void adapt_page();

    table_reader& reader_;
    cql_prepared_ptr statement_;
    protocol::value_list values_;
    std::uint32_t node_;
    std::int64_t now_s_;
    std::int64_t page_now_s_{0};
    bool last_{false};
    byte_buffer paging_state_;
    std::optional<cql_reply> page_;
    std::optional<protocol::rows_view> rows_;
    std::optional<protocol::rows_view::iterator> at_;
    std::vector<protocol::cell> cells_;
};

// A row that has another token than was asked for: our idea of tokens is not the server's.
cql_failure outside_of_range();

}  // namespace dualwrite::engine
