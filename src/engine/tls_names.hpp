#pragma once

#include <mbedtls/x509_crt.h>

#include <cstddef>
#include <string>
#include <vector>

namespace dualwrite::engine {

// The octets of an IPv4 or IPv6 address in text; empty if `text` is none. A zone ("%eth0") is no
// part of what a certificate can name and is left out.
std::vector<std::byte> ip_octets(const std::string& text);

// True if an iPAddress among the subject's alternative names equals `address`. As RFC 2818 3.1
// asks, a common name never stands for an address.
bool names_address(const mbedtls_x509_crt& certificate, const std::vector<std::byte>& address);

// The names that a certificate is for, as a reader compares them: "db.example, 10.0.0.1".
std::string names_text(const mbedtls_x509_crt& certificate);

}  // namespace dualwrite::engine
