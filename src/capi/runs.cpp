#include <dualwrite/engine/runs.hpp>

#include "conf.hpp"
#include "guard.hpp"
#include "live.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

int dw_runs_list(
    const dw_conf* conf, uint32_t format, size_t* unfinished, char** report_out, dw_error* err
)
{
    return guard(err, [&] {
        if (unfinished != nullptr) *unfinished = 0;
        if (report_out == nullptr) return null_argument(err, "report");
        *report_out = nullptr;
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        if (conf->values.for_command() != engine::command::runs)
            return report(err, DW_E_INVALID_ARGUMENT, "conf was made for another command");
        if (format != DW_REPORT_TEXT && format != DW_REPORT_JSON)
            return report(err, DW_E_INVALID_ARGUMENT, "format is not one DW_REPORT_*");
        std::string why;
        const auto folder = state_dir(conf->values, engine::process_environment, why);
        if (!folder) return report(err, folder.error(), why);
        const auto found = engine::list_runs(*folder, why);
        if (!found) return report(err, found.error(), why);
        if (unfinished != nullptr) *unfinished = count_unfinished(*found);
        return give_text(
            report_out, format == DW_REPORT_TEXT ? runs_text(*found) : runs_json(*found)
        );
    });
}
