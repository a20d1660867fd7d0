#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/endpoint.hpp>
#include <dualwrite/engine/transport.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace dualwrite::engine {

struct tls_client_options {
    tls_verify verify{tls_verify::full};
    std::string ca_file;        // PEM; empty: the system's authorities and those of keystore_file
    std::string keystore_file;  // PKCS#12 or JKS; empty: none
    std::string keystore_password;
    std::string certificate_file;  // shown to a server that asks: PEM chain or key store; or empty
    std::string key_file;          // PEM, of certificate_file; empty: in certificate_file
    std::string key_password;      // of the key or key store; empty: none
    std::string side;              // "source" or "target": error texts then name its flags
};

// What `to` says about TLS.
tls_client_options tls_options_of(const endpoint& to, std::string_view side);
// What the operator should be told about it, loudly; empty: nothing.
std::string tls_warning(const endpoint& to, std::string_view side);

// TLS 1.2 or newer towards servers: authorities, own certificate, sessions kept for resumption.
// A session is offered again only to the same address under the same expected name.
//
// Threads: any. Loops and jobs share one; a session belongs to one thread at a time.
class tls_client_context {
public:
    virtual ~tls_client_context() = default;

    // On failure `why` says what is wrong and which flag mends it.
    static result<std::shared_ptr<tls_client_context>>
    create(const tls_client_options& options, std::string& why);

    // A session over the connected socket `fd`, which stays the caller's and outlives the session.
    // `server_name`, a host name or an IP address, is what the certificate must name under
    // tls_verify::full; or, with `peer_address_will_do`, the address that `fd` is connected to: for
    // nodes whose address a trusted node has told. The session keeps what it needs of this context
    // alive.
    virtual std::unique_ptr<tls_session>
    connect(int fd, const std::string& server_name, bool peer_address_will_do = false) = 0;

    // Handshakes that ended well, and those of them that resumed a session.
    virtual std::uint64_t handshakes() const noexcept = 0;
    virtual std::uint64_t resumptions() const noexcept = 0;
};

struct tls_server_options {
    std::string certificate_file;  // PEM: the certificate, then its intermediates; or a key store
    std::string key_file;          // PEM; empty: in certificate_file
    std::string key_password;      // of the key or key store; empty: none
    std::string password_flag;     // what an error text names where the password is wrong
    std::string client_ca_file;    // PEM; not empty: clients must show a certificate of it
};

// What a listener shows to its clients.
struct tls_certificate_facts {
    std::string names;
    std::string alias;  // in a key store with several keys
    std::string valid_until;
    std::int64_t days_left{0};
};

// TLS 1.2 or newer towards clients. Reconnecting clients resume, by ticket or by session id.
//
// Threads: any, as above.
class tls_server_context {
public:
    virtual ~tls_server_context() = default;

    static result<std::shared_ptr<tls_server_context>>
    create(const tls_server_options& options, std::string& why);

    virtual std::unique_ptr<tls_session> accept(int fd) = 0;
    virtual tls_certificate_facts certificate() const = 0;

    // As above.
    virtual std::uint64_t handshakes() const noexcept = 0;
    virtual std::uint64_t resumptions() const noexcept = 0;
};

}  // namespace dualwrite::engine
