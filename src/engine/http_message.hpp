#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dualwrite::engine {

// As much of HTTP/1.1 as the status port needs: what is asked for, and one answer.
struct http_request {
    enum class state : std::uint8_t { incomplete, good, bad, too_large };

    static constexpr std::size_t size_max = std::size_t{8} * 1024;

    state is{state::incomplete};
    std::string_view method;
    std::string_view path;  // without the query
};

// Looks at what has come so far. What cannot become a request is `bad` from its first byte on, so
// that whoever speaks TLS or CQL here is told at once.
inline http_request parse_http_request(std::string_view in) noexcept
{
    using state = http_request::state;
    if (in.empty()) return {};
    if (in[0] < 'A' || in[0] > 'Z') return {state::bad, {}, {}};
    const bool ended =
        in.find("\r\n\r\n") != std::string_view::npos || in.find("\n\n") != std::string_view::npos;
    if (!ended)
        return {in.size() >= http_request::size_max ? state::too_large : state::incomplete, {}, {}};

    auto line = in.substr(0, in.find('\n'));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return {state::bad, {}, {}};
    const auto version = line.substr(last + 1);
    const auto target = line.substr(first + 1, last - first - 1);
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return {state::bad, {}, {}};
    if (!target.starts_with('/') || target.find(' ') != std::string_view::npos)
        return {state::bad, {}, {}};
    return {state::good, line.substr(0, first), target.substr(0, target.find('?'))};
}

struct http_answer {
    const char* status{"200 OK"};
    const char* type{"text/plain; charset=utf-8"};
    std::string body{};
    std::string header{};  // lines of its own, each with its end
};

inline std::string http_text(const http_answer& answer, bool without_body)
{
    std::string out = std::string("HTTP/1.1 ") + answer.status +
                      "\r\nContent-Type: " + answer.type +
                      "\r\nContent-Length: " + std::to_string(answer.body.size()) +
                      "\r\nConnection: close\r\nCache-Control: no-store\r\n"
                      "X-Content-Type-Options: nosniff\r\n" +
                      answer.header + "\r\n";
    if (!without_body) out += answer.body;
    return out;
}

}  // namespace dualwrite::engine
