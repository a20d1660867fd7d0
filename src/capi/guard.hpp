#pragma once

#include <dualwrite/base/error.hpp>
#include <dualwrite/dualwrite.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

// The wall between C++ and C: results and exceptions become codes and texts.

namespace dualwrite::capi {

// Size of each struct when it was first published: a smaller struct_size was not set by
// DW_..._INIT. tests/capi/structs.cpp keeps them.
template <class T> inline constexpr std::uint32_t first_size = 0;
template <> inline constexpr std::uint32_t first_size<dw_error> = 520;
template <> inline constexpr std::uint32_t first_size<dw_key> = 64;
template <> inline constexpr std::uint32_t first_size<dw_proxy_progress> = 48;
template <> inline constexpr std::uint32_t first_size<dw_job_progress> = 272;
template <> inline constexpr std::uint32_t first_size<dw_envelope> = 32;
template <> inline constexpr std::uint32_t first_size<dw_segment> = 24;
template <> inline constexpr std::uint32_t first_size<dw_facts> = 64;
template <> inline constexpr std::uint32_t first_size<dw_write> = 64;

// At most `size_max` bytes that do not end inside a UTF-8 character.
inline std::string_view cut_utf8(std::string_view text, std::size_t size_max) noexcept
{
    if (text.size() <= size_max) return text;
    auto size = size_max;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
    return text.substr(0, size);
}

// Leaves `code` and `message` in `err` and returns the code.
inline int report(dw_error* err, int code, std::string_view message) noexcept
{
    if (err == nullptr || err->struct_size < first_size<dw_error>) return code;
    err->code = code;
    message = cut_utf8(message, sizeof err->message - 1);
    std::copy(message.begin(), message.end(), err->message);
    err->message[message.size()] = '\0';
    return code;
}

inline int code_of(std::error_code error) noexcept
{
    if (error == std::errc::not_enough_memory) return DW_E_NO_MEMORY;
    if (error.category() != category()) return DW_E_SYSTEM;
    switch (static_cast<errc>(error.value())) {
    case errc::malformed:
    case errc::bad_version:
    case errc::bad_opcode:
    case errc::body_too_large:
    case errc::bad_crc:
    case errc::bad_compression:
    case errc::unknown_compression:
    case errc::unexpected_message:
        return DW_E_PROTOCOL;
    case errc::connect_failed:
    case errc::connection_lost:
    case errc::handshake_failed:
        return DW_E_CONNECT;
    case errc::authentication_failed:
        return DW_E_AUTHENTICATION;
    case errc::timed_out:
        return DW_E_TIMEOUT;
    case errc::server_error:
        return DW_E_SERVER;
    case errc::unsupported:
        return DW_E_UNSUPPORTED;
    case errc::spool_locked:
        return DW_E_LOCKED;
    case errc::spool_version:
        return DW_E_NEWER_FORMAT;
    case errc::spool_corrupt:
        return DW_E_CORRUPT;
    case errc::spool_full:
        return DW_E_FULL;
    case errc::ledger_mismatch:
        return DW_E_MISMATCH;
    case errc::invalid_argument:
        return DW_E_CONFIG;
    case errc::cancelled:
        return DW_E_CANCELLED;
    case errc::shutdown:
        return DW_E_SHUTDOWN;
    }
    return DW_E_INTERNAL;
}

// `why` is the engine's sentence; without one, the error's own words.
inline int report(dw_error* err, std::error_code error, std::string_view why)
{
    return why.empty() ? report(err, code_of(error), error.message())
                       : report(err, code_of(error), why);
}

// Runs `body` so that no exception crosses the C boundary.
template <class Body> int guard(dw_error* err, Body&& body) noexcept
try {
    report(err, DW_OK, "");
    return std::forward<Body>(body)();
} catch (const std::bad_alloc&) {
    return report(err, DW_E_NO_MEMORY, "out of memory");
} catch (const std::system_error& e) {
    return report(err, DW_E_SYSTEM, e.what());
} catch (const std::exception& e) {
    return report(err, DW_E_INTERNAL, e.what());
} catch (...) {
    return report(err, DW_E_INTERNAL, "unknown exception");
}

inline int null_argument(dw_error* err, std::string_view name)
{
    return report(err, DW_E_INVALID_ARGUMENT, std::string(name) + " is NULL");
}

// Checks a struct that the caller made.
template <class T> int check_struct(dw_error* err, const T* out, std::string_view name)
{
    if (out == nullptr) return null_argument(err, name);
    if (out->struct_size >= first_size<T>) return DW_OK;
    const auto text = std::string(name) + "->struct_size is not set; use the struct's DW_..._INIT";
    return report(err, DW_E_INVALID_ARGUMENT, text);
}

// Gives the caller as much of `value` as its struct has room for.
template <class T> int give(T* out, T value) noexcept
{
    value.struct_size = out->struct_size;
    std::memcpy(out, &value, std::min<std::size_t>(out->struct_size, sizeof value));
    return DW_OK;
}

// A copy that dw_free() releases.
inline int give_text(char** out, std::string_view text)
{
    auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
    if (copy == nullptr) throw std::bad_alloc();
    std::copy(text.begin(), text.end(), copy);
    copy[text.size()] = '\0';
    *out = copy;
    return DW_OK;
}

}  // namespace dualwrite::capi
