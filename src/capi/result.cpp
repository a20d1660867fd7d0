#include <cstdlib>

#include "guard.hpp"

#define DW_STRINGIZE_2(x) #x
#define DW_STRINGIZE(x) DW_STRINGIZE_2(x)

const char* dw_version(void)
{
    return DW_STRINGIZE(DW_API_VERSION_MAJOR) "." DW_STRINGIZE(DW_API_VERSION_MINOR
    ) "." DW_STRINGIZE(DW_API_VERSION_PATCH);
}

const char* dw_code_name(int code)
{
    struct name {
        int code;
        const char* text;
    };
    static constexpr name names[] = {
        {DW_OK, "DW_OK"},
        {DW_NOT_YET, "DW_NOT_YET"},
        {DW_E_INVALID_ARGUMENT, "DW_E_INVALID_ARGUMENT"},
        {DW_E_CONFIG, "DW_E_CONFIG"},
        {DW_E_UNSUPPORTED, "DW_E_UNSUPPORTED"},
        {DW_E_NO_MEMORY, "DW_E_NO_MEMORY"},
        {DW_E_INTERNAL, "DW_E_INTERNAL"},
        {DW_E_SHUTDOWN, "DW_E_SHUTDOWN"},
        {DW_E_CANCELLED, "DW_E_CANCELLED"},
        {DW_E_PROTOCOL, "DW_E_PROTOCOL"},
        {DW_E_CONNECT, "DW_E_CONNECT"},
        {DW_E_AUTHENTICATION, "DW_E_AUTHENTICATION"},
        {DW_E_TIMEOUT, "DW_E_TIMEOUT"},
        {DW_E_SERVER, "DW_E_SERVER"},
        {DW_E_LOCKED, "DW_E_LOCKED"},
        {DW_E_NEWER_FORMAT, "DW_E_NEWER_FORMAT"},
        {DW_E_CORRUPT, "DW_E_CORRUPT"},
        {DW_E_FULL, "DW_E_FULL"},
        {DW_E_MISMATCH, "DW_E_MISMATCH"},
        {DW_E_SYSTEM, "DW_E_SYSTEM"},
    };
    for (const auto& known : names)
        if (known.code == code) return known.text;
    return "DW_E_INTERNAL";
}

void dw_free(char* text)
{
    std::free(text);
}
