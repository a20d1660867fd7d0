#pragma once

#include <dualwrite/base/assert.hpp>
#include <dualwrite/base/error.hpp>

#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace dualwrite {

struct failure {
    std::error_code error;
};

inline failure fail(std::error_code error) noexcept
{
    return {error};
}

// A value or the reason why there is none; the part of C++23's std::expected that we use.
template <class T> class [[nodiscard]] result {
public:
    using value_type = T;

    result(T value) : value_(std::move(value)) {}
    result(failure f) noexcept : error_(f.error) { DW_ASSERT(error_); }

    bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    std::error_code error() const noexcept { return error_; }

    T& operator*() & noexcept
    {
        DW_ASSERT(value_);
        return *value_;
    }
    const T& operator*() const& noexcept
    {
        DW_ASSERT(value_);
        return *value_;
    }
    T&& operator*() && noexcept
    {
        DW_ASSERT(value_);
        return std::move(*value_);
    }
    T* operator->() noexcept { return &**this; }
    const T* operator->() const noexcept { return &**this; }

private:
    std::optional<T> value_;
    std::error_code error_;
};

template <> class [[nodiscard]] result<void> {
public:
    result() noexcept = default;
    result(failure f) noexcept : error_(f.error) { DW_ASSERT(error_); }

    bool has_value() const noexcept { return !error_; }
    explicit operator bool() const noexcept { return has_value(); }
    std::error_code error() const noexcept { return error_; }

private:
    std::error_code error_;
};

}  // namespace dualwrite

// Leaves the function with the error of `expression`, else gives `name` its value.
#define DW_TRY(name, expression)                                                                   \
    auto name##_result = (expression);                                                             \
    if (!name##_result) return ::dualwrite::fail(name##_result.error());                           \
    auto name = *std::move(name##_result)

#define DW_CHECK(expression)                                                                       \
    do {                                                                                           \
        if (auto checked_result = (expression); !checked_result)                                   \
            return ::dualwrite::fail(checked_result.error());                                      \
    } while (false)
