#include "tls_library.hpp"

#include <mbedtls/platform_util.h>
#if defined(MBEDTLS_USE_PSA_CRYPTO) || defined(MBEDTLS_SSL_PROTO_TLS1_3)
#include <psa/crypto.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sys/random.h>

namespace dualwrite::engine {

namespace {

// Where distributions keep the authorities that they trust: Debian and Alpine, Red Hat, SUSE, BSD.
constexpr std::array system_authorities = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

// The content of `file` and the NUL with which mbedTLS recognizes PEM.
result<std::string> read_pem(const std::string& file, std::string& why)
{
    errno = 0;
    std::ifstream in(file, std::ios::binary);
    std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (!in.is_open() || in.bad()) {
        why = "cannot read " + file + ": " + std::strerror(errno != 0 ? errno : EIO);
        return fail(errc::invalid_argument);
    }
    content.push_back('\0');
    return content;
}

const unsigned char* octets(const std::string& text) noexcept
{
    return reinterpret_cast<const unsigned char*>(text.data());
}

int parse_key(mbedtls_pk_context& into, const std::string& pem, const std::string& password)
{
    const auto* secret = password.empty() ? nullptr : octets(password);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return mbedtls_pk_parse_key(
        &into, octets(pem), pem.size(), secret, password.size(), tls_random, nullptr
    );
#else
    return mbedtls_pk_parse_key(&into, octets(pem), pem.size(), secret, password.size());
#endif
}

int check_pair(const mbedtls_pk_context& public_key, const mbedtls_pk_context& private_key)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return mbedtls_pk_check_pair(&public_key, &private_key, tls_random, nullptr);
#else
    return mbedtls_pk_check_pair(&public_key, &private_key);
#endif
}

}  // namespace

int tls_random(void*, unsigned char* out, std::size_t size) noexcept
{
    while (size > 0) {
        const auto got = ::getrandom(out, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
        out += got;
        size -= static_cast<std::size_t>(got);
    }
    return 0;
}

std::string tls_error_text(int code)
{
    std::array<char, 160> text{};
    mbedtls_strerror(code, text.data(), text.size());
    return text.data();
}

result<void> tls_library_start([[maybe_unused]] std::string& why)
{
#if defined(MBEDTLS_USE_PSA_CRYPTO) || defined(MBEDTLS_SSL_PROTO_TLS1_3)
    static const psa_status_t started = psa_crypto_init();
    if (started != PSA_SUCCESS) {
        why = "mbedTLS cannot start its cryptography (PSA error " + std::to_string(started) + ")";
        return fail(errc::unsupported);
    }
#endif
    return {};
}

result<void> tls_configure(mbedtls_ssl_config& config, int endpoint, std::string& why)
{
    const auto failed = mbedtls_ssl_config_defaults(
        &config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT
    );
    if (failed != 0) {
        why = "mbedTLS: " + tls_error_text(failed);
        return fail(errc::unsupported);
    }
    mbedtls_ssl_conf_rng(&config, tls_random, nullptr);
#if MBEDTLS_VERSION_NUMBER >= 0x03020000
    mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
#else
    mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
    return {};
}

result<void>
tls_load_certificates(mbedtls_x509_crt& into, const std::string& file, std::string& why)
{
    DW_TRY(pem, read_pem(file, why));
    const auto code = mbedtls_x509_crt_parse(&into, octets(pem), pem.size());
    if (code == 0) return {};
    if (code > 0)
        why = std::to_string(code) + " certificates in " + file + " cannot be read";
    else
        why = "no certificate in PEM can be read from " + file + ": " + tls_error_text(code);
    return fail(errc::invalid_argument);
}

result<void> tls_load_system_authorities(mbedtls_x509_crt& into, std::string& why)
{
    for (const auto* file : system_authorities) {
        std::string unreadable;
        const auto pem = read_pem(file, unreadable);
        if (!pem) continue;
        // A positive result counts certificates of kinds that this build of mbedTLS does not know;
        // a server that needs one of those will be named by its failing handshake.
        if (mbedtls_x509_crt_parse(&into, octets(*pem), pem->size()) >= 0) return {};
    }
    why = "this system has no list of trusted authorities (package ca-certificates)";
    return fail(errc::invalid_argument);
}

result<void> tls_load_key(
    mbedtls_pk_context& into,
    const std::string& file,
    const std::string& password,
    const mbedtls_x509_crt& certificates,
    std::string& why
)
{
    DW_TRY(pem, read_pem(file, why));
    const auto code = parse_key(into, pem, password);
    mbedtls_platform_zeroize(pem.data(), pem.size());
    if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
        why = "the key in " + file + " is encrypted and no password was given";
    else if (code == MBEDTLS_ERR_PK_PASSWORD_MISMATCH)
        why = "the password does not open the key in " + file;
    else if (code != 0)
        why = "no private key in PEM can be read from " + file + ": " + tls_error_text(code);
    else if (check_pair(certificates.pk, into) != 0)
        why = "the key in " + file + " does not belong to the certificate";
    else
        return {};
    return fail(errc::invalid_argument);
}

}  // namespace dualwrite::engine
