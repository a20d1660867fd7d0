#include "files.hpp"

#include <dualwrite/dualwrite.h>

#include <cstdio>

#include "handles.hpp"

namespace dualwrite::program {

namespace {

constexpr int exit_found = 1;

void print_line(const char* text, std::size_t size, void*)
{
    std::fwrite(text, 1, size, stdout);
    std::fputc('\n', stdout);
}

void print(const file_request& request, const char* report)
{
    std::fputs(report, stdout);
    if (request.has("json")) std::fputc('\n', stdout);
}

std::uint32_t format_of(const file_request& request)
{
    return request.has("json") ? DW_REPORT_JSON : DW_REPORT_TEXT;
}

int inspect(const file_request& request)
{
    std::size_t damages = 0;
    char* report = nullptr;
    const auto writes = request.has("show-values") ? print_line : nullptr;
    check([&](dw_error* err) {
        return dw_spool_inspect(
            request.paths[0].c_str(), format_of(request), writes, nullptr, &damages, &report, err
        );
    });
    print(request, text_handle(report).get());
    return damages == 0 ? 0 : exit_found;
}

int salvage(const file_request& request)
{
    std::uint64_t lost = 0;
    char* report = nullptr;
    check([&](dw_error* err) {
        return dw_spool_salvage(
            request.paths[0].c_str(),
            request.paths[1].c_str(),
            format_of(request),
            &lost,
            &report,
            err
        );
    });
    print(request, text_handle(report).get());
    return lost == 0 ? 0 : exit_found;
}

std::uint32_t letter_flags(const file_request& request)
{
    return (request.has("all") ? DW_LETTERS_APPLIED : 0) |
           (request.has("json") ? DW_LETTERS_JSON : 0);
}

int list_letters(const file_request& request)
{
    std::uint64_t open = 0;
    check([&](dw_error* err) {
        return dw_letters_list(
            request.paths[0].c_str(), letter_flags(request), print_line, nullptr, &open, err
        );
    });
    return open == 0 ? 0 : exit_found;
}

int export_letters(const file_request& request)
{
    check([&](dw_error* err) {
        return dw_letters_export(
            request.paths[0].c_str(), letter_flags(request), print_line, nullptr, err
        );
    });
    return 0;
}

}  // namespace

std::size_t paths_of(const std::string& verb)
{
    return verb == "spool salvage" ? 2 : 1;
}

int run_on_files(const file_request& request)
{
    if (request.verb == "dead-letters list") return list_letters(request);
    if (request.verb == "dead-letters export") return export_letters(request);
    return request.verb == "spool salvage" ? salvage(request) : inspect(request);
}

}  // namespace dualwrite::program
