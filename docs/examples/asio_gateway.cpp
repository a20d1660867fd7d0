// A gateway on Asio with the engine inside: `asio_gateway PORT SOURCE TARGET STATE_DIR`, SOURCE and
// TARGET as HOST:PORT. SIGTERM drains and ends it.
//
// The gateway has its own front: it accepts clients, decides whom it lets in, and hands their bytes
// to the engine, which listens on loopback, relays to the source and brings every write to the
// target, over restarts of anything. The engine has threads of its own; this program has one.

#include <dualwrite/engine/asio_coroutines.hpp>
#include <dualwrite/engine/proxy.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace {

namespace engine = dualwrite::engine;
using asio::ip::tcp;

// Errors come back as values.
auto to(std::error_code& ec)
{
    return asio::redirect_error(asio::use_awaitable, ec);
}

struct pair {
    explicit pair(tcp::socket its) : client(std::move(its)), engine(client.get_executor()) {}
    tcp::socket client;
    tcp::socket engine;
};

// One direction, until either side ends. The pair lives as long as both directions need it.
asio::awaitable<void> relay(std::shared_ptr<pair> both, tcp::socket& from, tcp::socket& into)
{
    auto piece = std::make_unique<std::array<char, 64 * 1024>>();
    std::error_code ec;
    while (!ec) {
        const auto size = co_await from.async_read_some(asio::buffer(*piece), to(ec));
        if (!ec) co_await asio::async_write(into, asio::buffer(piece->data(), size), to(ec));
    }
    std::error_code ignored;  // it may be closed already
    both->client.close(ignored);
    both->engine.close(ignored);
}

asio::awaitable<void> serve(tcp::socket client, std::uint16_t engine_port)
{
    const auto both = std::make_shared<pair>(std::move(client));
    std::error_code ec;
    co_await both->engine.async_connect({asio::ip::address_v4::loopback(), engine_port}, to(ec));
    if (ec) co_return;
    const auto executor = both->client.get_executor();
    asio::co_spawn(executor, relay(both, both->client, both->engine), asio::detached);
    asio::co_spawn(executor, relay(both, both->engine, both->client), asio::detached);
}

// The gateway's own rule; here: only this machine.
bool is_let_in(const tcp::endpoint& peer)
{
    return peer.address().is_loopback();
}

asio::awaitable<void> accept_all(tcp::acceptor& acceptor, std::uint16_t engine_port)
{
    for (;;) {
        std::error_code ec;
        auto client = co_await acceptor.async_accept(to(ec));
        if (ec == asio::error::operation_aborted) co_return;
        if (ec) continue;
        const auto peer = client.remote_endpoint(ec);
        if (ec || !is_let_in(peer)) continue;
        asio::co_spawn(
            acceptor.get_executor(), serve(std::move(client), engine_port), asio::detached
        );
    }
}

// Ends the loop when the engine has: by a signal, drained, or because its disk is broken.
asio::awaitable<void> look_after(engine::proxy& proxy, asio::io_context& loop)
{
    asio::steady_timer timer(loop);
    while (!proxy.wait(0)) {
        timer.expires_after(std::chrono::milliseconds(50));
        std::error_code ec;
        co_await timer.async_wait(to(ec));
    }
    loop.stop();
}

// False: it is no HOST:PORT.
bool parse_address(std::string_view text, engine::endpoint& out)
{
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return false;
    out.host = text.substr(0, colon);
    out.tls = false;
    const auto* const end = text.data() + text.size();
    return std::from_chars(text.data() + colon + 1, end, out.port).ptr == end;
}

void on_log(engine::log_level level, std::string_view text)
{
    if (level < engine::log_level::warning) return;
    std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

int run(std::uint16_t port, const engine::proxy_options& options)
{
    std::string why;
    const auto started = engine::proxy::start(options, on_log, why);
    if (!started) return std::fprintf(stderr, "%s\n", why.c_str()), 1;
    auto& proxy = **started;

    asio::io_context loop(1);
    tcp::acceptor acceptor(loop, {tcp::v4(), port});
    asio::signal_set signals(loop, SIGTERM, SIGINT);
    signals.async_wait([&](std::error_code ec, int) {
        if (ec) return;
        acceptor.close();
        proxy.stop(options.drain_limit_ms);
    });
    asio::co_spawn(loop, accept_all(acceptor, proxy.port()), asio::detached);
    asio::co_spawn(loop, look_after(proxy, loop), asio::detached);
    std::printf("listening on %d\n", acceptor.local_endpoint().port());
    std::fflush(stdout);
    loop.run();
    std::printf("%s\n", proxy.status_json().c_str());
    return proxy.failure().empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv)
{
    engine::proxy_options options;
    engine::endpoint own;
    const bool good = argc == 5 && parse_address(std::string(":") + argv[1], own) &&
                      parse_address(argv[2], options.source) &&
                      parse_address(argv[3], options.target);
    if (!good) return std::fputs("usage: asio_gateway PORT SOURCE TARGET STATE_DIR\n", stderr), 2;
    options.listen_host = "127.0.0.1";
    options.listen_port = 0;  // only this program comes there
    options.metrics_port = 0;
    options.state_dir = argv[4];
    options.wait = false;
    try {
        return run(own.port, options);
    } catch (const std::exception& error) {
        return std::fprintf(stderr, "%s\n", error.what()), 1;
    }
}
