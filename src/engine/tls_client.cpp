#include <dualwrite/engine/tls.hpp>

#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <map>
#include <netinet/in.h>
#include <vector>

#include "tls_files.hpp"
#include "tls_names.hpp"
#include "tls_session.hpp"

namespace dualwrite::engine {

namespace {

// What a server is known by when a session is offered to it again: a ticket is of no use elsewhere,
// and a session that was verified under one name proves nothing about another.
std::string session_key(int fd, const std::string& server_name)
{
    socket_address peer;
    peer.size = sizeof peer.storage;
    std::string key = server_name;
    key.push_back('\0');
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer.storage), &peer.size) == 0)
        key.append(reinterpret_cast<const char*>(&peer.storage), peer.size);
    return key;
}

std::vector<std::byte> peer_octets(int fd)
{
    socket_address peer;
    peer.size = sizeof peer.storage;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer.storage), &peer.size) != 0) return {};
    std::array<char, INET6_ADDRSTRLEN> text{};
    const auto family = peer.storage.ss_family;
    const void* raw = family == AF_INET6
                          ? static_cast<const void*>(
                                &reinterpret_cast<const sockaddr_in6*>(&peer.storage)->sin6_addr
                            )
                          : &reinterpret_cast<const sockaddr_in*>(&peer.storage)->sin_addr;
    if (::inet_ntop(family, raw, text.data(), text.size()) == nullptr) return {};
    return ip_octets(text.data());
}

class client_context final : public tls_client_context,
                             public std::enable_shared_from_this<client_context> {
public:
    explicit client_context(const tls_client_options& options) : options_(options) {}
    result<void> open(std::string& why);
    result<void> load_authorities(std::string& why);

    std::unique_ptr<tls_session>
    connect(int fd, const std::string& server_name, bool peer_address_will_do) override;

    std::uint64_t handshakes() const noexcept override { return handshakes_.load(); }
    std::uint64_t resumptions() const noexcept override { return resumptions_.load(); }
    void count_handshake(bool resumed) noexcept
    {
        handshakes_.fetch_add(1);
        if (resumed) resumptions_.fetch_add(1);
    }

    const tls_client_options& options() const noexcept { return options_; }
    const mbedtls_ssl_config& config() const noexcept { return *config_.get(); }
    std::mutex& handshake_mutex() noexcept { return handshake_mutex_; }

    void offer_session(mbedtls_ssl_context& ssl, const std::string& key);
    void keep_session(const mbedtls_ssl_context& ssl, const std::string& key);
    void forget_session(const std::string& key);

private:
    static constexpr std::size_t sessions_max = 1024;

    tls_client_options options_;
    tls_config config_;
    tls_certificates authorities_;
    tls_certificates certificate_;
    tls_key key_;
    std::mutex handshake_mutex_;
    std::atomic<std::uint64_t> handshakes_{0};
    std::atomic<std::uint64_t> resumptions_{0};

    std::mutex sessions_mutex_;  // guards sessions_
    std::map<std::string, std::unique_ptr<tls_saved_session>> sessions_;
};

class client_session final : public mbedtls_session {
public:
    client_session(
        std::shared_ptr<client_context> context,
        int fd,
        const std::string& server_name,
        bool peer_address_will_do
    );

    // Called for each certificate of the chain with what mbedTLS has against it; decides what
    // counts.
    void verify(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);

private:
    void on_session() override;
    void on_handshake_failed() override { context_->forget_session(key_); }
    std::mutex& handshake_mutex() noexcept override { return context_->handshake_mutex(); }
    std::string explain(int code) const override;
    std::string explain_certificate() const;
    std::string flag(const char* name) const;

    std::shared_ptr<client_context> context_;
    std::string server_name_;
    std::string key_;
    std::vector<std::byte> address_;       // of server_name_, if it is one
    std::vector<std::byte> peer_address_;  // if the certificate may name it instead
    std::uint32_t problems_{0};            // MBEDTLS_X509_BADCERT_* of the whole chain
    std::string certificate_names_;
    bool saw_certificate_{false};
    bool counted_{false};
};

// One hook for all sessions: mbedTLS 3.6.0 does not call a session's own hook under TLS 1.3.
int verify_hook(void*, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags)
{
    static_cast<client_session*>(mbedtls_session::in_handshake())
        ->verify(*certificate, depth, *flags);
    return 0;
}

