#include "dead_letter.hpp"

#include <dualwrite/protocol/opcode.hpp>
#include <dualwrite/protocol/query_parameters.hpp>

#include <nlohmann/json.hpp>

#include <array>

namespace dualwrite::engine {

namespace {

using nlohmann::json;

constexpr std::array batch_names{"logged", "unlogged", "counter"};
constexpr std::string_view hex_digits = "0123456789abcdef";

json describe(const protocol::bound_value& value)
{
    if (value.is == protocol::bound_value::state::null) return nullptr;
    if (value.is == protocol::bound_value::state::unset) return "unset";
    std::string hex = "0x";
    for (const auto byte : value.bytes) {
        hex += hex_digits[std::to_integer<std::size_t>(byte >> 4)];
        hex += hex_digits[std::to_integer<std::size_t>(byte & std::byte{15})];
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
    if (!values.empty() && its.types.size() == values.size()) out["types"] = its.types;
    if (!values.empty()) out["values"] = std::move(values);
    if (its.named_values) out["names"] = std::move(names);
    return out;
}

// Puts one value behind the others as a request carries it. False: it is none.
bool append_value(std::string& out, const json& value)
{
    const auto append_size = [&](std::int32_t size) {
        std::array<std::byte, 4> bytes;
        store_be(bytes.data(), size);
        out += as_text(bytes);
    };
    if (value.is_null()) return append_size(-1), true;
    if (!value.is_string()) return false;
    const std::string_view text = value.get_ref<const std::string&>();
    if (text == "unset") return append_size(-2), true;
    if (!text.starts_with("0x") || text.size() % 2 != 0) return false;
    append_size(static_cast<std::int32_t>((text.size() - 2) / 2));
    for (std::size_t i = 2; i < text.size(); i += 2) {
        const auto high = hex_digits.find(text[i]);
        const auto low = hex_digits.find(text[i + 1]);
        if (high == text.npos || low == text.npos) return false;
        out += static_cast<char>(high << 4 | low);
    }
    return true;
}

void append_name(std::string& out, const std::string& name)
{
    std::array<std::byte, 2> size;
    store_be(size.data(), static_cast<std::uint16_t>(name.size()));
    out += as_text(size);
    out += name;
}

bool read_statement(const json& from, kept_statement& out)
{
    from.at("text").get_to(out.text);
    const auto values = from.value("values", json::array());
    const auto names = from.value("names", json::array());
    out.named_values = from.contains("names");
    if (out.named_values && names.size() != values.size()) return false;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (out.named_values) append_name(out.values, names[i].get<std::string>());
        if (!append_value(out.values, values[i])) return false;
    }
    out.types = from.value("types", std::vector<std::string>{});
    return true;
}

bool read_object(const json& from, read_letter& out)
{
    auto& letter = out.letter;
    from.at("table").get_to(letter.table);
    from.at("reason").get_to(letter.reason);
    from.at("time_s").get_to(out.time_s);
    letter.detail = from.value("detail", "");
    letter.writetime_us = from.value("writetime_us", replication::writetime_in_text);
    letter.accepted_ms = from.value("accepted_ms", std::int64_t{0});
    for (const auto& its : from.at("statements"))
        if (!read_statement(its, letter.statements.emplace_back())) return false;
    if (const auto batch = from.value("batch", std::string()); !batch.empty())
        for (std::size_t i = 0; i < batch_names.size(); ++i)
            if (batch == batch_names[i]) letter.batch = static_cast<std::uint8_t>(i);
    if (const auto level = protocol::parse_consistency(from.value("consistency", std::string())))
        letter.consistency = static_cast<std::uint16_t>(*level);
    return true;
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
    if (letter.writetime_us != replication::writetime_in_text)
        line["writetime_us"] = letter.writetime_us;
    if (letter.accepted_ms > 0) line["accepted_ms"] = letter.accepted_ms;
    if (letter.batch && *letter.batch < batch_names.size())
        line["batch"] = batch_names[*letter.batch];
    if (letter.consistency)
        line["consistency"] =
            protocol::consistency_name(static_cast<protocol::consistency>(*letter.consistency));
    return line.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<read_letter> parse_letter(std::string_view line)
{
    read_letter out;
    const auto from = json::parse(line, nullptr, false);
    if (!from.is_object()) return fail(errc::malformed);
    try {
        if (!read_object(from, out)) return fail(errc::malformed);
    } catch (const json::exception&) {
        return fail(errc::malformed);
    }
    return out;
}

// FNV-1a, 64 bits.
std::string letter_id(std::string_view line)
{
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : line) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    std::string out;
    for (int shift = 60; shift >= 0; shift -= 4) out += hex_digits[hash >> shift & 15];
    return out;
}

}  // namespace dualwrite::engine
