#include "asio_compat.hpp"
#include "copy_repair.hpp"

namespace dualwrite::engine {

namespace {

std::string_view name_of(copy::repair_kind kind)
{
    using copy::repair_kind;
    switch (kind) {
    case repair_kind::insert:
        return "insert";
    case repair_kind::update:
        return "update";
    case repair_kind::update_static:
        return "update static";
    case repair_kind::delete_row:
        return "delete row";
    case repair_kind::delete_column:
        return "delete column";
    case repair_kind::delete_element:
        return "delete element";
    case repair_kind::delete_field:
        return "delete field";
    }
    return "unknown";
}

repair_preview describe(const copy::repair_write& write)
{
    repair_preview out{
        .write = name_of(write.kind),
        .columns = {},
        .writetime_us = write.writetime_us,
        .expiry_s = write.expiry_s};
    for (const auto* a : write.atoms)
        if (out.columns.empty() || out.columns.back() != a->column)
            out.columns.push_back(a->column);
    return out;
}

}  // namespace

asio::awaitable<void>
table_repair::preview(row_key key, std::vector<repair_preview>& out, repair_result& result)
{
    const repair_hint none;
    row_pair pair;
    const bool read = co_await read_pair(key, none, pair, result.failure);
    if (!read) co_return;
    ++result.rows;
    if (table_.counter) {
        preview_counters(pair, key.is_static, out);
        co_return;
    }
    copy::repair_plan plan;
    const auto* source_row = pair.source.exists ? &pair.source.row : nullptr;
    const auto* target_row = pair.target.exists ? &pair.target.row : nullptr;
    const auto options = options_for(none, 0, pair.read_at_us);
    plan.assign(table_, source_row, target_row, key.is_static, options);
    if (!plan.problem().empty()) {
        result.failure = {
            .error = errc::unsupported, .code = 0, .text = plan.problem(), .write_type = {}};
        co_return;
    }
    result.newer_at_target = plan.newer_at_target();
    for (const auto& write : plan.writes()) out.push_back(describe(write));
}

}  // namespace dualwrite::engine