result<void> client_context::open(std::string& why)
{
    DW_CHECK(tls_library_start(why));
    DW_CHECK(tls_configure(*config_.get(), MBEDTLS_SSL_IS_CLIENT, why));
    mbedtls_ssl_conf_verify(config_.get(), verify_hook, nullptr);
    // Never VERIFY_NONE: it would skip the hook that decides, and TLS 1.3 has no such mode.
    const bool any = options_.verify == tls_verify::none;
    mbedtls_ssl_conf_authmode(
        config_.get(), any ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_REQUIRED
    );
    if (!any) {
        DW_CHECK(load_authorities(why));
    }
    // Without verification an empty list: mbedTLS 3.6.0 refuses to go without one.
    mbedtls_ssl_conf_ca_chain(config_.get(), authorities_.get(), nullptr);
    if (!options_.certificate_file.empty()) {
        const auto flag = options_.side.empty() ? "" : "--" + options_.side + "-tls-key-password";
        const tls_identity_files files{
            options_.certificate_file, options_.key_file, options_.key_password, flag};
        std::string alias;
        DW_CHECK(tls_load_identity(*certificate_.get(), *key_.get(), files, alias, why));
        mbedtls_ssl_conf_own_cert(config_.get(), certificate_.get(), key_.get());
    }
#if MBEDTLS_VERSION_NUMBER >= 0x03060100 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        config_.get(), MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED
    );
#endif
    return {};
}

// A list of the operator's own counts alone. A key store adds to the system's, which may be
// missing then.
result<void> client_context::load_authorities(std::string& why)
{
    auto& into = *authorities_.get();
    if (!options_.ca_file.empty()) return tls_load_certificates(into, options_.ca_file, why);
    if (options_.keystore_file.empty()) return tls_load_system_authorities(into, why);
    DW_CHECK(
        tls_load_keystore_authorities(into, options_.keystore_file, options_.keystore_password, why)
    );
    std::string missing;
    (void)tls_load_system_authorities(into, missing);
    return {};
}

std::unique_ptr<tls_session>
client_context::connect(int fd, const std::string& server_name, bool peer_address_will_do)
{
    return std::make_unique<client_session>(
        shared_from_this(), fd, server_name, peer_address_will_do
    );
}

void client_context::offer_session(mbedtls_ssl_context& ssl, const std::string& key)
{
    const std::lock_guard lock(sessions_mutex_);
    const auto found = sessions_.find(key);
    if (found == sessions_.end()) return;
    // An expired one is refused: then the handshake is a full one, and keeps its session.
    if (mbedtls_ssl_set_session(&ssl, found->second->get()) != 0) sessions_.erase(found);
}

void client_context::keep_session(const mbedtls_ssl_context& ssl, const std::string& key)
{
    auto session = std::make_unique<tls_saved_session>();
    // Fails when there is nothing to resume; that server is then met in full each time.
    if (mbedtls_ssl_get_session(&ssl, session->get()) != 0) return;
    const std::lock_guard lock(sessions_mutex_);
    if (sessions_.size() >= sessions_max) sessions_.erase(sessions_.begin());
    sessions_[key] = std::move(session);
}

void client_context::forget_session(const std::string& key)
{
    const std::lock_guard lock(sessions_mutex_);
    sessions_.erase(key);
}

client_session::client_session(
    std::shared_ptr<client_context> context,
    int fd,
    const std::string& server_name,
    bool peer_address_will_do
)
    : mbedtls_session(fd, context->config()), context_(std::move(context)),
      server_name_(server_name), key_(session_key(fd, server_name)),
      address_(ip_octets(server_name))
{
    if (peer_address_will_do) {
        peer_address_ = peer_octets(fd);
        key_.push_back('*');
    }
    // An address is no server name (RFC 6066 3); verify() matches it.
    const auto* name = address_.empty() && !server_name_.empty() ? server_name_.c_str() : nullptr;
    const auto code = mbedtls_ssl_set_hostname(&ssl(), name);
    if (code != 0) refuse("\"" + server_name_ + "\" is no host name: " + tls_error_text(code));
    context_->offer_session(ssl(), key_);
}

void client_session::on_session()
{
    // A resumed session is the one kind of handshake in which the server shows no certificate.
    if (!std::exchange(counted_, true)) context_->count_handshake(!saw_certificate_);
    context_->keep_session(ssl(), key_);
}

