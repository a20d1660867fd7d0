#pragma once

#include "guard.hpp"

#ifdef DW_CHECK_HANDLES
#include <mutex>
#include <set>
#endif

// In debug builds, and under a sanitizer, every handle is known from its birth to its end: a call
// on one that was freed is answered with DW_E_INVALID_ARGUMENT. A member `live alive` makes it so.

namespace dualwrite::capi {

#ifdef DW_CHECK_HANDLES

class live {
public:
    live()
    {
        change([this](auto& all) { all.insert(this); });
    }
    ~live()
    {
        change([this](auto& all) { all.erase(this); });
    }
    live(const live&) = delete;

    static bool knows(const live* one)
    {
        bool found = false;
        change([&](auto& all) { found = all.contains(one); });
        return found;
    }

private:
    struct known {
        std::mutex mutex;
        std::set<const void*> all;
    };
    // Never destroyed: handles may be freed while the process ends. One for all instances of
    // change(), so not a part of it.
    static known& everyone()
    {
        static auto* its = new known;
        return *its;
    }
    template <class Change> static void change(Change&& with)
    {
        auto& its = everyone();
        const std::lock_guard lock(its.mutex);
        with(its.all);
    }
};

#else

struct live {
    static constexpr bool knows(const live*) noexcept { return true; }
};

#endif

// DW_OK, or what is wrong with the handle has been reported.
template <class Handle> int check_handle(dw_error* err, const Handle* handle, std::string_view name)
{
    if (handle == nullptr) return null_argument(err, name);
    if (live::knows(&handle->alive)) return DW_OK;
    return report(err, DW_E_INVALID_ARGUMENT, std::string(name) + " was freed before this call");
}

// For functions dw_X_free(). One that was freed already is left alone.
template <class Handle> Handle* take_handle(Handle** handle)
{
    if (handle == nullptr || *handle == nullptr) return nullptr;
    auto* taken = std::exchange(*handle, nullptr);
    return live::knows(&taken->alive) ? taken : nullptr;
}

}  // namespace dualwrite::capi
