#include <dualwrite/engine/status_http.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace dualwrite::engine::test {

namespace {

struct served {
    served()
    {
        std::string why;
        auto started = status_http::start(
            "127.0.0.1",
            0,
            {.metrics_text = [this] { return "dualwrite_calls " + std::to_string(++calls) + "\n"; },
             .status_json = [] { return std::string(R"({"lag":0})"); },
             .ready = [this] { return ready.load(); }},
            why
        );
        INFO(why);
        REQUIRE(started);
        server = *std::move(started);
    }
    httplib::Client client() const { return httplib::Client("127.0.0.1", server->port()); }

    std::atomic<int> calls{0};
    std::atomic<bool> ready{false};
    std::unique_ptr<status_http> server;
};

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

}  // namespace

TEST_SUITE_BEGIN("engine/status_http");

TEST_CASE("status_http: serves metrics, status, health and an index of them")
{
    served s;
    auto client = s.client();
    const auto metrics = client.Get("/metrics");
    REQUIRE(metrics);
    CHECK(metrics->status == 200);
    CHECK(metrics->body == "dualwrite_calls 1\n");
    CHECK(metrics->get_header_value("Content-Type").rfind("text/plain; version=0.0.4", 0) == 0);

    const auto status = client.Get("/status.json");
    REQUIRE(status);
    CHECK(status->body == "{\"lag\":0}\n");
    CHECK(status->get_header_value("Content-Type") == "application/json");

    const auto index = client.Get("/");
    REQUIRE(index);
    for (const auto* path : {"/metrics", "/status.json", "/healthz", "/readyz"})
        CHECK(index->body.find(path) != std::string::npos);
    const auto missing = client.Get("/secrets");
    REQUIRE(missing);
    CHECK(missing->status == 404);
}

TEST_CASE("status_http: is healthy while it lives, and ready only when it is")
{
    served s;
    auto client = s.client();
    CHECK(client.Get("/healthz")->status == 200);
    CHECK(client.Get("/readyz")->status == 503);
    s.ready = true;
    CHECK(client.Get("/readyz")->status == 200);
    CHECK(client.Get("/healthz")->status == 200);
}

TEST_CASE("status_http: nothing can be changed through it")
{
    served s;
    auto client = s.client();
    for (const auto* path : {"/", "/metrics", "/status.json", "/healthz", "/readyz"}) {
        CAPTURE(path);
        CHECK(client.Post(path, "x", "text/plain")->status >= 400);
        CHECK(client.Put(path, "x", "text/plain")->status >= 400);
        CHECK(client.Delete(path)->status >= 400);
        CHECK(client.Patch(path, "x", "text/plain")->status >= 400);
    }
    CHECK(s.calls == 0);
}

TEST_CASE("status_http: a request that is too large is refused and the server goes on")
{
    served s;
    auto client = s.client();
    const auto body = client.Post("/metrics", std::string(1'000'000, 'x'), "text/plain");
    if (body) CHECK(body->status >= 400);
    const auto address = client.Get(("/" + std::string(100'000, 'x')).c_str());
    if (address) CHECK(address->status >= 400);
    auto fresh = s.client();
    CHECK(fresh.Get("/healthz")->status == 200);
}

TEST_CASE("status_http: bytes that are no HTTP get an answer or a closed connection")
{
    served s;
    const auto fd = raw_connection(s.server->port());
    const std::string noise("\x04\x00\x00\x00\x05\x00\x00\x00\x00\r\n\r\n", 13);
    REQUIRE(::send(fd.get(), noise.data(), noise.size(), MSG_NOSIGNAL) == 13);
    char answer[256];
    const auto size = ::recv(fd.get(), answer, sizeof answer, 0);
    CHECK(size >= 0);
    if (size > 0) CHECK(std::string(answer, 12) == "HTTP/1.1 400");
    CHECK(s.client().Get("/healthz")->status == 200);
}

TEST_CASE("status_http: clients that say nothing do not keep the others out for long")
{
    served s;
    std::vector<unique_fd> silent;
    for (int i = 0; i < 6; ++i) silent.push_back(raw_connection(s.server->port()));
    auto client = s.client();
    client.set_read_timeout(10);
    const auto answer = client.Get("/healthz");
    REQUIRE(answer);
    CHECK(answer->status == 200);
    char closed[1];
    for (const auto& fd : silent) CHECK(::recv(fd.get(), closed, 1, 0) == 0);
}

TEST_CASE("status_http: ends promptly while a client keeps its connection open")
{
    auto s = std::make_unique<served>();
    auto client = s->client();
    client.set_keep_alive(true);
    REQUIRE(client.Get("/healthz"));
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
