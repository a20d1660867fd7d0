#ifndef DUALWRITE_C_RULES_H
#define DUALWRITE_C_RULES_H

/*
 * The proxy's decisions without the proxy, for a gateway that does the I/O itself: which way a
 * statement goes, which write time it gets, how the request is changed, what an answer means. No
 * call here does I/O, reads a clock or makes a thread. Rules: dualwrite/dualwrite.h.
 */

#include <dualwrite/c/statement.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is known of tables: which have counters and lists. One thread at a time. */
typedef struct dw_tables dw_tables;

DW_API int dw_tables_new(dw_tables** out, dw_error* err);
DW_API void dw_tables_free(dw_tables** tables);

/*
 * Adds a row of the source's system_schema.columns; a table whose columns are all added is known.
 *
 * keyspace, table, column, type  as the row has them: names without quotes, "frozen<list<int>>"
 *
 * Threads: one at a time.
 * Returns DW_OK, DW_E_INVALID_ARGUMENT (NULL) or DW_E_NO_MEMORY.
 */
DW_API int dw_tables_add_column(
    dw_tables* tables,
    const char* keyspace,
    const char* table,
    const char* column,
    const char* type,
    dw_error* err
);

#define DW_ROUTE_PASS 0u      /* changes no data of the user's: to the source alone */
#define DW_ROUTE_REPLAY 1u    /* the same mutation with the same write time to both */
#define DW_ROUTE_UNDECIDED 2u /* REPLAY or REFRESH: the table is not in `tables` */
#define DW_ROUTE_REFRESH 3u   /* to the source; its state is then read and written to the target */
#define DW_ROUTE_SCHEMA 4u    /* the same text to both, behind all that was written before */
#define DW_ROUTE_UNREPLICATED 5u /* to the source alone, and the target differs from then on */

/*
 * Where a statement goes (docs/architecture.md, "Which write goes which way"). A batch goes where
 * the most demanding of its children does.
 *
 * route     one DW_ROUTE_*
 * reason    why it is REFRESH, UNREPLICATED, or a PASS worth counting; else "". Static. May be NULL
 * keyspace  the connection's, for statements that name none; NULL: it has none
 * tables    NULL: none is known
 *
 * Threads: any, while nobody changes `tables`.
 * Returns DW_OK, DW_E_INVALID_ARGUMENT or DW_E_NO_MEMORY.
 */
DW_API int dw_route(
    uint32_t* route,
    const char** reason,
    const dw_statement* statement,
    const char* keyspace,
    const dw_tables* tables,
    dw_error* err
);

/*
 * The clock of write times: strictly growing, shaped as a server's (millisecond * 1000 and a
 * sequence), so that no lightweight transaction of the same millisecond is shadowed.
 */
typedef struct dw_clock dw_clock;

/* `high_water_us` is the highest value that an earlier run may have given out; 0: none did. */
DW_API int dw_clock_new(dw_clock** out, int64_t high_water_us, dw_error* err);
DW_API void dw_clock_free(dw_clock** clock);

/*
 * The write time, microseconds since 1970, of a write at `now_ms`, milliseconds since 1970.
 *
 * Threads: any, without locks.
 * Returns DW_OK or DW_E_INVALID_ARGUMENT (NULL, a time before 1970 or after the year 140000).
 */
DW_API int dw_clock_next(int64_t* writetime_us, dw_clock* clock, int64_t now_ms, dw_error* err);

/* All later values are above those of `now_ms`: to be called when the source has answered a
 * lightweight transaction. Else as dw_clock_next. */
DW_API int dw_clock_fence(dw_clock* clock, int64_t now_ms, dw_error* err);

/* No value above this one was given out. Keep it, with a margin, for the next run. */
DW_API int dw_clock_high_water(int64_t* writetime_us, const dw_clock* clock, dw_error* err);

#define DW_NOW_UNCHANGED INT32_MIN /* now_in_seconds stays as it is */
#define DW_TIMES_GROWTH_MAX 12u    /* bytes by which a request grows at most */

