#pragma once

// What the TLS files share: mbedTLS's objects with their lifetimes, and where 2.28 and 3 differ.

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/tls.hpp>

#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include <mutex>
#include <string>

namespace dualwrite::engine {

// A C object that is made by `Init` and undone by `Free`.
template <class T, void (*Init)(T*), void (*Free)(T*)> class tls_object {
public:
    tls_object() noexcept { Init(&value_); }
    ~tls_object() { Free(&value_); }
    tls_object(const tls_object&) = delete;
    tls_object& operator=(const tls_object&) = delete;

    T* get() noexcept { return &value_; }
    const T* get() const noexcept { return &value_; }
    T* operator->() noexcept { return &value_; }

private:
    T value_;
};

using tls_certificates = tls_object<mbedtls_x509_crt, mbedtls_x509_crt_init, mbedtls_x509_crt_free>;
using tls_key = tls_object<mbedtls_pk_context, mbedtls_pk_init, mbedtls_pk_free>;
using tls_config = tls_object<mbedtls_ssl_config, mbedtls_ssl_config_init, mbedtls_ssl_config_free>;
using tls_saved_session =
    tls_object<mbedtls_ssl_session, mbedtls_ssl_session_init, mbedtls_ssl_session_free>;

// Randomness from the kernel: nothing to seed, to lock or to reseed after a fork.
int tls_random(void* unused, unsigned char* out, std::size_t size) noexcept;

std::string tls_error_text(int code);

// To be called before anything else of the library; any number of times.
result<void> tls_library_start(std::string& why);

// TLS 1.2 at least, our randomness, defaults otherwise. `endpoint` is MBEDTLS_SSL_IS_*.
result<void> tls_configure(mbedtls_ssl_config& config, int endpoint, std::string& why);

// Held while a handshake computes. mbedTLS shares keys, the session cache and the ticket keys
// between sessions, and locks them only where it was built to.
class tls_handshake_lock {
public:
    explicit tls_handshake_lock([[maybe_unused]] std::mutex& mutex)
    {
#if !defined(MBEDTLS_THREADING_C)
        lock_ = std::unique_lock(mutex);
#endif
    }

private:
    std::unique_lock<std::mutex> lock_;
};

}  // namespace dualwrite::engine
