#include "validate_report.hpp"

#include <dualwrite/protocol/value.hpp>

#include <nlohmann/json.hpp>

namespace dualwrite::engine {

namespace {

using nlohmann::json;

json times_of(std::int64_t writetime_us, std::int64_t expiry_s)
{
    json out = json::object();
    if (writetime_us != copy::no_writetime) out["writetime_us"] = writetime_us;
    if (expiry_s != copy::no_expiry) out["expires_s"] = expiry_s;
    return out;
}

json describe(const copy::table_model& table, const repair_preview& planned)
{
    json columns = json::array();
    for (const auto column : planned.columns) columns.push_back(table.columns[column].name);
    auto out = times_of(planned.writetime_us, planned.expiry_s);
    out["write"] = planned.write;
    out["columns"] = columns;
    return out;
}

json describe(const copy::table_model& table, const row_difference& found)
{
    json key = json::object();
    std::size_t next = 0;
    for (const auto* values : {&found.key.partition, &found.key.clustering})
        for (const auto& value : *values) {
            const auto& column = table.columns[next++];
            key[column.name] = protocol::display(column.type, as_bytes(value));
        }
    json columns = json::array();
    for (const auto& c : found.columns)
        columns.push_back(
            {{"column", table.columns[c.column].name},
             {"kind", copy::difference_name(c.kind)},
             {"source", times_of(c.source_writetime_us, c.source_expiry_s)},
             {"target", times_of(c.target_writetime_us, c.target_expiry_s)}}
        );
    json out{
        {"kind", copy::difference_name(found.kind)},
        {"keyspace", table.keyspace},
        {"table", table.name},
        {"token", token_of(found.key).value},
        {"key", key},
        {"columns", columns}};
    if (found.key.is_static) out["static"] = true;
    if (found.unsettled) out["unsettled"] = true;
    if (found.repaired) out["repaired"] = *found.repaired;
    if (!found.repair_failure.empty()) out["repair_failure"] = found.repair_failure;
    for (const auto& planned : found.would_write)
        out["would_write"].push_back(describe(table, planned));
    return out;
}

}  // namespace

bool validate_report::open(const std::string& path, std::uint64_t lines_max, std::string& why)
{
    path_ = path;
    lines_max_ = lines_max;
    file_.reset(std::fopen(path.c_str(), "we"));
    if (file_) return true;
    const std::error_code error(errno, std::generic_category());
    why = "cannot write the report " + path + ": " + error.message();
    return false;
}

void validate_report::add(const copy::table_model& table, const row_difference& found)
{
    ++counts_[static_cast<std::size_t>(found.kind)];
    if (found.key.is_static) ++statics_;
    if (found.unsettled) ++unsettled_;
    if (!found.would_write.empty()) ++would_repair_;
    if (total_++ >= lines_max_) return;
    // A key's text may be any bytes that Cassandra let in.
    const auto line =
        describe(table, found).dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
    if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()) write_failed_ = true;
}

bool validate_report::close()
{
    if (!file_) return true;
    if (std::fclose(file_.release()) != 0) write_failed_ = true;
    return !write_failed_;
}

}  // namespace dualwrite::engine
