#ifndef DUALWRITE_VERSION_H
#define DUALWRITE_VERSION_H

/* The API version. The soname, dw_version() and the packages take it from here. */
#define DW_API_VERSION_MAJOR 0
#define DW_API_VERSION_MINOR 1
#define DW_API_VERSION_PATCH 0

#endif
