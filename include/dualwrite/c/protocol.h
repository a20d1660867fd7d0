#ifndef DUALWRITE_C_PROTOCOL_H
#define DUALWRITE_C_PROTOCOL_H

/* Parsing the native protocol, without I/O. Rules: dualwrite/dualwrite.h. */

#include <dualwrite/c/result.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DW_SEGMENT_PAYLOAD_MAX 131071u /* bytes; a buffer of this size suits every segment */

/* One message of the native protocol v3, v4 or v5 (native_protocol_v5.spec 2.4). */
typedef struct dw_envelope {
    uint32_t struct_size;
    uint32_t wire_size;  /* header and body, bytes */
    const uint8_t* body; /* inside the caller's bytes; as it was sent, maybe compressed */
    uint32_t body_size;  /* bytes */
    int16_t stream_id;
    uint8_t version;  /* 3, 4 or 5 */
    uint8_t response; /* 1: sent by the server */
    uint8_t flags;    /* 0x01 compressed, 0x02 tracing, 0x04 payload, 0x08 warnings, 0x10 beta */
    uint8_t opcode;
    uint8_t reserved[6]; /* 0 */
} dw_envelope;
/* clang-format off */
#define DW_ENVELOPE_INIT { (uint32_t)sizeof(dw_envelope), 0, NULL, 0, 0, 0, 0, 0, 0, { 0 } }
/* clang-format on */

/*
 * Parses the envelope at the start of `bytes`; what follows it is not looked at. For v5 behind the
 * handshake the bytes are the payload of segments.
 *
 * body_size_max  bytes; a header that announces more is refused before the body is there.
 *
 * Threads: any.
 * Returns DW_OK, DW_NOT_YET (out->wire_size is how many bytes are needed at least), or
 *   DW_E_PROTOCOL  version, opcode or length cannot be
 */
DW_API int dw_envelope_parse(
    dw_envelope* out, const void* bytes, size_t size, uint32_t body_size_max, dw_error* err
);

#define DW_SEGMENT_LZ4 1u            /* input: the connection negotiated LZ4 */
#define DW_SEGMENT_SELF_CONTAINED 2u /* output: holds whole envelopes */
#define DW_SEGMENT_COMPRESSED 4u     /* output: the payload was compressed on the wire */

/* The outer unit of v5 (native_protocol_v5.spec 2.2). */
typedef struct dw_segment {
    uint32_t struct_size;
    uint32_t wire_size;     /* header, payload and trailer, bytes */
    const uint8_t* payload; /* verified; inside the caller's bytes, or in `buffer` */
    uint32_t payload_size;  /* bytes */
    uint32_t flags;         /* DW_SEGMENT_SELF_CONTAINED, DW_SEGMENT_COMPRESSED */
} dw_segment;
/* clang-format off */
#define DW_SEGMENT_INIT { (uint32_t)sizeof(dw_segment), 0, NULL, 0, 0 }
/* clang-format on */

/*
 * Parses the segment at the start of `bytes` and checks both checksums.
 *
 * flags     0 or DW_SEGMENT_LZ4
 * buffer    where a compressed payload is expanded to; `capacity` bytes, DW_SEGMENT_PAYLOAD_MAX
 *           suits all. May be NULL without DW_SEGMENT_LZ4.
 *
 * Threads: any.
 * Returns DW_OK, DW_NOT_YET (out->wire_size is how many bytes are needed at least), or
 *   DW_E_PROTOCOL          a checksum, a length or the compression is wrong
 *   DW_E_INVALID_ARGUMENT  `buffer` is too small for this payload
 */
DW_API int dw_segment_parse(
    dw_segment* out,
    const void* bytes,
    size_t size,
    uint32_t flags,
    void* buffer,
    size_t capacity,
    dw_error* err
);

#ifdef __cplusplus
}
#endif

#endif
