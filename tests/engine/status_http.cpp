#include <dualwrite/engine/status_http.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace dualwrite::engine::test {

namespace {

unique_fd raw_connection(std::uint16_t port)
{
    unique_fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return fd;
}

bool send_all(const unique_fd& to, std::string_view text)
{
    const auto size = ::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL);
    return size == static_cast<ssize_t>(text.size());
}

// Until the server closes; "timeout" behind it if it does not.
std::string rest_of(const unique_fd& from)
{
    std::string out;
    char piece[4096];
    for (;;) {
        const auto size = ::recv(from.get(), piece, sizeof piece, 0);
        if (size == 0 || (size < 0 && errno == ECONNRESET)) return out;
        if (size < 0) return out + "timeout";
        out.append(piece, static_cast<std::size_t>(size));
    }
}

struct answer {
    int status{0};
    std::string head{};
    std::string body{};
    bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
};

answer parse_answer(const std::string& text)
{
    const auto end = text.find("\r\n\r\n");
    if (end == std::string::npos) return {.head = text};
    return {std::atoi(text.c_str() + 9), text.substr(0, end + 2), text.substr(end + 4)};
}

struct served {
    served()
    {
        std::string why;
        auto started = status_http::start(
            "127.0.0.1",
            0,
            {.metrics_text =
                 [this] { return "dualwrite_calls " + std::to_string(++calls) + "\n" + more; },
             .status_json = [] { return std::string(R"({"lag":0})"); },
             .ready = [this] { return ready.load(); }},
            why
        );
        INFO(why);
        REQUIRE(started);
        server = *std::move(started);
    }
    unique_fd connect() const { return raw_connection(server->port()); }
    answer ask(std::string_view method, std::string_view path, std::string_view rest = {}) const
    {
        const auto fd = connect();
        const auto text = std::string(method) + " " + std::string(path) +
                          " HTTP/1.1\r\nHost: localhost\r\n" + std::string(rest) + "\r\n";
        CHECK(send_all(fd, text));
        return parse_answer(rest_of(fd));
    }
    answer get(std::string_view path) const { return ask("GET", path); }

    std::atomic<int> calls{0};
    std::atomic<bool> ready{false};
    std::string more;
    std::unique_ptr<status_http> server;
};

}  // namespace

TEST_SUITE_BEGIN("engine/status_http");

