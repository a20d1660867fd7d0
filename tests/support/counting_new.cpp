#include "counting_new.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

enum class counted : unsigned char { unknown, yes, no };

std::atomic<std::uint64_t> count{0};
std::atomic<int> leaving_out{0};
thread_local counted this_thread = counted::unknown;

void* allocate(std::size_t size)
{
    if (this_thread == counted::unknown)
        this_thread = leaving_out.load() > 0 ? counted::no : counted::yes;
    if (this_thread == counted::yes) count.fetch_add(1, std::memory_order_relaxed);
    if (void* made = std::malloc(size == 0 ? 1 : size)) return made;
    throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size)
{
    return allocate(size);
}

void* operator new[](std::size_t size)
{
    return allocate(size);
}

void operator delete(void* made) noexcept
{
    std::free(made);
}

void operator delete[](void* made) noexcept
{
    std::free(made);
}

void operator delete(void* made, std::size_t) noexcept
{
    std::free(made);
}

void operator delete[](void* made, std::size_t) noexcept
{
    std::free(made);
}

namespace dualwrite::test {

std::uint64_t allocations() noexcept
{
    return count.load();
}

void leave_out_this_thread() noexcept
{
    this_thread = counted::no;
}

leave_out_new_threads::leave_out_new_threads() noexcept
{
    leaving_out.fetch_add(1);
}

leave_out_new_threads::~leave_out_new_threads()
{
    leaving_out.fetch_sub(1);
}

}  // namespace dualwrite::test
