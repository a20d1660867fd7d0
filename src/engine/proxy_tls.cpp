#include "proxy_tls.hpp"

namespace dualwrite::engine {

namespace {

constexpr std::int64_t days_left_min = 30;

proxy_tls::leg operator+(const proxy_tls::leg& a, const proxy_tls::leg& b) noexcept
{
    return {a.handshakes + b.handshakes, a.resumptions + b.resumptions};
}

template <class Context> proxy_tls::leg leg_of(const std::shared_ptr<Context>& context)
{
    if (!context) return {};
    return {context->handshakes(), context->resumptions()};
}

result<std::shared_ptr<tls_client_context>>
make_client(const endpoint& to, const char* side, std::string& why)
{
    if (!to.tls) return std::shared_ptr<tls_client_context>();
    return tls_client_context::create(tls_options_of(to, side), why);
}

result<std::shared_ptr<tls_server_context>>
make_listener(const proxy_options& options, std::string& why)
{
    if (options.listen_tls_cert_file.empty() && options.listen_tls_key_file.empty())
        return std::shared_ptr<tls_server_context>();
    if (options.listen_tls_cert_file.empty()) {
        why = "Both proxy-pem-keyfile and proxy-pem-certfile need to be set for TLS";
        return fail(errc::invalid_argument);
    }
    tls_server_options server;
    server.certificate_file = options.listen_tls_cert_file;
    server.key_file = options.listen_tls_key_file;
    server.key_password = options.listen_tls_password;
    server.password_flag = options.listen_tls_password_flag;
    server.client_ca_file = options.listen_tls_client_ca_file;
    return tls_server_context::create(server, why);
}

void describe(const tls_server_context& listener, const log_sink& log)
{
    const auto facts = listener.certificate();
    auto text = "clients are served TLS with the certificate for " + facts.names +
                (facts.alias.empty() ? "" : ", alias " + facts.alias) + ", valid until " +
                facts.valid_until;
    if (facts.days_left >= days_left_min) return log(log_level::info, text);
    log(log_level::warning,
        text + ": renew it, then send SIGHUP (" + std::to_string(facts.days_left) + " days left)");
}

}  // namespace

result<void> proxy_tls::load(const proxy_options& options, const log_sink& log, std::string& why)
{
    // The listener first: what is wrong with the key store is said of it.
    DW_TRY(listener, make_listener(options, why));
    DW_TRY(source, make_client(options.source, "source", why));
    DW_TRY(target, make_client(options.target, "target", why));
    if (log) {
        for (const auto& warning :
             {tls_warning(options.source, "source"), tls_warning(options.target, "target")})
            if (!warning.empty()) log(log_level::warning, warning);
        if (listener) describe(*listener, log);
    }
    const std::lock_guard lock(mutex_);
    before_ = current();
    source_ = std::move(source);
    target_ = std::move(target);
    listener_ = std::move(listener);
    return {};
}

proxy_tls::counts proxy_tls::current() const
{
    return {
        before_.clients + leg_of(listener_),
        before_.source + leg_of(source_),
        before_.target + leg_of(target_)};
}

proxy_tls::counts proxy_tls::totals() const
{
    const std::lock_guard lock(mutex_);
    return current();
}

}  // namespace dualwrite::engine
