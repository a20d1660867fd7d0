#include <dualwrite/engine/tls.hpp>

#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ticket.h>

#include <atomic>
#include <ctime>

#include "tls_files.hpp"
#include "tls_names.hpp"
#include "tls_session.hpp"

namespace dualwrite::engine {

namespace {

using ticket_keys =
    tls_object<mbedtls_ssl_ticket_context, mbedtls_ssl_ticket_init, mbedtls_ssl_ticket_free>;
using session_cache =
    tls_object<mbedtls_ssl_cache_context, mbedtls_ssl_cache_init, mbedtls_ssl_cache_free>;

constexpr std::uint32_t session_life_s = 24 * 60 * 60;
// For clients without tickets: Java before 13.
constexpr int cached_sessions_max = 4096;

class server_context final : public tls_server_context,
                             public std::enable_shared_from_this<server_context> {
public:
    result<void> open(const tls_server_options& options, std::string& why);

    std::unique_ptr<tls_session> accept(int fd) override;
    tls_certificate_facts certificate() const override;
    std::uint64_t handshakes() const noexcept override { return handshakes_.load(); }
    std::uint64_t resumptions() const noexcept override { return resumptions_.load(); }

    const mbedtls_ssl_config& config() const noexcept { return *config_.get(); }
    std::mutex& handshake_mutex() noexcept { return handshake_mutex_; }
    ticket_keys& tickets() noexcept { return tickets_; }
    session_cache& cache() noexcept { return cache_; }
    void count_handshake(bool resumed) noexcept
    {
        handshakes_.fetch_add(1);
        if (resumed) resumptions_.fetch_add(1);
    }

private:
    tls_config config_;
    tls_certificates certificate_;
    tls_certificates client_authorities_;
    tls_key key_;
    tls_certificate_facts facts_;
    ticket_keys tickets_;
    session_cache cache_;
    std::mutex handshake_mutex_;
    std::atomic<std::uint64_t> handshakes_{0};
    std::atomic<std::uint64_t> resumptions_{0};
};

int parse_ticket(
    void* context, mbedtls_ssl_session* session, unsigned char* ticket, std::size_t size
)
{
    auto& server = *static_cast<server_context*>(context);
    const auto code = mbedtls_ssl_ticket_parse(server.tickets().get(), session, ticket, size);
    if (code == 0) mbedtls_session::in_handshake()->set_resumed();
    return code;
}

int write_ticket(
    void* context,
    const mbedtls_ssl_session* session,
    unsigned char* start,
    const unsigned char* end,
    std::size_t* size,
    std::uint32_t* life_s
)
{
    auto& server = *static_cast<server_context*>(context);
    return mbedtls_ssl_ticket_write(server.tickets().get(), session, start, end, size, life_s);
}

// The signatures of the cache's two functions differ between mbedTLS 2 and 3.
template <class... Rest> int find_in_cache(void* context, Rest... rest)
{
    auto& server = *static_cast<server_context*>(context);
    const auto code = mbedtls_ssl_cache_get(server.cache().get(), rest...);
    if (code == 0) mbedtls_session::in_handshake()->set_resumed();
    return code;
}

template <class... Rest> int put_into_cache(void* context, Rest... rest)
{
    auto& server = *static_cast<server_context*>(context);
    return mbedtls_ssl_cache_set(server.cache().get(), rest...);
}

class server_session final : public mbedtls_session {
public:
    server_session(std::shared_ptr<server_context> context, int fd)
        : mbedtls_session(fd, context->config()), context_(std::move(context))
    {
    }

private:
    void on_session() override { context_->count_handshake(resumed()); }
    std::mutex& handshake_mutex() noexcept override { return context_->handshake_mutex(); }
    std::string explain(int code) const override;

    std::shared_ptr<server_context> context_;
};

std::string server_session::explain(int code) const
{
    constexpr int alert = 0x15;
    constexpr int handshake_record = 0x16;
    if (first_byte() >= 0 && first_byte() != alert && first_byte() != handshake_record)
        return "the client does not speak TLS";
    if (code == MBEDTLS_ERR_SSL_CONN_EOF) return "the client closed the connection";
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        return "the client refused it; most often it does not trust our certificate";
    return tls_error_text(code);
}

result<void> server_context::open(const tls_server_options& options, std::string& why)
{
    DW_CHECK(tls_library_start(why));
    DW_CHECK(tls_configure(*config_.get(), MBEDTLS_SSL_IS_SERVER, why));
    const tls_identity_files files{
        options.certificate_file, options.key_file, options.key_password, options.password_flag};
    DW_CHECK(tls_load_identity(*certificate_.get(), *key_.get(), files, facts_.alias, why));
    facts_.names = names_text(*certificate_.get());
    facts_.valid_until = tls_time_text(certificate_->valid_to);
    auto code = mbedtls_ssl_conf_own_cert(config_.get(), certificate_.get(), key_.get());
    if (code == 0)
        code = mbedtls_ssl_ticket_setup(
            tickets_.get(), tls_random, nullptr, MBEDTLS_CIPHER_AES_256_GCM, session_life_s
        );
    if (code != 0) {
        why = "mbedTLS: " + tls_error_text(code);
        return fail(errc::unsupported);
    }
    mbedtls_ssl_conf_session_tickets_cb(config_.get(), write_ticket, parse_ticket, this);
    mbedtls_ssl_cache_set_max_entries(cache_.get(), cached_sessions_max);
    mbedtls_ssl_cache_set_timeout(cache_.get(), session_life_s);
    mbedtls_ssl_conf_session_cache(config_.get(), this, find_in_cache, put_into_cache);
    if (!options.client_ca_file.empty()) {
        DW_CHECK(tls_load_certificates(*client_authorities_.get(), options.client_ca_file, why));
        mbedtls_ssl_conf_ca_chain(config_.get(), client_authorities_.get(), nullptr);
        mbedtls_ssl_conf_authmode(config_.get(), MBEDTLS_SSL_VERIFY_REQUIRED);
    }
    return {};
}

tls_certificate_facts server_context::certificate() const
{
    const auto& until = certificate_.get()->valid_to;
    std::tm time{};
    time.tm_year = until.year - 1900;
    time.tm_mon = until.mon - 1;
    time.tm_mday = until.day;
    time.tm_hour = until.hour;
    time.tm_min = until.min;
    auto facts = facts_;
    facts.days_left = (::timegm(&time) - std::time(nullptr)) / (24 * 60 * 60);
    return facts;
}

std::unique_ptr<tls_session> server_context::accept(int fd)
{
    return std::make_unique<server_session>(shared_from_this(), fd);
}

}  // namespace

result<std::shared_ptr<tls_server_context>>
tls_server_context::create(const tls_server_options& options, std::string& why)
{
    auto context = std::make_shared<server_context>();
    DW_CHECK(context->open(options, why));
    return std::shared_ptr<tls_server_context>(std::move(context));
}

}  // namespace dualwrite::engine
