#include "copy_reader.hpp"

#include <algorithm>
#include <chrono>

namespace dualwrite::engine {

namespace {

// Bytes that a page aims at: large enough that its request costs nothing, small enough that many
// ranges can be read at once.
constexpr std::size_t page_size_wanted = std::size_t{512} * 1024;

}  // namespace

std::int64_t now_seconds()
{
    using namespace std::chrono;
    return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

page_reader::page_reader(
    table_reader& reader,
    cql_prepared_ptr statement,
    protocol::value_list values,
    std::uint32_t node,
    std::int64_t now_s
)
    : reader_(reader), statement_(std::move(statement)), values_(std::move(values)), node_(node),
      now_s_(now_s)
{
}

asio::awaitable<bool> page_reader::next(cql_failure& why)
{
    protocol::write_parameters parameters{.consistency = reader_.level};
    parameters.values = values_.bytes();
    parameters.value_count = values_.count();
    parameters.skip_metadata = true;
    parameters.page_size = static_cast<std::int32_t>(reader_.page_rows);
    if (!paging_state_.empty()) parameters.paging_state = paging_state_.view();
    parameters.now_in_seconds = static_cast<std::int32_t>(now_s_);
    page_now_s_ = reader_.from->facts().version >= 5 ? now_s_ : now_seconds();

    at_.reset();
    rows_.reset();
    page_ = co_await reader_.from->execute(statement_, parameters, node_, why);
    if (!page_) co_return false;
    auto rows = protocol::parse_rows(page_->message.view(), &statement_->columns);
    if (!rows || rows->metadata().column_count != reader_.layout.value_count) {
        why = {
            .error = errc::malformed, .code = 0, .text = "rows of another shape", .write_type = {}};
        co_return false;
    }
    rows_.emplace(*std::move(rows));
    at_.emplace(rows_->begin());
    if (rows_->metadata().new_metadata_id) {
        statement_->result_metadata_id.clear();
        statement_->result_metadata_id.append(*rows_->metadata().new_metadata_id);
    }
    paging_state_.clear();
    last_ = !rows_->metadata().paging_state;
    if (!last_) paging_state_.append(*rows_->metadata().paging_state);
    adapt_page();
    co_return true;
}

void page_reader::adapt_page()
{
    if (rows_->empty()) return;
    const auto row_size = std::max<std::size_t>(1, page_->message.size() / rows_->size());
    const auto fitting = static_cast<std::uint32_t>(
        std::clamp<std::size_t>(page_size_wanted / row_size, 1, reader_.page_rows_max)
    );
    // Down at once, up in steps: the next rows may be larger than these.
    reader_.page_rows = std::min({fitting, reader_.page_rows * 4, reader_.page_rows_max});
}

bool page_reader::read(copy::row& out, cql_failure& why)
{
    if (!at_ || *at_ == rows_->end()) return false;
    (**at_).read(cells_);
    ++*at_;
    const auto parsed = copy::parse_row(*reader_.table, reader_.layout, cells_, page_now_s_, out);
    if (!parsed)
        why = {
            .error = parsed.error(), .code = 0, .text = "a row of another shape", .write_type = {}};
    return static_cast<bool>(parsed);
}

cql_failure outside_of_range()
{
    return {
        .error = errc::malformed,
        .code = 0,
        .text = "a row came that is outside the range that was asked for",
        .write_type = {}};
}

}  // namespace dualwrite::engine