void client_session::verify(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags)
{
    const auto verify = context_->options().verify;
    saw_certificate_ = true;
    if (depth == 0) {
        certificate_names_ = names_text(certificate);
        bool named = address_.empty()
                         ? !server_name_.empty() && (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) == 0
                         : names_address(certificate, address_);
        if (!peer_address_.empty()) named = named || names_address(certificate, peer_address_);
        flags &= ~std::uint32_t{MBEDTLS_X509_BADCERT_CN_MISMATCH};
        if (verify == tls_verify::full && !named) flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
    if (verify == tls_verify::none) flags = 0;
    problems_ |= flags;
}

std::string client_session::flag(const char* name) const
{
    return "--" + context_->options().side + "-tls-" + name;
}

std::string client_session::explain_certificate() const
{
    const auto& options = context_->options();
    const bool flags = !options.side.empty();
    if ((problems_ & MBEDTLS_X509_BADCERT_EXPIRED) != 0)
        return "the certificate of the server, or of its authority, has expired; renew it" +
               (flags ? ", or accept any with " + flag("verify none") : "");
    if ((problems_ & MBEDTLS_X509_BADCERT_FUTURE) != 0)
        return "the certificate of the server, or of its authority, is not valid yet; "
               "check the clocks";
    if ((problems_ & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)
        return "the certificate of the server is not signed by " +
               (options.ca_file.empty() ? "an authority that this system trusts"
                                        : "an authority in " + options.ca_file) +
               (flags ? "; name the right authority with " + flag("ca FILE") +
                            ", or accept any certificate with " + flag("verify none")
                      : "");
    if ((problems_ & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0)
        return "the certificate of the server is for " + certificate_names_ + ", not for " +
               (server_name_.empty() ? "an unnamed server" : server_name_) +
               (flags ? "; connect by a name in the certificate, or accept every name with " +
                            flag("verify ca")
                      : "");
    std::array<char, 512> text{};
    mbedtls_x509_crt_verify_info(text.data(), text.size(), " ", problems_);
    std::string info = text.data();
    while (!info.empty() && info.back() == '\n') info.pop_back();
    return "the certificate of the server is refused:" + info;
}

std::string client_session::explain(int code) const
{
    const auto& side = context_->options().side;
    if (problems_ != 0) return explain_certificate();
    constexpr int alert = 0x15;
    constexpr int handshake_record = 0x16;
    if (first_byte() >= 0 && first_byte() != alert && first_byte() != handshake_record)
        return "the server does not speak TLS on this port" +
               (side.empty() ? "" : "; if that is right, pass --disable-" + side + "-tls true");
    if (code == MBEDTLS_ERR_SSL_CONN_EOF)
        return "the server closed the connection in the middle of it" +
               (side.empty() ? ""
                             : "; if it does not speak TLS, pass --disable-" + side + "-tls true");
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        return "the server refused it: it wants another protocol version, cipher, or a client "
               "certificate" +
               (side.empty() ? "" : "; give one with " + flag("cert FILE"));
    return tls_error_text(code);
}

}  // namespace

tls_client_options tls_options_of(const endpoint& to, std::string_view side)
{
    tls_client_options options;
    options.verify = to.verify;
    options.ca_file = to.tls_ca_file;
    options.keystore_file = to.tls_keystore_file;
    options.keystore_password = to.tls_keystore_password;
    options.certificate_file = to.tls_certificate_file;
    options.key_file = to.tls_key_file;
    options.key_password = to.tls_key_password;
    options.side = side;
    return options;
}

std::string tls_warning(const endpoint& to, std::string_view side)
{
    if (!to.tls || to.verify == tls_verify::full) return {};
    const auto flag = "--" + std::string(side) + "-tls-verify";
    if (to.verify == tls_verify::ca)
        return flag + " ca: the name in the certificate of the " + std::string(side) +
               " is not looked at; any server with a certificate of a trusted authority is taken "
               "for it";
    return "INSECURE: " + flag + " none: the certificate of the " + std::string(side) +
           " is not verified; whoever sits on the way can read and change everything, passwords "
           "included. Name its authority with --" +
           std::string(side) + "-tls-ca instead";
}

result<std::shared_ptr<tls_client_context>>
tls_client_context::create(const tls_client_options& options, std::string& why)
{
    auto context = std::make_shared<client_context>(options);
    if (const auto opened = context->open(why); !opened) {
        if (!options.side.empty() && options.verify != tls_verify::none)
            why += "; see --" + options.side + "-tls-ca and --" + options.side + "-tls-verify";
        return fail(opened.error());
    }
    return std::shared_ptr<tls_client_context>(std::move(context));
}

}  // namespace dualwrite::engine
