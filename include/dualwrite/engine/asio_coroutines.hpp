#pragma once

// Before any header of Asio where coroutines are used.

// Asio 1.22 looks for Clang's coroutines only where libc++ used to keep them.
#if defined(__clang__) && !defined(ASIO_HAS_CO_AWAIT)
#define ASIO_HAS_CO_AWAIT 1
#define ASIO_HAS_STD_COROUTINE 1
#endif

// GCC 12 takes the coroutine frame's own operator delete for one that does not fit its new (GCC bug
// 109224).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

#include <asio/awaitable.hpp>
