#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>
#include <dualwrite/protocol/opcode.hpp>

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace dualwrite::protocol {

// The notations of section 3 of the specification. Views live as long as the bytes that were read.

using uuid_value = std::array<std::byte, 16>;
using string_list = std::vector<std::string_view>;
using string_map = std::vector<std::pair<std::string_view, std::string_view>>;
using string_multimap = std::vector<std::pair<std::string_view, string_list>>;

struct inet_value {
    std::array<std::byte, 16> address{};
    std::uint8_t address_size{4};  // 4 or 16
    std::int32_t port{0};

    bytes_view view() const noexcept { return bytes_view(address).first(address_size); }
    friend bool operator==(const inet_value&, const inet_value&) = default;
};

// [value]: null deletes, unset leaves the cell as it is, and empty is a value of no bytes.
struct bound_value {
    enum class state : std::uint8_t { present, null, unset };
    state is{state::null};
    bytes_view bytes{};

    static bound_value of(bytes_view b) noexcept { return {state::present, b}; }
    static bound_value null() noexcept { return {state::null, {}}; }
    static bound_value unset() noexcept { return {state::unset, {}}; }
};

// Reads without a check after every step: past the end everything is zero or empty and ok() is
// false from then on. For the parsers of whole messages, which look at ok() once.
class cursor {
public:
    explicit cursor(bytes_view in) noexcept : in_(in) {}

    bool ok() const noexcept { return ok_; }
    std::size_t position() const noexcept { return position_; }
    bytes_view remaining() const noexcept { return in_.subspan(position_); }
    bytes_view since(std::size_t begin) const noexcept
    {
        return in_.subspan(begin, position_ - begin);
    }
    void set_failed() noexcept { ok_ = false; }

    bytes_view raw(std::size_t n) noexcept
    {
        if (!ok_ || in_.size() - position_ < n) {
            ok_ = false;
            return {};
        }
        position_ += n;
        return in_.subspan(position_ - n, n);
    }

    std::uint8_t byte_() noexcept { return number<std::uint8_t>(); }
    std::uint16_t short_() noexcept { return number<std::uint16_t>(); }
    std::int32_t int_() noexcept { return number<std::int32_t>(); }
    std::int64_t long_() noexcept { return number<std::int64_t>(); }
    std::string_view string() noexcept { return as_text(raw(short_())); }
    bytes_view short_bytes() noexcept { return raw(short_()); }

    std::string_view long_string() noexcept
    {
        const auto n = int_();
        if (n < 0) ok_ = false;
        return as_text(raw(static_cast<std::uint32_t>(n)));
    }

    uuid_value uuid_() noexcept
    {
        uuid_value id{};
        if (const auto in = raw(id.size()); ok_) std::memcpy(id.data(), in.data(), id.size());
        return id;
    }

    // Every negative size means null.
    std::optional<bytes_view> bytes() noexcept
    {
        const auto n = int_();
        if (!ok_ || n < 0) return std::nullopt;
        return raw(static_cast<std::uint32_t>(n));
    }

    bound_value value() noexcept
    {
        const auto n = int_();
        if (n >= 0) return bound_value::of(raw(static_cast<std::uint32_t>(n)));
        if (n < -2) ok_ = false;
        return n == -2 ? bound_value::unset() : bound_value::null();
    }

    consistency consistency_() noexcept
    {
        const auto level = short_();
        if (!is_known_consistency(level)) ok_ = false;
        return static_cast<consistency>(level);
    }

    // [inetaddr]: without the port.
    inet_value inet_address() noexcept
    {
        inet_value out;
        out.address_size = byte_();
        if (out.address_size != 4 && out.address_size != 16) {
            ok_ = false;
            out.address_size = 4;
        }
        if (const auto in = raw(out.address_size); ok_)
            std::memcpy(out.address.data(), in.data(), in.size());
        return out;
    }

    inet_value inet_() noexcept
    {
        auto out = inet_address();
        out.port = int_();
        return out;
    }

    string_list strings()
    {
        string_list out;
        for (auto n = short_(); n > 0 && ok_; --n) out.push_back(string());
        return out;
    }

    string_map map()
    {
        string_map out;
        for (auto n = short_(); n > 0 && ok_; --n) {
            const auto key = string();
            out.emplace_back(key, string());
        }
        return out;
    }

    string_multimap multimap()
    {
        string_multimap out;
        for (auto n = short_(); n > 0 && ok_; --n) {
            const auto key = string();
            out.emplace_back(key, strings());
        }
        return out;
    }

private:
    template <class T> T number() noexcept
    {
        const auto in = raw(sizeof(T));
        return ok_ ? load_be<T>(in.data()) : T{0};
    }

    bytes_view in_;
    std::size_t position_{0};
    bool ok_{true};
};

// The same, checked at every step. After a failure the reader stays failed.
class reader {
public:
    explicit reader(bytes_view in) noexcept : in_(in) {}

    std::size_t position() const noexcept { return in_.position(); }
    bytes_view remaining() const noexcept { return in_.remaining(); }

    result<std::uint8_t> byte_() { return checked(in_.byte_()); }
    result<std::uint16_t> short_() { return checked(in_.short_()); }
    result<std::int32_t> int_() { return checked(in_.int_()); }
    result<std::int64_t> long_() { return checked(in_.long_()); }
    result<bytes_view> raw(std::size_t n) { return checked(in_.raw(n)); }
    result<std::string_view> string() { return checked(in_.string()); }
    result<std::string_view> long_string() { return checked(in_.long_string()); }
    result<uuid_value> uuid() { return checked(in_.uuid_()); }
    result<std::optional<bytes_view>> bytes() { return checked(in_.bytes()); }
    result<bound_value> value() { return checked(in_.value()); }
    result<bytes_view> short_bytes() { return checked(in_.short_bytes()); }
    result<inet_value> inet() { return checked(in_.inet_()); }
    result<inet_value> inet_address() { return checked(in_.inet_address()); }
    result<protocol::consistency> consistency() { return checked(in_.consistency_()); }
    result<protocol::string_list> string_list() { return checked(in_.strings()); }
    result<protocol::string_map> string_map() { return checked(in_.map()); }
    result<protocol::string_multimap> string_multimap() { return checked(in_.multimap()); }

private:
    template <class T> result<T> checked(T value)
    {
        if (!in_.ok()) return fail(errc::malformed);
        return value;
    }

    cursor in_;
};

inline void append_byte(byte_buffer& out, std::uint8_t value)
{
    out.append_be(value);
}

inline void append_short(byte_buffer& out, std::uint16_t value)
{
    out.append_be(value);
}

inline void append_int(byte_buffer& out, std::int32_t value)
{
    out.append_be(value);
}

inline void append_long(byte_buffer& out, std::int64_t value)
{
    out.append_be(value);
}

// Sizes and counts are the caller's duty: what stands in a [short] has at most 65535.
inline void append_count(byte_buffer& out, std::size_t count)
{
    DW_ASSERT(count <= 0xffff);
    append_short(out, static_cast<std::uint16_t>(count));
}

inline void append_short_bytes(byte_buffer& out, bytes_view bytes)
{
    append_count(out, bytes.size());
    out.append(bytes);
}

inline void append_string(byte_buffer& out, std::string_view text)
{
    append_short_bytes(out, as_bytes(text));
}

inline void append_bytes(byte_buffer& out, std::optional<bytes_view> bytes)
{
    if (!bytes) return append_int(out, -1);
    DW_ASSERT(bytes->size() <= 0x7fffffff);
    append_int(out, static_cast<std::int32_t>(bytes->size()));
    out.append(*bytes);
}

inline void append_value(byte_buffer& out, const bound_value& value)
{
    if (value.is == bound_value::state::unset) return append_int(out, -2);
    if (value.is == bound_value::state::null) return append_int(out, -1);
    append_bytes(out, value.bytes);
}

inline void append_long_string(byte_buffer& out, std::string_view text)
{
    append_bytes(out, as_bytes(text));
}

inline void append_uuid(byte_buffer& out, const uuid_value& id)
{
    out.append(id);
}

inline void append_consistency(byte_buffer& out, consistency level)
{
    append_short(out, static_cast<std::uint16_t>(level));
}

inline void append_inet_address(byte_buffer& out, const inet_value& address)
{
    append_byte(out, address.address_size);
    out.append(address.view());
}

inline void append_inet(byte_buffer& out, const inet_value& address)
{
    append_inet_address(out, address);
    append_int(out, address.port);
}

inline void append_string_list(byte_buffer& out, std::span<const std::string_view> list)
{
    append_count(out, list.size());
    for (const auto text : list) append_string(out, text);
}

inline void append_string_map(byte_buffer& out, const string_map& map)
{
    append_count(out, map.size());
    for (const auto& [key, value] : map) {
        append_string(out, key);
        append_string(out, value);
    }
}

inline void append_string_multimap(byte_buffer& out, const string_multimap& map)
{
    append_count(out, map.size());
    for (const auto& [key, values] : map) {
        append_string(out, key);
        append_string_list(out, values);
    }
}

}  // namespace dualwrite::protocol
