#pragma once

#include <dualwrite/base/assert.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace dualwrite {

using bytes_view = std::span<const std::byte>;
using mutable_bytes = std::span<std::byte>;

inline bytes_view as_bytes(std::string_view text) noexcept
{
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// The view lives as long as `bytes` does.
inline std::string_view as_text(bytes_view bytes) noexcept
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline bool equal(bytes_view a, bytes_view b) noexcept
{
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Loads and stores of fixed width at any alignment. The caller has checked the size.
template <class T> T load_be(const std::byte* in) noexcept
{
    static_assert(std::endian::native == std::endian::little);
    T value;
    std::memcpy(&value, in, sizeof value);
    if constexpr (sizeof(T) == 2)
        value = static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
    if constexpr (sizeof(T) == 4)
        value = static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
    if constexpr (sizeof(T) == 8)
        value = static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
    return value;
}

template <class T> void store_be(std::byte* out, T value) noexcept
{
    value = load_be<T>(reinterpret_cast<const std::byte*>(&value));
    std::memcpy(out, &value, sizeof value);
}

template <class T> T load_le(const std::byte* in) noexcept
{
    static_assert(std::endian::native == std::endian::little);
    T value;
    std::memcpy(&value, in, sizeof value);
    return value;
}

template <class T> void store_le(std::byte* out, T value) noexcept
{
    std::memcpy(out, &value, sizeof value);
}

// A growing array of bytes that, unlike std::vector, does not clear what is about to be written.
// Single-threaded. clear() keeps the capacity, so a buffer that is reused stops allocating.
class byte_buffer {
public:
    byte_buffer() = default;
    explicit byte_buffer(std::size_t capacity) { reserve(capacity); }
    byte_buffer(byte_buffer&& other) noexcept { swap(other); }
    byte_buffer& operator=(byte_buffer&& other) noexcept
    {
        swap(other);
        return *this;
    }

    std::byte* data() noexcept { return data_.get(); }
    const std::byte* data() const noexcept { return data_.get(); }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return size_ == 0; }
    bytes_view view() const noexcept { return {data_.get(), size_}; }
    void clear() noexcept { size_ = 0; }

    void reserve(std::size_t capacity)
    {
        if (capacity <= capacity_) return;
        auto grown = std::make_unique_for_overwrite<std::byte[]>(capacity);
        if (size_ != 0) std::memcpy(grown.get(), data_.get(), size_);
        data_ = std::move(grown);
        capacity_ = capacity;
    }

    // Appends `n` bytes of unspecified content and returns where they begin. The pointer is valid
    // until the next growing call.
    std::byte* extend(std::size_t n)
    {
        if (capacity_ - size_ < n) reserve(std::max(size_ + n, capacity_ * 2));
        auto* begin = data_.get() + size_;
        size_ += n;
        return begin;
    }

    void append(bytes_view bytes)
    {
        if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
    }

    template <class T> void append_be(T value) { store_be(extend(sizeof value), value); }

    // Keeps the first `n` bytes; `n` is at most size().
    void truncate(std::size_t n) noexcept
    {
        DW_ASSERT(n <= size_);
        size_ = n;
    }

    // Drops the first `n` bytes and moves the rest to the front.
    void consume(std::size_t n) noexcept
    {
        DW_ASSERT(n <= size_);
        size_ -= n;
        if (size_ != 0 && n != 0) std::memmove(data_.get(), data_.get() + n, size_);
    }

    // Gives the memory back.
    void release() noexcept
    {
        data_.reset();
        size_ = capacity_ = 0;
    }

    void swap(byte_buffer& other) noexcept
    {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

private:
    std::unique_ptr<std::byte[]> data_;
    std::size_t size_{0};
    std::size_t capacity_{0};
};

}  // namespace dualwrite
