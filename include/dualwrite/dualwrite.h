#ifndef DUALWRITE_DUALWRITE_H
#define DUALWRITE_DUALWRITE_H

/*
 * dualwrite: live migration between Apache Cassandra clusters. The C interface; the two programs
 * and the Python module use nothing else.
 *
 * The ten rules
 *  1. Handles are opaque. dw_X_new or dw_X_start makes one, dw_X_free(&handle) destroys it, sets
 *     the pointer to NULL and accepts NULL.
 *  2. Outputs come first, `dw_error *err` last. Callbacks get `void *user` as last parameter.
 *  3. Calls that can fail return DW_OK, DW_NOT_YET or a negative DW_E_*. After a failure nothing
 *     was made and nothing has to be freed: outputs are NULL or untouched.
 *  4. `err` belongs to the caller and may be NULL. It holds a sentence for people: what is wrong
 *     and, where there is a remedy, the key or flag that mends it. Nothing in it is allocated.
 *  5. Texts are UTF-8. Names and values that people write are NUL-terminated; data from the wire
 *     and CQL are pointer and size. A text that a call returns through `char **` ends in NUL, is
 *     owned by the caller and given back by dw_free(). `const char *` results are static, or live
 *     as long as the handle that they came from.
 *  6. Structs begin with `struct_size`, are made with their DW_..._INIT and grow at the end only.
 *     The library reads and writes the first struct_size bytes; the rest it leaves alone.
 *  7. Units are in the names: _ms, _us, _s, _bytes. Counters never go back.
 *  8. Each function says which thread may call it. "Any" means: concurrent calls on the same handle
 *     too. No call but dw_free, dw_code_name and dw_version is allowed from a log callback.
 *  9. dw_X_free first completes every call in flight on other threads, with DW_E_SHUTDOWN. Calls
 *     that begin after it are errors of the program.
 * 10. The library never forks, installs no signal handler and prints nothing. Threads exist only
 *     between dw_X_start and dw_X_free. No exception leaves it.
 */

#include <dualwrite/c/conf.h>
#include <dualwrite/c/job.h>
#include <dualwrite/c/protocol.h>
#include <dualwrite/c/proxy.h>
#include <dualwrite/c/result.h>
#include <dualwrite/c/ring.h>
#include <dualwrite/c/rules.h>
#include <dualwrite/c/spool.h>
#include <dualwrite/c/spool_writer.h>
#include <dualwrite/c/statement.h>

#endif
