#pragma once

#include <cstdio>
#include <cstdlib>

namespace dualwrite {

// Stops the process: a broken invariant would let the target diverge silently.
[[noreturn]] inline void assertion_failed(const char* what, const char* file, int line) noexcept
{
    std::fprintf(stderr, "dualwrite: assertion failed: %s (%s:%d)\n", what, file, line);
    std::abort();
}

}  // namespace dualwrite

// Stays on in release. For errors of the programmer only, never for bytes from the wire, from a
// file or from a caller of the C ABI.
#define DW_ASSERT(condition)                                                                       \
    ((condition) ? void(0) : ::dualwrite::assertion_failed(#condition, __FILE__, __LINE__))
