#ifndef DUALWRITE_C_RESULT_H
#define DUALWRITE_C_RESULT_H

/* Results, errors, texts. Rules: dualwrite/dualwrite.h. */

#include <dualwrite/version.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DW_API __attribute__((visibility("default")))
#else
#define DW_API
#endif

#define DW_OK 0
#define DW_NOT_YET                                                                                 \
    1 /* not an error: more bytes are needed, or the time given to a wait is over                  \
       */

#define DW_E_INVALID_ARGUMENT (-1) /* NULL, an unknown flag, a struct_size that is too small */
#define DW_E_CONFIG (-2)           /* unknown key, a value that does not fit, or a combination */
#define DW_E_UNSUPPORTED (-3)      /* this version cannot do it; the text says what instead */
#define DW_E_NO_MEMORY (-4)        /* calling again is safe */
#define DW_E_INTERNAL (-5)         /* a bug of ours: please report the text */
#define DW_E_SHUTDOWN (-6)         /* the handle is being freed by another thread */
#define DW_E_CANCELLED (-7)        /* cancelled by the caller */
#define DW_E_PROTOCOL (-8)         /* bytes that are not CQL: close the connection they came from */
#define DW_E_CONNECT (-9)          /* no connection, or it was lost, or TLS was refused */
#define DW_E_AUTHENTICATION (-10)  /* the cluster refused the credentials */
#define DW_E_TIMEOUT (-11)         /* no answer within the limit */
#define DW_E_SERVER (-12)          /* the cluster answered with an error; the text has its words */
#define DW_E_LOCKED (-13)          /* another process uses the state directory */
#define DW_E_NEWER_FORMAT (-14)    /* files of a newer version; use that version to drain them */
#define DW_E_CORRUPT (-15)         /* damaged files that are not just a torn end */
#define DW_E_FULL (-16)            /* the spool's limit or the disk is reached */
#define DW_E_MISMATCH (-17)        /* the ledger belongs to another run; see key `restart` */
#define DW_E_SYSTEM (-18)          /* the operating system refused: address in use, no permission */

typedef struct dw_error {
    uint32_t struct_size;
    int32_t code;      /* DW_OK or what the call returned */
    char message[512]; /* UTF-8, always ends in NUL, cut at a character's border */
} dw_error;
/* clang-format off */
#define DW_ERROR_INIT { (uint32_t)sizeof(dw_error), 0, { 0 } }
/* clang-format on */

/* "DW_E_CONFIG" for DW_E_CONFIG; "DW_E_INTERNAL" for numbers that are no code. Static. */
DW_API const char* dw_code_name(int code);

/* The library's version, "MAJOR.MINOR.PATCH"; DW_API_VERSION_* is that of the header. Static. */
DW_API const char* dw_version(void);

/* Gives back a text that a call returned through `char **`. Accepts NULL. Any thread. */
DW_API void dw_free(char* text);

#ifdef __cplusplus
}
#endif

#endif
