#ifndef DUALWRITE_C_JOB_H
#define DUALWRITE_C_JOB_H

/* Copy and validation. Rules: dualwrite/dualwrite.h. */

#include <dualwrite/c/conf.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A copy or a validation that runs on threads of its own. */
typedef struct dw_job dw_job;

/*
 * Starts to copy a keyspace, or some of its tables, from the source to the target, with the write
 * time and expiry of each cell. What an earlier run under the same state directory has done is
 * not done again.
 *
 * out, conf  as for dw_proxy_start; the conf is of DW_COMMAND_COPY.
 *
 * Threads: any.
 * Returns DW_OK as soon as it runs (whether it succeeds is in dw_job_progress), or
 *   DW_E_CONFIG, DW_E_UNSUPPORTED                what dw_conf_check finds
 *   DW_E_CONNECT, DW_E_AUTHENTICATION, DW_E_SERVER, DW_E_TIMEOUT
 *                                                a side cannot be worked with; nothing was changed
 *   DW_E_LOCKED, DW_E_MISMATCH, DW_E_NEWER_FORMAT, DW_E_CORRUPT, DW_E_SYSTEM   the ledger
 */
DW_API int dw_job_copy(dw_job** out, const dw_conf* conf, dw_error* err);

/* Starts to compare both sides; the conf is of DW_COMMAND_VALIDATE. Else as dw_job_copy. */
DW_API int dw_job_validate(dw_job** out, const dw_conf* conf, dw_error* err);

/*
 * Adds to the ledger of a copy what a job elsewhere has done of it. So a copy is spread over
 * machines: one job with the key `plan` makes the ledger and reports the ranges; jobs with some of
 * them as `token-range`, each under a state directory of its own, do them; their reports come here.
 *
 * conf         of DW_COMMAND_COPY, the one of the plan: it says where the ledger lies
 * report_json  what dw_job_report_json() gave; the same report may come twice
 *
 * Threads: any; blocks while it writes the file.
 * Returns DW_OK, or
 *   DW_E_INVALID_ARGUMENT                      no report of a copy of this keyspace
 *   DW_E_LOCKED, DW_E_MISMATCH, DW_E_NEWER_FORMAT, DW_E_CORRUPT, DW_E_FULL   the ledger
 *   what dw_conf_check finds
 */
DW_API int dw_job_merge(const dw_conf* conf, const char* report_json, dw_error* err);

/*
 * Waits until the job has ended, at most `timeout_ms`; negative: for ever.
 *
 * Threads: any.
 * Returns DW_OK (ended, however: see dw_job_progress.state), DW_NOT_YET (time over), or
 *   DW_E_SHUTDOWN  dw_job_free was called meanwhile
 */
DW_API int dw_job_wait(dw_job* job, int64_t timeout_ms, dw_error* err);

/* Asks the job to end soon and returns at once. Ranges that are done stay done: the same command
 * continues. Threads: any. */
DW_API int dw_job_cancel(dw_job* job, dw_error* err);

/*
 * How fast a copy goes from now on: the keys `rate`, `rate-bytes` and `rate-units` of `conf`, which
 * is of DW_COMMAND_COPY; its other keys are not looked at.
 *
 * Threads: any. Returns DW_OK, DW_E_INVALID_ARGUMENT (another command), or
 *   DW_E_UNSUPPORTED  a validation
 */
DW_API int dw_job_set_pace(dw_job* job, const dw_conf* conf, dw_error* err);

/* Cancels, waits for the job's threads and releases everything. Threads: any, but not one of the
 * library's. */
DW_API void dw_job_free(dw_job** job);

#define DW_JOB_RUNNING 0u
#define DW_JOB_SUCCEEDED 1u /* everything is copied; both sides are equal */
#define DW_JOB_DIFFERENT 2u /* validation: differences were found */
#define DW_JOB_FAILED 3u    /* not complete: the text of dw_job_error() names the range */
#define DW_JOB_CANCELLED 4u

typedef struct dw_job_progress {
    uint32_t struct_size;
    uint32_t state;          /* DW_JOB_* */
    uint64_t ranges_total;   /* token ranges over all tables; grows while tables are planned */
    uint64_t ranges_done;    /* by this run */
    uint64_t ranges_failed;  /* given up by this run; a rerun tries them again */
    uint64_t ranges_skipped; /* done by an earlier run */
    uint64_t rows;           /* copied, or compared */
    uint64_t rows_estimated; /* in all; 0: not known */
    uint64_t cells;
    uint64_t bytes;     /* of values */
    uint64_t retries;   /* requests sent again */
    uint64_t missing;   /* rows only at the source */
    uint64_t extra;     /* rows only at the target */
    uint64_t differing; /* rows that differ in a value, write time or expiry */
    uint64_t rechecked; /* differences that were gone at a second look: they were lag */
    double elapsed_s;
    double done_fraction; /* of the whole job, 0 to 1 */
    double rows_per_s;    /* lately */
    double eta_s;         /* time that it still takes; negative: not known yet */
    char table[128];      /* in work; ends in NUL, cut if longer, empty before the first */
    uint64_t repaired;    /* rows that differed and were made equal */
} dw_job_progress;
/* clang-format off */
#define DW_JOB_PROGRESS_INIT \
    { (uint32_t)sizeof(dw_job_progress), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, \
      -1.0, { 0 }, 0 }
/* clang-format on */

/* A snapshot, also after the end. Threads: any. */
DW_API int dw_job_get_progress(const dw_job* job, dw_job_progress* out, dw_error* err);

/* Why the job failed, empty if it did not. Free `*out` by dw_free(). Threads: any. */
DW_API int dw_job_error(const dw_job* job, char** out, dw_error* err);

/* The report as one JSON object (docs/operations.md), also while the job runs. Free `*out` by
 * dw_free(). Threads: any. */
DW_API int dw_job_report_json(const dw_job* job, char** out, dw_error* err);

/*
 * What copies and validations have run under a state directory (key `state-dir`) and those right
 * under it, how they ended, and what their ledgers hold. Changes nothing; they may be running.
 *
 * conf        of DW_COMMAND_RUNS
 * format      DW_REPORT_TEXT or DW_REPORT_JSON
 * unfinished  jobs whose newest run is neither complete nor running. May be NULL
 * report      free it by dw_free()
 *
 * Threads: any.
 * Returns DW_OK, or DW_E_CONFIG (no such directory), DW_E_MISMATCH (a file in it cannot be read).
 */
DW_API int dw_runs_list(
    const dw_conf* conf, uint32_t format, size_t* unfinished, char** report, dw_error* err
);

#ifdef __cplusplus
}
#endif

#endif
