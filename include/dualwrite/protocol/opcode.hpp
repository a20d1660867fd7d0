#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace dualwrite::protocol {

enum class opcode : std::uint8_t {
    error = 0x00,
    startup = 0x01,
    ready = 0x02,
    authenticate = 0x03,
    options = 0x05,
    supported = 0x06,
    query = 0x07,
    result = 0x08,
    prepare = 0x09,
    execute = 0x0a,
    register_ = 0x0b,
    event = 0x0c,
    batch = 0x0d,
    auth_challenge = 0x0e,
    auth_response = 0x0f,
    auth_success = 0x10,
};

inline constexpr int version_min = 3;
inline constexpr int version_max = 5;

// 0x04 was CREDENTIALS in version 1 and has no meaning since.
constexpr bool is_known(std::uint8_t op) noexcept
{
    return op <= 0x10 && op != 0x04;
}

constexpr bool is_request(opcode op) noexcept
{
    switch (op) {
    case opcode::startup:
    case opcode::options:
    case opcode::query:
    case opcode::prepare:
    case opcode::execute:
    case opcode::register_:
    case opcode::batch:
    case opcode::auth_response:
        return true;
    default:
        return false;
    }
}

constexpr std::string_view opcode_name(opcode op) noexcept
{
    constexpr std::array<std::string_view, 17> names{
        "ERROR",
        "STARTUP",
        "READY",
        "AUTHENTICATE",
        "UNKNOWN",
        "OPTIONS",
        "SUPPORTED",
        "QUERY",
        "RESULT",
        "PREPARE",
        "EXECUTE",
        "REGISTER",
        "EVENT",
        "BATCH",
        "AUTH_CHALLENGE",
        "AUTH_RESPONSE",
        "AUTH_SUCCESS"};
    const auto index = static_cast<std::size_t>(op);
    return index < names.size() ? names[index] : "UNKNOWN";
}

enum class consistency : std::uint16_t {
    any = 0x00,
    one = 0x01,
    two = 0x02,
    three = 0x03,
    quorum = 0x04,
    all = 0x05,
    local_quorum = 0x06,
    each_quorum = 0x07,
    serial = 0x08,
    local_serial = 0x09,
    local_one = 0x0a,
};

inline constexpr std::array<std::string_view, 11> consistency_names{
    "ANY",
    "ONE",
    "TWO",
    "THREE",
    "QUORUM",
    "ALL",
    "LOCAL_QUORUM",
    "EACH_QUORUM",
    "SERIAL",
    "LOCAL_SERIAL",
    "LOCAL_ONE"};

constexpr bool is_known_consistency(std::uint16_t value) noexcept
{
    return value < consistency_names.size();
}

constexpr bool is_serial(consistency level) noexcept
{
    return level == consistency::serial || level == consistency::local_serial;
}

constexpr std::string_view consistency_name(consistency level) noexcept
{
    const auto index = static_cast<std::size_t>(level);
    return index < consistency_names.size() ? consistency_names[index] : "UNKNOWN";
}

// Accepts the names in any case.
constexpr std::optional<consistency> parse_consistency(std::string_view text) noexcept
{
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; };
    for (std::size_t i = 0; i < consistency_names.size(); ++i) {
        const auto name = consistency_names[i];
        bool same = name.size() == text.size();
        for (std::size_t k = 0; same && k < name.size(); ++k) same = upper(text[k]) == name[k];
        if (same) return static_cast<consistency>(i);
    }
    return std::nullopt;
}

enum class error_code : std::int32_t {
    server_error = 0x0000,
    protocol_error = 0x000a,
    bad_credentials = 0x0100,
    unavailable = 0x1000,
    overloaded = 0x1001,
    is_bootstrapping = 0x1002,
    truncate_error = 0x1003,
    write_timeout = 0x1100,
    read_timeout = 0x1200,
    read_failure = 0x1300,
    function_failure = 0x1400,
    write_failure = 0x1500,
    cdc_write_failure = 0x1600,
    cas_write_unknown = 0x1700,
    syntax_error = 0x2000,
    unauthorized = 0x2100,
    invalid = 0x2200,
    config_error = 0x2300,
    already_exists = 0x2400,
    unprepared = 0x2500,
};

constexpr std::string_view error_code_name(error_code code) noexcept
{
    switch (code) {
    case error_code::server_error:
        return "server error";
    case error_code::protocol_error:
        return "protocol error";
    case error_code::bad_credentials:
        return "bad credentials";
    case error_code::unavailable:
        return "unavailable";
    case error_code::overloaded:
        return "overloaded";
    case error_code::is_bootstrapping:
        return "is bootstrapping";
    case error_code::truncate_error:
        return "truncate error";
    case error_code::write_timeout:
        return "write timeout";
    case error_code::read_timeout:
        return "read timeout";
    case error_code::read_failure:
        return "read failure";
    case error_code::function_failure:
        return "function failure";
    case error_code::write_failure:
        return "write failure";
    case error_code::cdc_write_failure:
        return "CDC write failure";
    case error_code::cas_write_unknown:
        return "CAS write unknown";
    case error_code::syntax_error:
        return "syntax error";
    case error_code::unauthorized:
        return "unauthorized";
    case error_code::invalid:
        return "invalid";
    case error_code::config_error:
        return "configuration error";
    case error_code::already_exists:
        return "already exists";
    case error_code::unprepared:
        return "unprepared";
    }
    return "unknown error";
}

}  // namespace dualwrite::protocol
