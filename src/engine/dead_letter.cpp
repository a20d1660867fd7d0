#include "dead_letter.hpp"

#include <dualwrite/protocol/query_parameters.hpp>

#include <nlohmann/json.hpp>

namespace dualwrite::engine {

namespace {

using nlohmann::json;

json describe(const protocol::bound_value& value)
{
    if (value.is == protocol::bound_value::state::null) return nullptr;
    if (value.is == protocol::bound_value::state::unset) return "unset";
    constexpr auto digits = "0123456789abcdef";
    std::string hex = "0x";
    for (const auto byte : value.bytes) {
        hex += digits[std::to_integer<unsigned>(byte) >> 4];
        hex += digits[std::to_integer<unsigned>(byte) & 15];
    }
    return hex;
}

json describe(const kept_statement& its)
{
    json out{{"text", its.text}};
    json values = json::array();
    json names = json::array();
    (void)protocol::for_each_value(
        as_bytes(its.values),
        its.named_values,
        [&](std::string_view name, const auto& value) {
            values.push_back(describe(value));
            names.push_back(name);
        }
    );
    if (!values.empty()) out["values"] = std::move(values);
    if (its.named_values) out["names"] = std::move(names);
    return out;
}

}  // namespace

std::string to_json_line(const dead_letter& letter, std::int64_t now_s)
{
    json statements = json::array();
    for (const auto& its : letter.statements) statements.push_back(describe(its));
    json line{
        {"time_s", now_s},
        {"table", letter.table},
        {"reason", letter.reason},
        {"statements", std::move(statements)}};
    if (!letter.detail.empty()) line["detail"] = letter.detail;
    if (letter.writetime_us > 0) line["writetime_us"] = letter.writetime_us;
    if (letter.accepted_ms > 0) line["accepted_ms"] = letter.accepted_ms;
    return line.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace dualwrite::engine
