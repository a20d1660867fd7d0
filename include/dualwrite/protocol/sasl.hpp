#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/result.hpp>

#include <string_view>

namespace dualwrite::protocol {

// RFC 4616: authorization identity NUL user NUL password.
struct plain_token {
    std::string_view authorization_id;
    std::string_view username;
    std::string_view password;
};

inline void
append_plain_token(byte_buffer& out, std::string_view username, std::string_view password)
{
    out.append_be(std::uint8_t{0});
    out.append(as_bytes(username));
    out.append_be(std::uint8_t{0});
    out.append(as_bytes(password));
}

// The password is all that follows the second NUL.
inline result<plain_token> parse_plain_token(bytes_view token) noexcept
{
    const auto text = as_text(token);
    const auto first = text.find('\0');
    if (first == text.npos) return fail(errc::malformed);
    const auto second = text.find('\0', first + 1);
    if (second == text.npos) return fail(errc::malformed);
    return plain_token{
        text.substr(0, first), text.substr(first + 1, second - first - 1), text.substr(second + 1)};
}

}  // namespace dualwrite::protocol
