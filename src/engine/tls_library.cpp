#include "tls_library.hpp"

#if defined(MBEDTLS_USE_PSA_CRYPTO) || defined(MBEDTLS_SSL_PROTO_TLS1_3)
#include <psa/crypto.h>
#endif

#include <array>
#include <cerrno>
#include <sys/random.h>

namespace dualwrite::engine {

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

}  // namespace dualwrite::engine
