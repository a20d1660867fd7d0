#ifndef DUALWRITE_C_PROXY_H
#define DUALWRITE_C_PROXY_H

/* The proxy. Rules: dualwrite/dualwrite.h. */

#include <dualwrite/c/conf.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A running proxy: clients on its port, the spool, the replicator, the metrics port. */
typedef struct dw_proxy dw_proxy;

/*
 * Opens the state directory, listens and serves on threads of its own. The source need not be
 * there yet: until it is, clients get an error that says so.
 *
 * out      set to the new proxy, or to NULL. The caller owns it and must pass it to dw_proxy_free.
 * conf     of DW_COMMAND_PROXY; copied, so it may be changed and freed afterwards. Of
 *          DW_COMMAND_REPLAY: a proxy without clients, which delivers what the key `state-dir` has
 *          in its spool, and has stopped when that is at the target. Of DW_COMMAND_RETRY: the
 *          same for its dead letters, of which those that the target takes are marked as applied.
 *
 * Threads: any.
 * Returns DW_OK, or
 *   DW_E_CONFIG, DW_E_UNSUPPORTED          what dw_conf_check finds
 *   DW_E_LOCKED                            another proxy runs on this state directory
 *   DW_E_NEWER_FORMAT, DW_E_CORRUPT        the spool cannot be continued; nothing was changed
 *   DW_E_SYSTEM                            port in use, directory or file not accessible
 */
DW_API int dw_proxy_start(dw_proxy** out, const dw_conf* conf, dw_error* err);

/*
 * Reads the files of certificates and keys again, for connections made from now on. On failure
 * everything stays as it was.
 *
 * Threads: any.
 * Returns DW_OK, or DW_E_CONFIG or another code of dw_proxy_start; the text says what is wrong.
 */
DW_API int dw_proxy_reload(dw_proxy* proxy, dw_error* err);

#define DW_DRAIN_LIMIT_CONF UINT32_MAX /* the limit is that of the key `drain-limit` */

/*
 * Begins to stop and returns at once: no new clients, requests in flight are answered, then the
 * spool is delivered, all for at most `drain_limit_ms`. Called again with less, it shortens: 0
 * stops without delivering. What is not delivered stays in the spool for the next start.
 *
 * Threads: any. Returns DW_OK.
 */
DW_API int dw_proxy_stop(dw_proxy* proxy, uint32_t drain_limit_ms, dw_error* err);

/*
 * Waits until the proxy has stopped, at most `timeout_ms`; negative: for ever.
 *
 * Threads: any.
 * Returns DW_OK (stopped as asked, or another process has taken over: see
 * dw_proxy_progress.successor), DW_NOT_YET (time over), or
 *   DW_E_SYSTEM    it stopped by itself, because the spool cannot be written; the text says why
 *   DW_E_SHUTDOWN  dw_proxy_free was called meanwhile
 */
DW_API int dw_proxy_wait(dw_proxy* proxy, int64_t timeout_ms, dw_error* err);

/*
 * Stops without delivering (dw_proxy_stop with 0), waits for the threads and releases everything.
 * Threads: any, but not one of the library's.
 */
DW_API void dw_proxy_free(dw_proxy** proxy);

/* The ports that are open: what was asked for, or the free one that 0 stood for. 0 for NULL, or if
 * there is none. Threads: any. */
DW_API uint16_t dw_proxy_port(const dw_proxy* proxy);
DW_API uint16_t dw_proxy_metrics_port(const dw_proxy* proxy);

#define DW_PROXY_RUNNING 0u
#define DW_PROXY_DRAINING 1u
#define DW_PROXY_STOPPED 2u

typedef struct dw_proxy_progress {
    uint32_t struct_size;
    uint32_t state;            /* DW_PROXY_* */
    uint32_t ready;            /* 1: the source answers */
    uint32_t clients;          /* connections from clients */
    uint64_t backlog_writes;   /* accepted from clients, not yet known to be at the target */
    uint64_t spool_bytes;      /* of the spool's files, which are made in advance */
    uint64_t backlog_age_ms;   /* of the oldest of the writes in delivery; 0 if there is none */
    uint64_t dead_letters;     /* writes of this run that the target refused for good; they are kept
                                  in dead_letters.jsonl in the state directory */
    uint64_t delivered_writes; /* that reached the target in this run */
    uint64_t loop_silence_ms;  /* since the slowest event loop last came round; for a watchdog */
    uint64_t successor;        /* the process that has taken over (key `take-over`); 0: none. The
                                  rest then tells what was when it did */
} dw_proxy_progress;
/* clang-format off */
#define DW_PROXY_PROGRESS_INIT { (uint32_t)sizeof(dw_proxy_progress), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* A snapshot, also after the proxy has stopped. Threads: any. */
DW_API int dw_proxy_get_progress(const dw_proxy* proxy, dw_proxy_progress* out, dw_error* err);

/* The same and much more as one JSON object (docs/operations.md). Free `*out` by dw_free().
 * Threads: any. */
DW_API int dw_proxy_status_json(const dw_proxy* proxy, char** out, dw_error* err);

/* Prometheus' text format 0.0.4: what the metrics port serves. Free `*out` by dw_free().
 * Threads: any. */
DW_API int dw_proxy_metrics_text(const dw_proxy* proxy, char** out, dw_error* err);

#ifdef __cplusplus
}
#endif

#endif
