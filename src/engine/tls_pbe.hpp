#pragma once

// What a password protects in key stores and encrypted PEM keys: PKCS#12 appendix B, PKCS#5 PBES2
// and PBMAC1.

#include <dualwrite/base/result.hpp>

#include <mbedtls/md.h>

#include <string>
#include <string_view>

#include "tls_der.hpp"

namespace dualwrite::engine {

// More rounds than this take minutes: nobody protects a key store so.
#if defined(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
constexpr std::uint32_t pbe_rounds_max = 100;
#else
constexpr std::uint32_t pbe_rounds_max = 20'000'000;
#endif

// Both forms of a password: PKCS#5 takes UTF-8, PKCS#12 and JKS UTF-16, the former with a zero
// behind it.
struct pbe_password {
    explicit pbe_password(std::string_view utf8_text);
    octets_view utf16() const noexcept
    {
        return octets_view(utf16_zero).first(utf16_zero.size() - 2);
    }

    secret_octets utf8;
    secret_octets utf16_zero;
};

// Of PBKDF2: 1.2.840.113549.1.5.12
inline constexpr std::string_view pbkdf2_id{"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c", 9};

// The digest with this object identifier; null: not one of ours.
const mbedtls_md_info_t* digest_of(octets_view oid) noexcept;

// PKCS#12 B.2: `purpose` is 1 for keys, 2 for initial values, 3 for authentication.
secret_octets pkcs12_derive(
    const mbedtls_md_info_t* digest,
    octets_view password,
    octets_view salt,
    std::uint32_t rounds,
    unsigned char purpose,
    std::size_t size
);

// HMAC-based derivation of PKCS#5, from the parameters of PBKDF2. Empty: they are none of ours, and
// `why` says which; `size` is what the caller needs.
result<secret_octets>
pbkdf2(der::reader parameters, octets_view password, std::size_t size, std::string& why);

// Undoes `algorithm`, an AlgorithmIdentifier's content. A wrong password is
// errc::authentication_failed, as far as the padding shows it.
result<secret_octets> pbe_decrypt(
    der::reader algorithm, octets_view encrypted, const pbe_password& password, std::string& why
);

// An EncryptedPrivateKeyInfo: the PKCS#8 key in it.
result<secret_octets>
decrypt_pkcs8(octets_view encrypted_key, const pbe_password& password, std::string& why);

}  // namespace dualwrite::engine
