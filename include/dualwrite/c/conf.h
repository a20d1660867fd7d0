#ifndef DUALWRITE_C_CONF_H
#define DUALWRITE_C_CONF_H

/* Configuration and log. Rules: dualwrite/dualwrite.h. */

#include <dualwrite/c/result.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DW_LOG_DEBUG 0
#define DW_LOG_INFO 1
#define DW_LOG_WARNING 2
#define DW_LOG_ERROR 3

/*
 * Receives one line: no line end, valid during the call only. Called on the library's threads,
 * from several at once, and before dw_X_start returns on the caller's. It must not block for long:
 * the thread that calls it serves clients. Lines never hold bound values, credentials or whole
 * statements. Levels under the key `log-level` are not sent.
 */
typedef void (*dw_log_fn)(int level, const char* text, size_t size, void* user);

/*
 * What a command is told: key and value, both text. A key is the long flag of the programs without
 * its dashes ("source-port"); its environment variable is DUALWRITE_SOURCE_PORT. `source` and
 * `target` are the positionals: HOST, HOST:PORT or [IPV6]:PORT. New versions bring new keys, not
 * new functions: pass through what your users write. docs/cli.md lists all keys.
 *
 * Values: numbers in decimal; true/yes/on/1 and false/no/off/0 in any case; sizes with B, KiB,
 * MiB, GiB, TiB or KB, MB, GB, TB ("16GiB"); durations with ms, s, min, h ("30s"); lists with
 * commas.
 */
typedef struct dw_conf dw_conf;

#define DW_COMMAND_PROXY 1u
#define DW_COMMAND_COPY 2u
#define DW_COMMAND_VALIDATE 4u
#define DW_COMMAND_REPLAY 8u /* deliver what is in the spool of a proxy that does not run */
#define DW_COMMAND_RETRY 16u /* deliver dead letters */
#define DW_COMMAND_CHECK 32u /* dw_conf_try() only: look at both sides, try the target */
#define DW_COMMAND_RUNS 64u  /* dw_runs_list() only */

/*
 * A configuration of one command with its defaults. `command` is one DW_COMMAND_*.
 *
 * Threads: any; one conf is used by one thread at a time.
 * Returns DW_OK, DW_E_INVALID_ARGUMENT or DW_E_NO_MEMORY.
 */
DW_API int dw_conf_new(dw_conf** out, uint32_t command, dw_error* err);
DW_API void dw_conf_free(dw_conf** conf);

/*
 * Sets `key` to `value`, replacing what was there. Keys are compared without regard to case, and
 * `_` stands for `-`. An empty text or list puts the default back. A failure leaves the conf as it
 * was.
 *
 * The key `config` names a YAML file of the same keys, which this call reads. Its values stand
 * behind those of the environment, and these behind those that calls set, in any order.
 *
 * Returns DW_OK, or
 *   DW_E_CONFIG       the key is unknown to this command, or the value does not fit its type
 *   DW_E_UNSUPPORTED  a documented key that this version accepts at its default only
 */
DW_API int dw_conf_set(dw_conf* conf, const char* key, const char* value, dw_error* err);

/* As dw_conf_set, but appends to a list. For keys that are no lists: DW_E_CONFIG. */
DW_API int dw_conf_add(dw_conf* conf, const char* key, const char* value, dw_error* err);

/*
 * The value in force, as text, default included; empty if there is none. Secrets are write-only:
 * "********" if one is set. Free `*out` by dw_free().
 */
DW_API int dw_conf_get(const dw_conf* conf, const char* key, char** out, dw_error* err);

/*
 * Reads the environment: DUALWRITE_ and the key in upper case, `-` as `_`. Variables of keys of
 * other commands are passed over. What was set by a call wins, before or after.
 *
 * Returns DW_OK, or what dw_conf_set says, with the variable's name in the text.
 */
DW_API int dw_conf_load_env(dw_conf* conf, dw_error* err);

/*
 * Checks the whole: required keys, combinations, files that must be readable, the state directory's
 * default. dw_proxy_start and dw_job_* do the same first.
 */
DW_API int dw_conf_check(const dw_conf* conf, dw_error* err);

#define DW_REPORT_TEXT 0u /* lines for people */
#define DW_REPORT_JSON 1u /* one object: docs/operations.md */
#define DW_REPORT_CQL 2u  /* dw_conf_try(): statements that make at the target what it lacks */

/*
 * Connects to both sides as the command would, looks, and starts and changes nothing; only with
 * DW_COMMAND_CHECK it also tries the target, in a table that it makes and drops (key `probe`).
 * Blocks, for about a minute at most where a side does not answer.
 *
 * format    one DW_REPORT_*
 * problems  how many things would not work; they are in the report. May be NULL
 * report    free it by dw_free()
 *
 * Threads: any; it does not use the log.
 * Returns DW_OK also where a side cannot be reached: that is what the report says. Or what
 * dw_conf_check returns.
 */
DW_API int
dw_conf_try(const dw_conf* conf, uint32_t format, size_t* problems, char** report, dw_error* err);

/*
 * Where log lines go; `log` NULL: nowhere. `user` must live until every handle that was started
 * from this conf is freed.
 */
DW_API int dw_conf_set_log(dw_conf* conf, dw_log_fn log, void* user, dw_error* err);

#define DW_TYPE_TEXT 0u
#define DW_TYPE_BOOLEAN 1u
#define DW_TYPE_NUMBER 2u
#define DW_TYPE_SIZE 3u
#define DW_TYPE_DURATION 4u
#define DW_TYPE_CHOICE 5u

#define DW_KEY_SECRET 1u      /* never show its value */
#define DW_KEY_LIST 2u        /* may be given several times */
#define DW_KEY_POSITIONAL 4u  /* the programs take it without a flag, in the order of the table */
#define DW_KEY_REQUIRED 8u    /* has no default and must be set */
#define DW_KEY_PLANNED 16u    /* documented, but accepted at its default only */
#define DW_KEY_DOCUMENTED 32u /* of the Java tool's command line, which dualwrite-proxy keeps */

/* One line of the table of keys. All texts are static and never NULL. */
typedef struct dw_key {
    uint32_t struct_size;
    uint32_t type;            /* DW_TYPE_* */
    uint32_t flags;           /* DW_KEY_* */
    uint32_t reserved;        /* 0 */
    const char* name;         /* "metrics-port" */
    const char* short_name;   /* "mp", "" if none */
    const char* group;        /* heading in the help */
    const char* value_name;   /* "PORT", "FILE", "full|ca|none" */
    const char* default_text; /* "" if none */
    const char* help;         /* one or two sentences */
} dw_key;
/* clang-format off */
#define DW_KEY_INIT { (uint32_t)sizeof(dw_key), 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL }
/* clang-format on */

/* The key number `index` of the conf's command: DW_OK, or DW_NOT_YET behind the last one. */
DW_API int dw_conf_keys(const dw_conf* conf, size_t index, dw_key* out, dw_error* err);

#ifdef __cplusplus
}
#endif

#endif
