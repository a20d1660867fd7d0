#include "clock_reader.hpp"

#include <dualwrite/protocol/rows.hpp>

namespace dualwrite::engine {

namespace {

constexpr std::int64_t interval_ms = 1000;

}  // namespace

void clock_reader::tick()
{
    if (asked_ || !wants_source() || on_.steady_ms() < next_ms_) return;
    auto* link = source_.pick();
    if (link == nullptr) return;
    asked_ = true;
    link_user* self = this;
    auto& body = link->begin_request({self, 0, 0, on_.steady_ms()});
    protocol::append_query_body(
        body,
        link->version(),
        "SELECT toUnixTimestamp(now()) FROM system.local",
        {.consistency = protocol::consistency::one}
    );
    link->finish_request(protocol::opcode::query);
}

void clock_reader::on_answer(
    cluster_link&,
    const link_request& request,
    const protocol::envelope_header& header,
    bytes_view message
)
{
    asked_ = false;
    const auto now = on_.steady_ms();
    next_ms_ = now + interval_ms;
    if (header.op != protocol::opcode::result) return;
    const auto rows = protocol::parse_rows(message);
    if (!rows || rows->metadata().column_count != 1) return;
    for (const auto row : *rows)
        for (const auto cell : row)
            if (cell && cell->size() == 8)
                shared_.source_said(request.sent_ms, now, load_be<std::int64_t>(cell->data()));
}

}  // namespace dualwrite::engine
