#pragma once

// The Distinguished Encoding Rules of ASN.1, as far as key stores need them, and memory for
// secrets.

#include <mbedtls/platform_util.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace dualwrite::engine {

using octets_view = std::span<const unsigned char>;

// Memory that is cleared before it is given back.
template <class T> struct wiping_allocator {
    using value_type = T;
    wiping_allocator() = default;
    template <class U> wiping_allocator(const wiping_allocator<U>&) noexcept {}
    T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
    void deallocate(T* at, std::size_t n) noexcept
    {
        mbedtls_platform_zeroize(at, n * sizeof(T));
        std::allocator<T>().deallocate(at, n);
    }
    bool operator==(const wiping_allocator&) const noexcept { return true; }
};
using secret_octets = std::vector<unsigned char, wiping_allocator<unsigned char>>;

namespace der {

constexpr std::uint8_t integer = 0x02;
constexpr std::uint8_t octet_string = 0x04;
constexpr std::uint8_t object_id = 0x06;
constexpr std::uint8_t bmp_string = 0x1e;
constexpr std::uint8_t sequence = 0x30;
constexpr std::uint8_t set = 0x31;
constexpr std::uint8_t context_0 = 0xa0;            // [0], constructed
constexpr std::uint8_t context_0_primitive = 0x80;  // [0] IMPLICIT of a primitive type

struct element {
    std::uint8_t tag{0};
    octets_view content;
};

// Walks over the elements of one constructed value. Whatever does not fit makes it fail, and then
// it stays failed: one look at ok() behind several calls will do.
class reader {
public:
    explicit reader(octets_view in) noexcept : in_(in) {}

    bool ok() const noexcept { return ok_; }
    bool at_end() const noexcept { return in_.empty(); }
    // The next element's tag; 0 at the end.
    std::uint8_t peek() const noexcept { return in_.empty() ? std::uint8_t{0} : in_[0]; }

    element next() noexcept
    {
        if (!ok_ || in_.size() < 2 || (in_[0] & 0x1f) == 0x1f) return fail();
        const auto tag = in_[0];
        std::size_t size = in_[1];
        std::size_t head = 2;
        if (size >= 0x80) {
            const std::size_t count = size & 0x7f;  // 0: the indefinite form, which is not DER
            if (count == 0 || count > 4 || in_.size() < head + count) return fail();
            size = 0;
            for (std::size_t i = 0; i < count; ++i) size = size << 8 | in_[head + i];
            head += count;
        }
        if (in_.size() - head < size) return fail();
        const element found{tag, in_.subspan(head, size)};
        in_ = in_.subspan(head + size);
        return found;
    }

    // The content of the next element, which must have this tag.
    octets_view take(std::uint8_t tag) noexcept
    {
        if (peek() != tag) return fail().content;
        return next().content;
    }
    reader enter(std::uint8_t tag) noexcept
    {
        reader inside(take(tag));
        inside.ok_ = ok_;
        return inside;
    }
    // A number that is not negative and fits.
    std::uint32_t number() noexcept
    {
        auto content = take(integer);
        if (!content.empty() && content[0] == 0) content = content.subspan(1);
        std::uint32_t value = 0;
        if (content.size() > 4) return fail(), 0;
        for (const auto octet : content) value = value << 8 | octet;
        return value;
    }

private:
    element fail() noexcept
    {
        ok_ = false;
        in_ = {};
        return {};
    }

    octets_view in_;
    bool ok_{true};
};

inline bool is(octets_view oid, std::string_view expected) noexcept
{
    return std::string_view(reinterpret_cast<const char*>(oid.data()), oid.size()) == expected;
}

}  // namespace der

}  // namespace dualwrite::engine
