#pragma once

#include <cstdint>

// Replaces operator new of the whole program: counts the allocations of the threads that did not
// ask to be left out.

namespace dualwrite::test {

// Of all threads but those that called leave_out_this_thread().
std::uint64_t allocations() noexcept;
void leave_out_this_thread() noexcept;
// Threads that are started while it lives are left out from their first allocation on.
class leave_out_new_threads {
public:
    leave_out_new_threads() noexcept;
    ~leave_out_new_threads();
    leave_out_new_threads(const leave_out_new_threads&) = delete;
};

}  // namespace dualwrite::test
