#ifndef DUALWRITE_C_SPOOL_WRITER_H
#define DUALWRITE_C_SPOOL_WRITER_H

/*
 * The durable queue of writes, for a gateway that does the I/O itself. The order of things:
 *
 *   append, commit       before the source sees the write
 *   settle, commit       when the source has answered
 *   finish               when the target has it, if the gateway brings it there itself
 *
 * What is not finished when the writer is freed, however the process ends, a proxy without clients
 * delivers: dw_proxy_start() with DW_COMMAND_REPLAY on the same state directory. Writes that are
 * not settled it sends to both sides. Rules: dualwrite/dualwrite.h.
 */

#include <dualwrite/c/rules.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The spool of a state directory, open for writing. One thread at a time. */
typedef struct dw_spool_writer dw_spool_writer;

#define DW_SPOOL_FSYNC 1u /* writes survive the loss of power, too; dw_spool_commit waits for it   \
                           */

/*
 * Opens it; makes it if there is none. What earlier runs have left in it stays there.
 *
 * state_dir  of this gateway alone
 * size_max   bytes of all its files; 0: 16 GiB
 * flags      0 or DW_SPOOL_FSYNC
 *
 * Threads: any; it starts some of its own.
 * Returns DW_OK, or
 *   DW_E_LOCKED                       another process uses the directory
 *   DW_E_NEWER_FORMAT, DW_E_CORRUPT   it cannot be continued; nothing was changed
 *   DW_E_CONFIG                       size_max is too small
 *   DW_E_SYSTEM                       it cannot be made or written
 */
DW_API int dw_spool_open(
    dw_spool_writer** out, const char* state_dir, uint64_t size_max, uint32_t flags, dw_error* err
);

/* Closes it; what is not committed is lost. Threads: any. */
DW_API void dw_spool_close(dw_spool_writer** writer);

/* A write, independent of the connection that it came on. */
typedef struct dw_write {
    uint32_t struct_size;
    uint32_t value_count; /* bind values */
    const char* cql;      /* names its keyspace, see dw_make_independent(); cql_size bytes */
    size_t cql_size;
    const void* values; /* as in a QUERY, each with its length before it; values_size bytes */
    size_t values_size;
    int64_t writetime_us; /* INT64_MIN: the text says it (USING TIMESTAMP) */
    int64_t accepted_ms;  /* since 1970; TTLs count from then */
    uint16_t consistency; /* native_protocol_v5.spec 3, [consistency] */
    uint8_t named_values; /* 1: each value has its name before it */
    uint8_t reserved[5];  /* 0 */
} dw_write;
/* clang-format off */
#define DW_WRITE_INIT \
    { (uint32_t)sizeof(dw_write), 0, NULL, 0, NULL, 0, INT64_MIN, 0, 0x0001, 0, { 0 } }
/* clang-format on */

/*
 * Takes a write in; it is safe when dw_spool_commit() has returned.
 *
 * number  of this write from now on: 1, 2, 3 ...
 *
 * Threads: one at a time.
 * Returns DW_OK, or
 *   DW_E_INVALID_ARGUMENT  NULL, no write (dw_route() says PASS, SCHEMA or UNREPLICATED), values
 *                          that are none, more than 65535 of them, or 256 MiB and more
 *   DW_E_FULL              size_max or the disk is reached: answer the client OVERLOADED
 */
DW_API int
dw_spool_append(uint64_t* number, dw_spool_writer* writer, const dw_write* write, dw_error* err);

/*
 * What the source has answered; the first answer counts. DW_OUTCOME_UNKNOWN changes nothing.
 * Returns DW_OK or DW_E_INVALID_ARGUMENT (no such write, no such outcome). Threads: one at a time.
 */
DW_API int
dw_spool_settle(dw_spool_writer* writer, uint64_t number, uint32_t outcome, dw_error* err);

/* The target has it, or it was kept for people. Else as dw_spool_settle. */
DW_API int dw_spool_finish(dw_spool_writer* writer, uint64_t number, dw_error* err);

/*
 * Writes what has come since the last time, in one call of the system; returns at once if that is
 * nothing.
 *
 * Threads: one at a time; blocks with DW_SPOOL_FSYNC.
 * Returns DW_OK, or
 *   DW_E_SYSTEM  it cannot be written, now and from now on: end, and start again
 */
DW_API int dw_spool_commit(dw_spool_writer* writer, dw_error* err);

/* Writes that are not finished. Threads: one at a time. */
DW_API int dw_spool_backlog(uint64_t* out, const dw_spool_writer* writer, dw_error* err);

#ifdef __cplusplus
}
#endif

#endif
