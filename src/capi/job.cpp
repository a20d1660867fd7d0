#include <memory>

#include "conf.hpp"
#include "gate.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

struct dw_job {
    std::unique_ptr<engine::job> engine;
    gate calls;
    live alive{};
};

static_assert(DW_JOB_RUNNING == static_cast<unsigned>(engine::job_state::running));
static_assert(DW_JOB_SUCCEEDED == static_cast<unsigned>(engine::job_state::succeeded));
static_assert(DW_JOB_DIFFERENT == static_cast<unsigned>(engine::job_state::different));
static_assert(DW_JOB_FAILED == static_cast<unsigned>(engine::job_state::failed));
static_assert(DW_JOB_CANCELLED == static_cast<unsigned>(engine::job_state::cancelled));

namespace {

// The gate counts calls also on handles that are const for the caller.
dw_job* inside(const dw_job* job) noexcept
{
    return const_cast<dw_job*>(job);
}

// `make` reads the options, `run` starts the engine's job.
template <class Make, class Run>
int start(
    dw_job** out, const dw_conf* conf, engine::command expected, Make make, Run run, dw_error* err
)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        if (conf->values.for_command() != expected)
            return report(err, DW_E_INVALID_ARGUMENT, "conf was made for another command");
        std::string why;
        const auto options = make(conf->values, engine::process_environment, why);
        if (!options) return report(err, options.error(), why);

        auto handle = std::make_unique<dw_job>();
        auto started = run(*options, log_sink_of(*conf), why);
        if (!started) return report(err, started.error(), why);
        handle->engine = *std::move(started);
        *out = handle.release();
        return DW_OK;
    });
}

dw_job_progress to_c(const engine::job_progress& from)
{
    dw_job_progress to = DW_JOB_PROGRESS_INIT;
    to.state = static_cast<std::uint32_t>(from.state);
    to.ranges_total = from.ranges_total;
    to.ranges_done = from.ranges_done;
    to.ranges_failed = from.ranges_failed;
    to.ranges_skipped = from.ranges_skipped;
    to.rows = from.rows;
    to.rows_estimated = from.rows_estimated;
    to.cells = from.cells;
    to.bytes = from.bytes;
    to.retries = from.retries;
    to.missing = from.missing;
    to.extra = from.extra;
    to.differing = from.differing;
    to.rechecked = from.rechecked;
    to.repaired = from.repaired;
    to.elapsed_s = from.elapsed_s;
    to.done_fraction = from.done_fraction;
    to.rows_per_s = from.rows_per_second;
    to.eta_s = from.eta_s;
    const auto table = cut_utf8(from.table, sizeof to.table - 1);
    std::copy(table.begin(), table.end(), to.table);
    return to;
}

}  // namespace

int dw_job_copy(dw_job** out, const dw_conf* conf, dw_error* err)
{
    return start(
        out, conf, engine::command::copy, engine::make_copy_options, engine::job::copy, err
    );
}

int dw_job_validate(dw_job** out, const dw_conf* conf, dw_error* err)
{
    return start(
        out,
        conf,
        engine::command::validate,
        engine::make_validate_options,
        engine::job::validate,
        err
    );
}

int dw_job_merge(const dw_conf* conf, const char* report_json, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        if (report_json == nullptr) return null_argument(err, "report_json");
        if (conf->values.for_command() != engine::command::copy)
            return report(err, DW_E_INVALID_ARGUMENT, "conf was made for another command");
        std::string why;
        const auto options =
            engine::make_copy_options(conf->values, engine::process_environment, why);
        if (!options) return report(err, options.error(), why);
        const auto merged = engine::job::merge(*options, report_json, why);
        if (merged) return DW_OK;
        return merged.error() == make_error_code(errc::invalid_argument)
                   ? report(err, DW_E_INVALID_ARGUMENT, why)
                   : report(err, merged.error(), why);
    });
}

int dw_job_wait(dw_job* job, int64_t timeout_ms, dw_error* err)
{
    return guard_call(job, "job", err, [&] {
        const bool ended = job->engine->wait(timeout_ms);
        if (job->calls.is_shut())
            return report(err, DW_E_SHUTDOWN, "the handle is being freed by another thread");
        return ended ? DW_OK : DW_NOT_YET;
    });
}

int dw_job_set_pace(dw_job* job, const dw_conf* conf, dw_error* err)
{
    return guard_call(job, "job", err, [&] {
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        if (conf->values.for_command() != engine::command::copy)
            return report(err, DW_E_INVALID_ARGUMENT, "conf was made for another command");
        engine::copy_options pace;
        engine::read_pace(conf->values, pace);
        if (job->engine->set_pace(pace)) return DW_OK;
        return report(err, DW_E_UNSUPPORTED, "a validation has no limits");
    });
}

int dw_job_cancel(dw_job* job, dw_error* err)
{
    return guard_call(job, "job", err, [&] {
        job->engine->cancel();
        return DW_OK;
    });
}

void dw_job_free(dw_job** job)
{
    const std::unique_ptr<dw_job> handle(take_handle(job));
    if (!handle) return;
    handle->calls.shut();
    // Lets calls of dw_job_wait() return. A failure here is a bug of the engine.
    guard(nullptr, [&] {
        handle->engine->cancel();
        return DW_OK;
    });
    handle->calls.wait_until_empty();
}

int dw_job_get_progress(const dw_job* job, dw_job_progress* out, dw_error* err)
{
    return guard_call(inside(job), "job", err, [&] {
        if (const int code = check_struct(err, out, "out"); code != DW_OK) return code;
        return give(out, to_c(job->engine->progress()));
    });
}

int dw_job_error(const dw_job* job, char** out, dw_error* err)
{
    return guard_call(inside(job), "job", err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        return give_text(out, job->engine->progress().error);
    });
}

int dw_job_report_json(const dw_job* job, char** out, dw_error* err)
{
    return guard_call(inside(job), "job", err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        return give_text(out, job->engine->report_json());
    });
}
