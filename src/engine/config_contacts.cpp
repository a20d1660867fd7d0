#include "config_contacts.hpp"

#include <arpa/inet.h>

namespace dualwrite::engine {

namespace {

struct host_port {
    std::string host;
    std::optional<std::uint16_t> port;
};

bool is_ipv6(std::string_view host)
{
    in6_addr address{};
    const std::string without_zone(host.substr(0, host.find('%')));
    return ::inet_pton(AF_INET6, without_zone.c_str(), &address) == 1;
}

// HOST, HOST:PORT, [IPV6], [IPV6]:PORT; several colons without brackets are an IPv6 address.
std::optional<host_port> split_host_port(std::string_view text)
{
    std::string_view host = text;
    std::string_view rest;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == text.npos) return std::nullopt;
        host = text.substr(1, close - 1);
        rest = text.substr(close + 1);
    } else if (const auto colon = text.find(':');
               colon != text.npos && text.find(':', colon + 1) == text.npos) {
        host = text.substr(0, colon);
        rest = text.substr(colon);
    }
    if (host.empty() || host.find_first_of(" /@[]") != host.npos) return std::nullopt;
    const bool must_be_ipv6 = text.front() == '[' || host.find(':') != host.npos;
    if (must_be_ipv6 && !is_ipv6(host)) return std::nullopt;
    if (rest.empty()) return host_port{std::string(host), std::nullopt};
    const auto port = rest.front() == ':' ? parse_number(rest.substr(1)) : std::nullopt;
    if (!port || *port < 1 || *port > 65535) return std::nullopt;
    return host_port{std::string(host), static_cast<std::uint16_t>(*port)};
}

}  // namespace

result<std::vector<contact_point>>
read_contact_points(const config& from, const std::string& side, std::string& why)
{
    const auto text = from.text(side);
    const auto port = static_cast<std::uint16_t>(from.number(side + "-port"));
    std::vector<contact_point> out;
    for (std::size_t at = 0; at <= text.size();) {
        const auto end = std::min(text.find(',', at), text.size());
        const auto one = text.substr(at, end - at);
        at = end + 1;
        const auto parts = split_host_port(one);
        if (!parts) {
            why = side + ": '" + one.substr(0, 100) + "' is not HOST, HOST:PORT or [IPV6]:PORT";
            return fail(errc::invalid_argument);
        }
        if (parts->port && from.is_set(side + "-port") && *parts->port != port) {
            why = side + " names port " + std::to_string(*parts->port) + ", --" + side +
                  "-port another one; give it once";
            return fail(errc::invalid_argument);
        }
        out.push_back({parts->host, parts->port.value_or(port)});
    }
    if (side == "source" && from.for_command() == command::proxy && out.size() > 1) {
        why =
            "source: clients of a proxy are led to one node; name one, and start a proxy for each "
            "of the others";
        return fail(errc::invalid_argument);
    }
    return out;
}

}  // namespace dualwrite::engine
