#ifndef DUALWRITE_C_RING_H
#define DUALWRITE_C_RING_H

/* Tokens of Murmur3Partitioner and ranges of the ring, without I/O. Rules: dualwrite/dualwrite.h.
 */

#include <dualwrite/c/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One value of a partition key in the protocol's form. */
typedef struct dw_bytes {
    const void* data;
    size_t size; /* bytes, at most 65535 */
} dw_bytes;

/*
 * The token of a partition key.
 *
 * values  one for each column of the key, in the key's order; `count` of them
 *
 * Threads: any.
 * Returns DW_OK or DW_E_INVALID_ARGUMENT (NULL, no value, or a value that is too large).
 */
DW_API int dw_token(int64_t* out, const dw_bytes* values, size_t count, dw_error* err);

/* (start, end]: start excluded, end included. start >= end goes through the ring's end; equal: the
 * whole ring. A pair of numbers, now and later: it has no struct_size. */
typedef struct dw_token_range {
    int64_t start;
    int64_t end;
} dw_token_range;

/* DW_OK and out = 1 if the token lies in the range, else 0. Threads: any. */
DW_API int
dw_range_contains(uint32_t* out, const dw_token_range* range, int64_t token, dw_error* err);

/*
 * Cuts a range into `parts` of nearly equal width that do not wrap, in the ring's order; fewer
 * where there are fewer tokens, one more where the range wraps.
 *
 * out    `capacity` of them; parts + 1 suits all
 * count  how many there are
 *
 * Threads: any.
 * Returns DW_OK or DW_E_INVALID_ARGUMENT (NULL, no parts, or `capacity` is too small: *count is how
 * many there would be).
 */
DW_API int dw_range_split(
    dw_token_range* out,
    size_t capacity,
    size_t* count,
    const dw_token_range* range,
    uint32_t parts,
    dw_error* err
);

/* DW_OK and out = 1 if each token of the ring is in exactly one of the ranges, of which none may
 * wrap; else 0. Threads: any. */
DW_API int
dw_ranges_cover_ring(uint32_t* out, const dw_token_range* ranges, size_t count, dw_error* err);

#ifdef __cplusplus
}
#endif

#endif