/*
 * Copies the body of a QUERY, EXECUTE or BATCH with another default timestamp
 * (native_protocol_v5.spec 4.1.4, flag 0x20), so that source and target get the same write time.
 *
 * out        `capacity` bytes; size + DW_TIMES_GROWTH_MAX suits all. May not overlap `body`
 * out_size   how many were written
 * body       of the envelope, not compressed; `size` bytes
 * version    3, 4 or 5; flags, opcode: of the envelope's header
 * now_s      seconds since 1970 from which TTLs count; version 5 only, else DW_NOW_UNCHANGED
 *
 * Threads: any.
 * Returns DW_OK, or
 *   DW_E_PROTOCOL          the body is not such a request
 *   DW_E_INVALID_ARGUMENT  NULL, another opcode, or `capacity` is too small
 */
DW_API int dw_request_set_times(
    void* out,
    size_t capacity,
    size_t* out_size,
    const void* body,
    size_t size,
    uint8_t version,
    uint8_t flags,
    uint8_t opcode,
    int64_t writetime_us,
    int32_t now_s,
    dw_error* err
);

/* Random bits that nobody can foresee. Called on the caller's thread, only during the call. */
typedef uint64_t (*dw_random_fn)(void* user);

/*
 * Makes a statement independent of when, where and over which connection it is executed: puts the
 * keyspace before names without one, and evaluates now(), uuid() and current_...() once.
 *
 * out       free it by dw_free()
 * keyspace  without quotes; NULL or "": names stay as they are
 * now_ms    milliseconds since 1970: the moment at which functions are evaluated
 * random    NULL: the operating system's
 *
 * Threads: any.
 * Returns DW_OK, or
 *   DW_E_UNSUPPORTED       such a function stands where its value cannot be put: refresh instead
 *   DW_E_INVALID_ARGUMENT  NULL, 4 GiB and more, or a time before 1970
 *   DW_E_INTERNAL          `random` has thrown a C++ exception
 */
DW_API int dw_make_independent(
    char** out,
    const char* cql,
    size_t size,
    const char* keyspace,
    int64_t now_ms,
    dw_random_fn random,
    void* user,
    dw_error* err
);

#define DW_OUTCOME_APPLIED 0u /* will reach every replica: replicate it */
#define DW_OUTCOME_VOID 1u    /* no replica got anything: forget it */
#define DW_OUTCOME_UNKNOWN 2u /* either: send it to the source again with the same write time */

/*
 * What an ERROR of the source says about the write that it answers. A code of a newer server is
 * DW_OUTCOME_UNKNOWN, never VOID.
 *
 * code        native_protocol_v5.spec 8
 * write_type  of a write timeout, as "BATCH"; "" for all other errors
 * several     1: the statement may write more than one partition (DW_FACT_SEVERAL)
 *
 * Threads: any. Returns DW_OK or DW_E_INVALID_ARGUMENT.
 */
DW_API int dw_source_outcome(
    uint32_t* outcome, uint32_t code, const char* write_type, uint32_t several, dw_error* err
);

#define DW_TARGET_DONE 0u
#define DW_TARGET_RETRY 1u     /* send it again, with a growing delay */
#define DW_TARGET_REPREPARE 2u /* prepare it at the target, then send it again at once */
#define DW_TARGET_REREAD 3u    /* it must not be repeated: refresh from the source */
#define DW_TARGET_PERMANENT 4u /* it will be refused again: keep it for people */

/*
 * What to do with a mutation after an ERROR of the target.
 *
 * delay_ms    what the server asked for (RetryAfterMs=); 0: your own schedule. May be NULL
 * text        of the error, `text_size` bytes; NULL if there is none
 * repeatable  1: it carries its write time; 0: counters, appends to lists
 *
 * Threads: any. Returns DW_OK or DW_E_INVALID_ARGUMENT.
 */
DW_API int dw_target_action(
    uint32_t* action,
    int64_t* delay_ms,
    uint32_t code,
    const char* text,
    size_t text_size,
    uint32_t repeatable,
    dw_error* err
);

#ifdef __cplusplus
}
#endif

#endif
