#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dualwrite::engine {

enum class tls_verify : std::uint8_t { full, ca, none };

// Where a cluster can be entered.
struct contact_point {
    std::string host;
    std::uint16_t port{9042};
    std::string text() const { return host + ":" + std::to_string(port); }
};

// How to reach one side and as whom.
struct endpoint {
    std::string host;
    std::uint16_t port{9042};
    std::vector<contact_point> more;  // tried where the first does not answer
    bool tls{true};
    tls_verify verify{tls_verify::full};
    std::string tls_ca_file;      // PEM; empty: the system's authorities
    std::string tls_server_name;  // expected name in the certificate; empty: `host`
    // A key store whose certificates are trusted beside the system's, unless tls_ca_file is set.
    std::string tls_keystore_file;
    std::string tls_keystore_password;
    // What we show to a node that asks for a certificate: PEM, or a key store without a key file.
    std::string tls_certificate_file;
    std::string tls_key_file;
    std::string tls_key_password;
    std::string username;  // empty: none known
    std::string password;
    std::string identifier;  // what the operator calls it; empty: nothing of its own

    std::vector<contact_point> contact_points() const
    {
        std::vector<contact_point> all{{host, port}};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    std::string text() const { return host + ":" + std::to_string(port); }
    // For people: "east (10.0.0.1:9042)", or the address alone.
    std::string label() const
    {
        return identifier.empty() ? text() : identifier + " (" + text() + ")";
    }
};

}  // namespace dualwrite::engine
