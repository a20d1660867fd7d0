#include "refresh_table.hpp"

#include <dualwrite/protocol/rows.hpp>

#include "asio_compat.hpp"

namespace dualwrite::engine {

namespace {

constexpr std::int32_t page_rows = 256;

}  // namespace

std::string partition_pages::text() const
{
    std::string key;
    for (std::size_t i = 0; i < table_.partition_count; ++i)
        key += (i == 0 ? "" : ", ") + copy::cql_identifier(table_.columns[i].name);
    return "SELECT DISTINCT " + key + " FROM " + table_.cql_name();
}

asio::awaitable<bool>
partition_pages::next(std::vector<std::vector<std::string>>& keys, cql_failure& why)
{
    keys.clear();
    if (!select_) select_ = co_await from_.prepare(text(), why);
    if (!select_) co_return false;
    protocol::write_parameters parameters{.consistency = protocol::consistency::local_quorum};
    parameters.page_size = page_rows;
    if (!paging_state_.empty()) parameters.paging_state = paging_state_.view();
    const auto page = co_await from_.execute(select_, parameters, 0, why);
    if (!page) co_return false;
    const auto rows = protocol::parse_rows(page->message.view(), &select_->columns);
    if (!rows || rows->metadata().column_count != table_.partition_count) {
        why = {
            .error = errc::malformed, .code = 0, .text = "rows of another shape", .write_type = {}};
        co_return false;
    }
    for (const auto row : *rows) {
        auto& key = keys.emplace_back();
        for (const auto cell : row) key.emplace_back(as_text(cell.value_or(bytes_view{})));
    }
    paging_state_.clear();
    last_ = !rows->metadata().paging_state;
    if (!last_) paging_state_.append(*rows->metadata().paging_state);
    co_return true;
}

}  // namespace dualwrite::engine
