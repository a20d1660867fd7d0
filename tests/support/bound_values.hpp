#pragma once

#include <dualwrite/protocol/primitives.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace dualwrite::test {

inline std::string int_bytes(std::int32_t value)
{
    std::string out(4, '\0');
    store_be(reinterpret_cast<std::byte*>(out.data()), value);
    return out;
}

// Raw values as they stand in a request, one call for each.
class bound_values {
public:
    bound_values& of(std::string_view bytes)
    {
        return add(protocol::bound_value::of(as_bytes(bytes)));
    }
    bound_values& of(std::int32_t number) { return of(int_bytes(number)); }
    bound_values& null() { return add(protocol::bound_value::null()); }
    bound_values& unset() { return add(protocol::bound_value::unset()); }
    bound_values& named(std::string_view name, std::string_view bytes)
    {
        byte_buffer out;
        protocol::append_string(out, name);
        bytes_ += as_text(out.view());
        return of(bytes);
    }
    bound_values& named(std::string_view name, std::int32_t number)
    {
        return named(name, int_bytes(number));
    }

    const std::string& bytes() const noexcept { return bytes_; }
    bytes_view view() const noexcept { return as_bytes(bytes_); }
    std::uint16_t count() const noexcept { return count_; }

private:
    bound_values& add(const protocol::bound_value& value)
    {
        byte_buffer out;
        protocol::append_value(out, value);
        bytes_ += as_text(out.view());
        ++count_;
        return *this;
    }

    std::string bytes_;
    std::uint16_t count_{0};
};

}  // namespace dualwrite::test
