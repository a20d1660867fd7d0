#include <dualwrite/engine/check.hpp>

#include "conf.hpp"
#include "guard.hpp"
#include "live.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

int dw_conf_try(
    const dw_conf* conf, uint32_t format, size_t* problems, char** report_out, dw_error* err
)
{
    return guard(err, [&] {
        if (problems != nullptr) *problems = 0;
        if (report_out == nullptr) return null_argument(err, "report");
        *report_out = nullptr;
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        if (format > DW_REPORT_CQL)
            return report(err, DW_E_INVALID_ARGUMENT, "format is not one DW_REPORT_*");
        if (conf->values.for_command() == engine::command::runs)
            return report(err, DW_E_INVALID_ARGUMENT, "conf was made for another command");
        std::string why;
        const auto request = make_check_request(conf->values, engine::process_environment, why);
        if (!request) return report(err, request.error(), why);
        const auto found = engine::check_clusters(*request);
        if (problems != nullptr) *problems = found.problems.size();
        if (format == DW_REPORT_JSON) return give_text(report_out, check_json(found));
        if (format == DW_REPORT_CQL) return give_text(report_out, check_cql(found));
        const bool is_long = conf->values.for_command() == engine::command::check;
        return give_text(report_out, is_long ? check_long_text(found) : check_text(found));
    });
}
