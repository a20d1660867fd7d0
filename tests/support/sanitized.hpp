#pragma once

// Whether a sanitizer is at work: it takes the place of the allocator, and makes loops over bytes
// forty times slower, so that exhaustive tests then try a part of what they try otherwise.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define DW_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DW_SANITIZED
#endif

namespace dualwrite::test {

#ifdef DW_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace dualwrite::test
