#include "job_part.hpp"

#include <dualwrite/protocol/response.hpp>

namespace dualwrite::engine {

namespace {

constexpr std::int32_t page_rows = 5000;

// The tokens of one page, and where the next one begins; false: no bigint stands there.
bool take_tokens(const protocol::rows_view& rows, copy::range_set& found, byte_buffer& paging_state)
{
    std::vector<protocol::cell> cells;
    for (auto row : rows) {
        row.read(cells);
        if (cells.size() != 1 || !cells[0] || cells[0]->size() != 8) return false;
        const auto at = load_be<std::int64_t>(cells[0]->data());
        // The least token of all is never a key's.
        if (at == copy::token_min.value) return false;
        found.add({{at - 1}, {at}});
    }
    paging_state.clear();
    if (rows.metadata().paging_state) paging_state.append(*rows.metadata().paging_state);
    return true;
}

std::string select_tokens_text(const copy::table_model& table, const std::string& where)
{
    std::string key;
    for (std::size_t i = 0; i < table.partition_count; ++i)
        key += (i == 0 ? "" : ", ") + copy::cql_identifier(table.columns[i].name);
    return "SELECT token(" + key + ") FROM " + table.cql_name() + " WHERE " + where +
           " PER PARTITION LIMIT 1";
}

}  // namespace

ring_part named_part(const job_options& options)
{
    ring_part out;
    if (options.token_ranges.empty()) return out;
    out.wanted.emplace();
    for (const auto& range : options.token_ranges) out.wanted->add(range);
    return out;
}

asio::awaitable<bool> find_partitions(
    cql_cluster& side,
    const copy::table_model& table,
    std::string where,
    copy::range_set& found,
    cql_failure& why
)
{
    const auto text = select_tokens_text(table, where);
    const auto statement = co_await side.prepare(text, why);
    if (!statement) co_return false;
    byte_buffer paging_state;
    do {
        protocol::write_parameters parameters{.consistency = protocol::consistency::local_quorum};
        parameters.skip_metadata = true;
        parameters.page_size = page_rows;
        if (!paging_state.empty()) parameters.paging_state = paging_state.view();
        const auto reply = co_await side.execute(statement, parameters, 0, why);
        if (!reply) co_return false;
        const auto rows = protocol::parse_rows(reply->message.view(), &statement->columns);
        if (!rows || !take_tokens(*rows, found, paging_state)) {
            why = {
                .error = errc::malformed,
                .code = 0,
                .text = "rows of another shape",
                .write_type = {}};
            co_return false;
        }
    } while (!paging_state.empty());
    co_return true;
}

}  // namespace dualwrite::engine
