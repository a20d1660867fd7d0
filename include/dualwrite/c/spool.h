#ifndef DUALWRITE_C_SPOOL_H
#define DUALWRITE_C_SPOOL_H

/* The files of a proxy, without the proxy. Rules: dualwrite/dualwrite.h. */

#include <dualwrite/c/conf.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Receives one line, without its end, valid during the call only. Called on the caller's thread. */
typedef void (*dw_line_fn)(const char* text, size_t size, void* user);

/*
 * Looks at the spool of a state directory and changes nothing, also while a proxy works on it.
 *
 * state_dir  that of the proxy
 * format     one DW_REPORT_*
 * writes     NULL, or it receives each write that is not delivered, as one JSON object with its
 *            statement and values
 * damages    how many places are damaged, so that no proxy starts on it. May be NULL
 * out        the report, without any value; free it by dw_free()
 *
 * Threads: any.
 * Returns DW_OK, DW_E_CONFIG (not a state directory) or DW_E_SYSTEM (a file cannot be read).
 */
DW_API int dw_spool_inspect(
    const char* state_dir,
    uint32_t format,
    dw_line_fn writes,
    void* user,
    size_t* damages,
    char** out,
    dw_error* err
);

/*
 * Copies every write that is not delivered and can be verified into the new state directory `into`,
 * and the dead letters. `state_dir` is only read; no proxy may run on it.
 *
 * lost  how many writes could not be copied. May be NULL
 * out   the report: what was lost, by file and place; free it by dw_free()
 *
 * Threads: any. Blocks while it copies.
 * Returns DW_OK, DW_E_LOCKED, DW_E_CONFIG (not a state directory, or `into` has a spool),
 * DW_E_CORRUPT or DW_E_SYSTEM.
 */
DW_API int dw_spool_salvage(
    const char* state_dir,
    const char* into,
    uint32_t format,
    uint64_t* lost,
    char** out,
    dw_error* err
);

#define DW_LETTERS_APPLIED 1u /* those that a retry has applied, too */
#define DW_LETTERS_JSON 2u    /* lines of JSON, not for people */

/*
 * Lists the dead letters of a state directory: a line for each, without values, then one or several
 * with their counts. May run beside the proxy.
 *
 * flags  DW_LETTERS_*
 * line   NULL, or it receives the lines
 * open   how many are not applied. May be NULL
 *
 * Threads: any. Returns DW_OK, DW_E_CONFIG (not a state directory) or DW_E_SYSTEM.
 */
DW_API int dw_letters_list(
    const char* state_dir,
    uint32_t flags,
    dw_line_fn line,
    void* user,
    uint64_t* open,
    dw_error* err
);

/* Gives each letter as one JSON object with all values (docs/formats/dead_letters.md), and with the
 * statement as CQL where that says the same. Else as dw_letters_list; `line` is not NULL. */
DW_API int dw_letters_export(
    const char* state_dir, uint32_t flags, dw_line_fn line, void* user, dw_error* err
);

#ifdef __cplusplus
}
#endif

#endif
