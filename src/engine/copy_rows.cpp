#include "copy_rows.hpp"

namespace dualwrite::engine {

namespace {

std::string owned(bytes_view bytes)
{
    return std::string(as_text(bytes));
}

}  // namespace

copy::time_support time_support_of(const cql_cluster& from, const copy::table_model& table)
{
    if (table.counter) return copy::time_support::none;
    return from.facts().element_times() ? copy::time_support::elements : copy::time_support::cells;
}

row_key key_of(const copy::table_model& table, const copy::row& row, bool is_static)
{
    row_key key;
    key.is_static = is_static;
    for (std::size_t i = 0; i < row.keys.size(); ++i) {
        if (i < table.partition_count)
            key.partition.push_back(owned(row.keys[i]));
        else if (!is_static)
            key.clustering.push_back(owned(row.keys[i]));
    }
    return key;
}

copy::token token_of(const row_key& key)
{
    std::vector<bytes_view> values;
    for (const auto& value : key.partition) values.push_back(as_bytes(value));
    byte_buffer bytes;
    copy::append_partition_key(bytes, values);
    return copy::token_of(bytes.view());
}

row_access::row_access(
    cql_cluster& from, const copy::table_model& table, protocol::consistency level
)
    : table_(table)
{
    const auto times = time_support_of(from, table);
    for (auto* reader : {&reader_, &statics_}) {
        reader->from = &from;
        reader->table = &table_;
        reader->level = level;
    }
    reader_.layout = copy::make_row_layout(table_, times);
    statics_.layout = copy::make_row_layout(table_, times, copy::row_scope::statics);
}

asio::awaitable<bool> row_access::prepare(cql_failure& why)
{
    const auto row = copy::select_partition_text(table_, reader_.layout, table_.clustering_count);
    select_row_ = co_await from().prepare(row, why);
    if (!select_row_) co_return false;
    if (!table_.has_statics()) co_return true;
    const auto statics = copy::select_partition_text(table_, statics_.layout, 0);
    select_statics_ = co_await from().prepare(statics, why);
    co_return select_statics_ != nullptr;
}

std::unique_ptr<page_reader> row_access::open(
    table_reader& reader, cql_prepared_ptr statement, const row_key& key, std::int64_t now_s
)
{
    protocol::value_list values;
    for (const auto& value : key.partition) values.add(as_bytes(value));
    for (const auto& value : key.clustering) values.add(as_bytes(value));
    const auto node = reader.from->owner_of(token_of(key));
    return std::make_unique<page_reader>(
        reader, std::move(statement), std::move(values), node, now_s
    );
}

asio::awaitable<bool>
row_access::read(const row_key& key, std::int64_t now_s, fetched_row& out, cql_failure& why)
{
    out.exists = false;
    auto& reader = key.is_static ? statics_ : reader_;
    out.pages = open(reader, key.is_static ? select_statics_ : select_row_, key, now_s);
    const bool read = co_await out.pages->next(why);
    if (!read) co_return false;
    const bool found = out.pages->read(out.row, why);
    if (why) co_return false;
    out.exists = found && (key.is_static ? !out.row.statics.empty() : out.row.has_row);
    co_return true;
}

asio::awaitable<std::unique_ptr<page_reader>>
row_access::partition(const row_key& key, std::int64_t now_s, cql_failure& why)
{
    const auto text = copy::select_partition_text(table_, reader_.layout, key.clustering.size());
    auto statement = co_await from().prepare(text, why);
    if (!statement) co_return nullptr;
    co_return open(reader_, std::move(statement), key, now_s);
}

}  // namespace dualwrite::engine
