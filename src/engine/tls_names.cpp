#include "tls_names.hpp"

#include <mbedtls/asn1.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <netinet/in.h>
#include <span>

namespace dualwrite::engine {

namespace {

// GeneralName choices of RFC 5280 4.2.1.6; mbedTLS keeps every entry's tag, also of the kinds that
// it does not match by itself.
constexpr int dns_name = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2;
constexpr int ip_address = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7;

template <class Visit> void for_each_name(const mbedtls_x509_crt& certificate, Visit visit)
{
    for (const auto* entry = &certificate.subject_alt_names; entry != nullptr;
         entry = entry->next) {
        if (entry->buf.p != nullptr) visit(entry->buf);
    }
}

std::string address_text(const mbedtls_x509_buf& octets)
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    const auto family = octets.len == sizeof(in_addr) ? AF_INET : AF_INET6;
    if (octets.len != sizeof(in_addr) && octets.len != sizeof(in6_addr)) return "?";
    ::inet_ntop(family, octets.p, text.data(), text.size());
    return text.data();
}

// Certificates come from the peer: their names must not be able to write control characters or
// whole novels into a log.
std::string printable(const mbedtls_x509_buf& text)
{
    constexpr std::size_t length_max = 255;
    std::string out;
    for (std::size_t i = 0; i < std::min(text.len, length_max); ++i) {
        const auto c = text.p[i];
        out.push_back(c > 0x20 && c < 0x7f ? static_cast<char>(c) : '?');
    }
    return out;
}

std::string common_name(const mbedtls_x509_crt& certificate)
{
    constexpr std::array<unsigned char, 3> oid{0x55, 0x04, 0x03};  // 2.5.4.3
    for (const auto* part = &certificate.subject; part != nullptr; part = part->next) {
        if (part->oid.len == oid.size() && std::equal(oid.begin(), oid.end(), part->oid.p))
            return printable(part->val);
    }
    return {};
}

}  // namespace

std::vector<std::byte> ip_octets(const std::string& text)
{
    const auto address = text.substr(0, text.find('%'));
    std::array<std::byte, sizeof(in6_addr)> octets{};
    std::size_t size = 0;
    if (::inet_pton(AF_INET, address.c_str(), octets.data()) == 1)
        size = sizeof(in_addr);
    else if (::inet_pton(AF_INET6, address.c_str(), octets.data()) == 1)
        size = sizeof(in6_addr);
    return {octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size)};
}

bool names_address(const mbedtls_x509_crt& certificate, const std::vector<std::byte>& address)
{
    bool found = false;
    for_each_name(certificate, [&](const mbedtls_x509_buf& name) {
        found |= name.tag == ip_address && name.len == address.size() &&
                 std::memcmp(name.p, address.data(), name.len) == 0;
    });
    return found;
}

std::string names_text(const mbedtls_x509_crt& certificate)
{
    constexpr std::size_t names_max = 8;
    std::string text;
    std::size_t count = 0;
    for_each_name(certificate, [&](const mbedtls_x509_buf& name) {
        if (name.tag != dns_name && name.tag != ip_address) return;
        if (++count > names_max) return;
        if (!text.empty()) text += ", ";
        text += name.tag == ip_address ? address_text(name) : printable(name);
    });
    if (count > names_max) text += " and " + std::to_string(count - names_max) + " more";
    if (count == 0) text = common_name(certificate);
    return text.empty() ? "no name" : text;
}

}  // namespace dualwrite::engine
