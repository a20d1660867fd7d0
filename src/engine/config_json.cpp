#include "config_json.hpp"

#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <array>
#include <optional>

namespace dualwrite::engine {

namespace {

// The bytes of an IPv4 or IPv6 address.
std::optional<std::string> address_bytes(const std::string& text)
{
    std::array<char, 16> bytes{};
    if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return std::string(bytes.data(), 4);
    if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1)
        return std::string(bytes.data(), 16);
    return std::nullopt;
}

}  // namespace

result<std::map<std::string, std::string, std::less<>>>
parse_ghost_addresses(const std::string& json, std::string& why)
{
    const auto refuse = [&](const std::string& text) {
        why = "--ghostIps: " + text + R"(; it looks like {"10.0.0.1":"10.1.0.1"})";
        return fail(errc::invalid_argument);
    };
    const auto object = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return refuse("not a JSON object");
    std::map<std::string, std::string, std::less<>> ghosts;
    for (const auto& [source, proxy] : object.items()) {
        const auto key = address_bytes(source);
        if (!key) return refuse("'" + source.substr(0, 100) + "' is not an address");
        if (!proxy.is_string()) return refuse("the proxy of " + source + " is not a text");
        const auto text = proxy.get<std::string>();
        const auto value = address_bytes(text);
        if (!value) return refuse("'" + text.substr(0, 100) + "' is not an address");
        if (value->size() != key->size())
            return refuse(source + " and " + text + " are not both IPv4 or both IPv6");
        if (!ghosts.emplace(*key, *value).second) return refuse(source + " is there twice");
    }
    return ghosts;
}

}  // namespace dualwrite::engine