TEST_CASE("status_http: serves metrics, status and health")
{
    served s;
    const auto metrics = s.get("/metrics");
    CHECK(metrics.status == 200);
    CHECK(metrics.body == "dualwrite_calls 1\n");
    CHECK(metrics.has("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    CHECK(metrics.has("Connection: close\r\n"));

    const auto status = s.get("/status.json?x=1");
    CHECK(status.body == "{\"lag\":0}\n");
    CHECK(status.has("Content-Type: application/json\r\n"));
    CHECK(status.has("Cache-Control: no-store\r\n"));
    CHECK(s.get("/secrets").status == 404);

    const auto head = s.ask("HEAD", "/status.json");
    CHECK(head.status == 200);
    CHECK(head.has("Content-Length: 10\r\n"));
    CHECK(head.body.empty());
}

TEST_CASE("status_http: the page is one small file that may load and run nothing else")
{
    served s;
    const auto page = s.get("/");
    CHECK(page.status == 200);
    CHECK(page.has("Content-Type: text/html; charset=utf-8\r\n"));
    CHECK(page.has("Content-Security-Policy: default-src 'none'; connect-src 'self'; style-src "
                   "'sha256-"));
    for (const auto* loose : {"unsafe-", "http:", "https:", "data:", "*"}) {
        CAPTURE(loose);
        CHECK_FALSE(page.has(std::string(loose)));
    }
    CHECK(page.body.size() > 4'000);
    CHECK(page.body.size() < std::size_t{60} * 1024);
    CHECK(page.body.starts_with("<!doctype html>"));
    CHECK(page.body.ends_with("</html>\n"));
    for (const auto* path : {"/metrics", "/status.json", "/healthz", "/readyz"})
        CHECK(page.body.find(std::string("href=\"") + path) != std::string::npos);
}

TEST_CASE("status_http: is healthy while it lives, and ready only when it is")
{
    served s;
    CHECK(s.get("/healthz").status == 200);
    CHECK(s.get("/readyz").status == 503);
    s.ready = true;
    CHECK(s.get("/readyz").status == 200);
    CHECK(s.get("/healthz").status == 200);
}

TEST_CASE("status_http: nothing can be changed through it")
{
    served s;
    for (const auto* path : {"/", "/metrics", "/status.json", "/healthz", "/readyz"})
        for (const auto* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"}) {
            CAPTURE(path);
            CAPTURE(method);
            const auto refused = s.ask(method, path, "Content-Length: 1\r\n\r\nx");
            CHECK(refused.status == 405);
            CHECK(refused.has("Allow: GET, HEAD\r\n"));
        }
    CHECK(s.calls == 0);
}

TEST_CASE("status_http: a request that is too large is refused and the server goes on")
{
    served s;
    CHECK(s.ask("GET", "/" + std::string(9'000, 'x')).status == 431);
    CHECK(s.ask("GET", "/", "Cookie: " + std::string(9'000, 'x') + "\r\n").status == 431);
    const auto body =
        s.ask("POST", "/", "Content-Length: 1000000\r\n\r\n" + std::string(100'000, 'x'));
    CHECK(body.status == 405);
    CHECK(s.get("/healthz").status == 200);
}

TEST_CASE("status_http: bytes that are no HTTP are answered 400 at once, before they are complete")
{
    served s;
    using namespace std::string_view_literals;
    for (const auto noise :
         {"\x04\x00\x00\x00\x05\x00\x00\x00\x00"sv,  // CQL
          "\x16\x03\x01\x02\x00\x01"sv,              // TLS
          "\r\n\r\n"sv,
          "get / HTTP/1.1\r\n\r\n"sv,
          "GET /\r\n\r\n"sv,
          "GET  HTTP/1.1\r\n\r\n"sv,
          "GET / HTTP/2.0\r\n\r\n"sv,
          "GET /a b HTTP/1.1\r\n\r\n"sv,
          "GET http://elsewhere/ HTTP/1.1\r\n\r\n"sv,
          "GET\r\n\r\n"sv,
          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv}) {
        CAPTURE(std::string(noise));
        const auto fd = s.connect();
        REQUIRE(send_all(fd, noise));
        const auto begin = std::chrono::steady_clock::now();
        CHECK(parse_answer(rest_of(fd)).status == 400);
        CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
    }
    CHECK(s.get("/healthz").status == 200);
}

TEST_CASE("status_http: a request is understood wherever its bytes are split")
{
    served s;
    const std::string text = "GET /healthz HTTP/1.0\n\n";  // as people type it
    for (std::size_t split = 1; split < text.size(); ++split) {
        CAPTURE(split);
        const auto fd = s.connect();
        REQUIRE(send_all(fd, text.substr(0, split)));
        REQUIRE(send_all(fd, text.substr(split)));
        CHECK(parse_answer(rest_of(fd)).body == "ok\n");
    }
}

TEST_CASE("status_http: silent and dribbling clients keep nobody out, and are closed in time")
{
    served s;
    std::vector<unique_fd> slow;
    for (int i = 0; i < 60; ++i) slow.push_back(s.connect());
    for (std::size_t i = 0; i < slow.size(); i += 2) REQUIRE(send_all(slow[i], "GET /metr"));
    const auto begin = std::chrono::steady_clock::now();
    CHECK(s.get("/healthz").status == 200);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
    // A byte now and then does not buy more time.
    bool closed = false;
    for (int i = 0; i < 60 && !closed; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        closed = !send_all(slow[0], "x");
    }
    CHECK(closed);
    for (const auto& fd : slow) CHECK(rest_of(fd) == "");
}

TEST_CASE("status_http: more connections than there is room for push out the oldest")
{
    served s;
    std::vector<unique_fd> many;
    for (int i = 0; i < 300; ++i) many.push_back(s.connect());
    CHECK(s.get("/healthz").status == 200);
    CHECK(rest_of(many.front()) == "");
    REQUIRE(send_all(many.back(), "GET /healthz HTTP/1.1\r\n\r\n"));
    CHECK(parse_answer(rest_of(many.back())).status == 200);
}

TEST_CASE("status_http: who asks and does not read the answer holds up nobody")
{
    served s;
    s.more.assign(std::size_t{20} * 1024 * 1024, 'x');
    std::vector<unique_fd> deaf;
    for (int i = 0; i < 4; ++i) {
        deaf.push_back(s.connect());
        REQUIRE(send_all(deaf.back(), "GET /metrics HTTP/1.1\r\n\r\n"));
    }
    CHECK(s.get("/healthz").status == 200);
    const auto whole = parse_answer(rest_of(deaf.front()));
    CHECK(whole.status == 200);
    CHECK(whole.body.size() > s.more.size());
}

TEST_CASE("status_http: ends promptly while clients keep their connections open")
{
    auto s = std::make_unique<served>();
    const auto silent = s->connect();
    const auto answered = s->connect();
    REQUIRE(send_all(answered, "GET /healthz HTTP/1.1\r\n\r\n"));
    const auto begin = std::chrono::steady_clock::now();
    s.reset();
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(3));
}

TEST_CASE("status_http: a taken port is an error that names the flag")
{
    served s;
    std::string why;
    const auto second = status_http::start("127.0.0.1", s.server->port(), {}, why);
    CHECK_FALSE(second);
    CHECK(why.find(std::to_string(s.server->port())) != std::string::npos);
    CHECK(why.find("--metrics-port") != std::string::npos);
    CHECK_FALSE(status_http::start("no such host", 0, {}, why));
}

TEST_SUITE_END();

}  // namespace dualwrite::engine::test
