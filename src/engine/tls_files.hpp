#pragma once

// Certificates and keys from the operator's files, whatever their format. On failure `why` names
// the file and the reason.

#include <string>

#include "tls_keystore.hpp"
#include "tls_library.hpp"

namespace dualwrite::engine {

// Certificates, PEM or one in DER.
result<void>
tls_load_certificates(mbedtls_x509_crt& into, const std::string& file, std::string& why);
result<void> tls_load_system_authorities(mbedtls_x509_crt& into, std::string& why);
// All certificates of a key store: what its owner shows, it also trusts.
result<void> tls_load_keystore_authorities(
    mbedtls_x509_crt& into, const std::string& file, const std::string& password, std::string& why
);

// Where a certificate and its key are.
struct tls_identity_files {
    const std::string& certificate_file;  // PEM, PKCS#12 or JKS
    const std::string& key_file;          // PEM; empty: in certificate_file
    const std::string& password;          // of the key store or of the key; empty: none
    const std::string& password_flag;     // named where the password is wrong; may be empty
};

// The certificate of the key, then its chain. Refuses what a peer would refuse anyway: a key of
// another certificate, a certificate that has expired. `alias` names the key where several are.
result<void> tls_load_identity(
    mbedtls_x509_crt& chain,
    mbedtls_pk_context& key,
    const tls_identity_files& files,
    std::string& alias,
    std::string& why
);

std::string tls_time_text(const mbedtls_x509_time& time);

}  // namespace dualwrite::engine
