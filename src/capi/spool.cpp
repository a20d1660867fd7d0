#include <dualwrite/engine/dead_letters.hpp>
#include <dualwrite/engine/spool_salvage.hpp>
#include <dualwrite/engine/spool_survey.hpp>

#include <chrono>

#include "guard.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

namespace {

std::int64_t now_ms()
{
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

bool is_format(std::uint32_t format) noexcept
{
    return format == DW_REPORT_TEXT || format == DW_REPORT_JSON;
}

constexpr std::uint32_t letter_flags = DW_LETTERS_APPLIED | DW_LETTERS_JSON;

engine::letters_wanted wanted_of(std::uint32_t flags) noexcept
{
    return {(flags & DW_LETTERS_APPLIED) != 0, (flags & DW_LETTERS_JSON) != 0};
}

engine::letter_sink sink_of(dw_line_fn line, void* user)
{
    if (line == nullptr) return {};
    return [line, user](const std::string& text) { line(text.data(), text.size(), user); };
}

constexpr auto bad_format = "format is not one DW_REPORT_*";

}  // namespace

int dw_spool_inspect(
    const char* state_dir,
    uint32_t format,
    dw_line_fn writes,
    void* user,
    size_t* damages,
    char** out,
    dw_error* err
)
{
    return guard(err, [&] {
        if (damages != nullptr) *damages = 0;
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (state_dir == nullptr) return null_argument(err, "state_dir");
        if (!is_format(format)) return report(err, DW_E_INVALID_ARGUMENT, bad_format);
        std::string why;
        engine::survey_line show;
        if (writes != nullptr)
            show = [&](const std::string& line) { writes(line.data(), line.size(), user); };
        const auto found = engine::survey_spool(state_dir, show, why);
        if (!found) return report(err, found.error(), why);
        if (damages != nullptr) *damages = found->damages();
        return give_text(
            out,
            format == DW_REPORT_TEXT ? survey_text(*found, now_ms()) : survey_json(*found, now_ms())
        );
    });
}

int dw_spool_salvage(
    const char* state_dir,
    const char* into,
    uint32_t format,
    uint64_t* lost,
    char** out,
    dw_error* err
)
{
    return guard(err, [&] {
        if (lost != nullptr) *lost = 0;
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (state_dir == nullptr) return null_argument(err, "state_dir");
        if (into == nullptr) return null_argument(err, "into");
        if (!is_format(format)) return report(err, DW_E_INVALID_ARGUMENT, bad_format);
        std::string why;
        const auto done = engine::salvage_spool(state_dir, into, why);
        if (!done) return report(err, done.error(), why);
        if (lost != nullptr) *lost = done->lost();
        return give_text(out, format == DW_REPORT_TEXT ? salvage_text(*done) : salvage_json(*done));
    });
}

int dw_letters_list(
    const char* state_dir,
    uint32_t flags,
    dw_line_fn line,
    void* user,
    uint64_t* open,
    dw_error* err
)
{
    return guard(err, [&] {
        if (open != nullptr) *open = 0;
        if (state_dir == nullptr) return null_argument(err, "state_dir");
        if ((flags & ~letter_flags) != 0)
            return report(err, DW_E_INVALID_ARGUMENT, "flags has an unknown bit");
        std::string why;
        const auto found =
            engine::list_letters(state_dir, wanted_of(flags), sink_of(line, user), why);
        if (!found) return report(err, found.error(), why);
        if (open != nullptr) *open = found->open;
        return DW_OK;
    });
}

int dw_letters_export(
    const char* state_dir, uint32_t flags, dw_line_fn line, void* user, dw_error* err
)
{
    return guard(err, [&] {
        if (state_dir == nullptr) return null_argument(err, "state_dir");
        if (line == nullptr) return null_argument(err, "line");
        if ((flags & ~letter_flags) != 0)
            return report(err, DW_E_INVALID_ARGUMENT, "flags has an unknown bit");
        std::string why;
        const auto done =
            engine::export_letters(state_dir, wanted_of(flags), sink_of(line, user), why);
        return done ? DW_OK : report(err, done.error(), why);
    });
}
