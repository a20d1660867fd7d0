#pragma once

// Key stores as Java's keytool, OpenSSL and Windows write them. The files are the operator's own;
// their readers are bounded all the same: no recursion, no allocation by a declared length.

#include <dualwrite/base/result.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "tls_der.hpp"

namespace dualwrite::engine {

enum class key_file_kind {
    pem,
    pkcs12,
    jks,
    jceks,
    certificate,  // a single one, DER
    unknown,
};

// By content: names lie, keytool writes PKCS#12 to keystore.jks.
key_file_kind kind_of(octets_view file) noexcept;

struct keystore {
    struct entry {
        std::string alias;
        secret_octets key;  // PKCS#8
    };
    std::vector<entry> keys;
    std::vector<std::vector<unsigned char>> certificates;  // X.509, of keys and of authorities
};

// `file` is PKCS#12 or JKS. On failure `why` ends a sentence that begins with the file's name and
// a colon; a wrong password is errc::authentication_failed.
result<keystore> read_keystore(octets_view file, std::string_view password, std::string& why);
result<keystore> read_pkcs12(octets_view file, std::string_view password, std::string& why);
result<keystore> read_jks(octets_view file, std::string_view password, std::string& why);

}  // namespace dualwrite::engine
