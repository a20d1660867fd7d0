#pragma once

#include <dualwrite/copy/table_model.hpp>
#include <dualwrite/engine/cql_client_cluster.hpp>

#include <string>
#include <vector>

namespace dualwrite::engine {

// The keys of all partitions that a table has, page by page.
class partition_pages {
public:
    partition_pages(cql_cluster& from, const copy::table_model& table) : from_(from), table_(table)
    {
    }
    partition_pages(const partition_pages&) = delete;

    // Values of each key as a bound marker carries them. False: see `why`. Not after last().
    asio::awaitable<bool> next(std::vector<std::vector<std::string>>& keys, cql_failure& why);
    bool last() const noexcept { return last_; }

private:
    std::string text() const;

    cql_cluster& from_;
    const copy::table_model& table_;
    cql_prepared_ptr select_;
    byte_buffer paging_state_;
    bool last_{false};
};

}  // namespace dualwrite::engine
