#ifndef DUALWRITE_C_STATEMENT_H
#define DUALWRITE_C_STATEMENT_H

/* Classifying CQL. Rules: dualwrite/dualwrite.h. */

#include <dualwrite/c/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is known about a CQL statement from its text alone. */
typedef struct dw_statement dw_statement;

#define DW_STATEMENT_SELECT 0u
#define DW_STATEMENT_INSERT 1u
#define DW_STATEMENT_UPDATE 2u
#define DW_STATEMENT_DELETE 3u
#define DW_STATEMENT_BATCH 4u
#define DW_STATEMENT_TRUNCATE 5u
#define DW_STATEMENT_DDL 6u
#define DW_STATEMENT_USE 7u
#define DW_STATEMENT_ROLE 8u       /* roles and permissions: may hold secrets, do not log */
#define DW_STATEMENT_OTHER_READ 9u /* LIST, DESCRIBE */
#define DW_STATEMENT_UNKNOWN 10u   /* cannot be placed: do not guess */

#define DW_FACT_WRITE (1u << 0)            /* INSERT, UPDATE, DELETE or BATCH */
#define DW_FACT_UNPARSED (1u << 1)         /* a write that was not understood to its end */
#define DW_FACT_CONDITIONAL (1u << 2)      /* IF ...: a lightweight transaction */
#define DW_FACT_TIMESTAMP (1u << 3)        /* USING TIMESTAMP */
#define DW_FACT_TTL (1u << 4)              /* USING TTL */
#define DW_FACT_NONDETERMINISTIC (1u << 5) /* now(), uuid(), current_*() */
#define DW_FACT_OTHER_FUNCTION (1u << 6)   /* a function that is not known to be pure */
#define DW_FACT_DELTA (1u << 7)            /* c = c + x: a counter, list, set or map */
#define DW_FACT_ELEMENT (1u << 8)          /* c[k] = x, DELETE c[k]: of a list or a map */
#define DW_FACT_JSON (1u << 9)
#define DW_FACT_RANGE (1u << 10)     /* WHERE with <, > ...: a slice of rows */
#define DW_FACT_SEVERAL (1u << 11)   /* may write more than one partition */
#define DW_FACT_NAMED (1u << 12)     /* markers are :name instead of ? */
#define DW_FACT_QUALIFIED (1u << 13) /* the text itself names the keyspace */

#define DW_BATCH_LOGGED 0u
#define DW_BATCH_UNLOGGED 1u
#define DW_BATCH_COUNTER 2u

typedef struct dw_facts {
    uint32_t struct_size;
    uint32_t kind;            /* DW_STATEMENT_* */
    uint32_t flags;           /* DW_FACT_*; of a batch: of any child, but USING its own */
    uint32_t batch_type;      /* DW_BATCH_* */
    const char* keyspace;     /* as Cassandra stores the name, "" if the text has none */
    const char* table;        /* the same */
    uint32_t marker_count;    /* bind markers; of a batch: of all children */
    uint32_t marker_first;    /* index of a child's first marker in the batch */
    uint32_t child_count;     /* statements of a batch, else 0 */
    int32_t timestamp_marker; /* marker that binds USING TIMESTAMP, -1 if none */
    int32_t ttl_marker;       /* marker that binds USING TTL, -1 if none */
    int32_t ttl_s;            /* literal of USING TTL, -1 if none */
    int64_t timestamp_us;     /* literal of USING TIMESTAMP, INT64_MIN if none */
} dw_facts;
/* clang-format off */
#define DW_FACTS_INIT { (uint32_t)sizeof(dw_facts), 0, 0, 0, NULL, NULL, 0, 0, 0, -1, -1, -1, 0 }
/* clang-format on */

/*
 * Classifies `size` bytes of CQL, without a schema and in linear time. Text that cannot be placed
 * is DW_STATEMENT_UNKNOWN, not an error.
 *
 * Threads: any.
 * Returns DW_OK, DW_E_INVALID_ARGUMENT (NULL, or 4 GiB and more) or DW_E_NO_MEMORY.
 */
DW_API int dw_classify(dw_statement** out, const char* cql, size_t size, dw_error* err);
DW_API void dw_statement_free(dw_statement** statement);

/*
 * The facts of the statement (`child` -1), or of the child number `child` of a batch. Names live
 * as long as the statement.
 *
 * Threads: any.
 * Returns DW_OK or DW_E_INVALID_ARGUMENT (no such child).
 */
DW_API int
dw_statement_facts(const dw_statement* statement, int32_t child, dw_facts* out, dw_error* err);

#ifdef __cplusplus
}
#endif

#endif
