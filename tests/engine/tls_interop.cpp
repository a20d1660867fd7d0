#include <cstdio>
#include <fstream>

#include "tls_fixture.hpp"

namespace dualwrite::engine::test {

namespace {

// A shell command with a pipe from its output.
class process {
public:
    explicit process(const std::string& command) : pipe_(::popen(command.c_str(), "r"))
    {
        REQUIRE(pipe_ != nullptr);
    }
    ~process() { ::pclose(pipe_); }
    process(const process&) = delete;

    std::string line()
    {
        char text[1024];
        return std::fgets(text, sizeof text, pipe_) != nullptr ? text : "";
    }

private:
    FILE* pipe_;
};

// Drives our end alone; the other process does its own part.
template <class Step> io_status until_done(transport& end, Step step)
{
    for (int wait = 0; wait < 100; ++wait) {
        const io_result done = step();
        if (done.status != io_status::again) return done.status;
        pollfd ready{end.fd(), POLLIN, 0};
        if (end.handshake_wants_write()) ready.events = POLLOUT;
        ::poll(&ready, 1, 100);
    }
    return io_status::again;
}

std::uint16_t port_of(const std::string& announcement)
{
    return static_cast<std::uint16_t>(std::stoi(announcement.substr(announcement.rfind(':') + 1)));
}

std::uint16_t await_server(process& server)
{
    std::string line;
    while (line.rfind("ACCEPT", 0) != 0) {
        line = server.line();
        REQUIRE_FALSE(line.empty());
    }
    return port_of(line);
}

transport connected_to(std::uint16_t port, tls_client_context& client, const std::string& name)
{
    const auto addresses = resolve("127.0.0.1", port);
    REQUIRE(addresses);
    auto fd = start_connect(addresses->front());
    REQUIRE(fd);
    auto session = client.connect(fd->get(), name);
    transport end(*std::move(fd), std::move(session));
    pollfd connected{end.fd(), POLLOUT, 0};
    REQUIRE(::poll(&connected, 1, 5000) == 1);
    return end;
}

}  // namespace

TEST_SUITE_BEGIN("engine/tls_interop");

TEST_CASE("tls: our client and OpenSSL's server understand each other, and resume")
{
    const auto& files = certificates::get();
    // Reverses each line; ends by itself after three connections, or after 20 s.
    process server(
        "timeout 20 openssl s_server -accept 127.0.0.1:0 -rev -naccept 3 -cert " +
        files.file("good.pem") + " -key " + files.file("good.key") + " 2>/dev/null"
    );
    const auto port = await_server(server);
    const auto client = client_context();
    for (int round = 0; round < 3; ++round) {
        auto end = connected_to(port, *client, "127.0.0.1");
        CHECK(until_done(end, [&] { return end.handshake(); }) == io_status::ok);
        INFO(end.why());
        CHECK(write_all(end, as_bytes("stressed\n")).size == 9);
        CHECK(await_text(end) == "desserts\n");
    }
    std::string statistics;
    for (auto line = server.line(); !line.empty(); line = server.line()) statistics += line;
    // s_server's report: "N session cache hits" counts tickets as well.
    CHECK(contains(statistics, "2 session cache hits"));
    CHECK(client->handshakes() == 3);
    CHECK(client->resumptions() == 2);
}

// Our own server refuses to show such a certificate.
TEST_CASE("tls: an expired certificate is refused unless nothing is verified")
{
    const auto& files = certificates::get();
    process server(
        "timeout 20 openssl s_server -accept 127.0.0.1:0 -rev -naccept 3 -cert " +
        files.file("expired.pem") + " -key " + files.file("expired.key") + " 2>/dev/null"
    );
    const auto port = await_server(server);
    for (const auto verify : {tls_verify::full, tls_verify::ca, tls_verify::none}) {
        const auto client = client_context(verify);
        auto end = connected_to(port, *client, "a.test");
        const auto done = until_done(end, [&] { return end.handshake(); });
        CHECK(done == (verify == tls_verify::none ? io_status::ok : io_status::failed));
        if (verify != tls_verify::none) CHECK(contains(end.why(), "expired"));
    }
}

TEST_CASE("tls: OpenSSL's client trusts our server, sends to it and gets its answer")
{
    const auto& files = certificates::get();
    const auto server = server_context();
    const tcp_listener listener;
    const auto saved = files.file("session");
    for (const auto& resume : {" -sess_out " + saved, " -sess_in " + saved}) {
        process client(
            "echo question | timeout 20 openssl s_client -quiet -verify_return_error" + resume +
            " -verify_hostname a.test -CAfile " + files.file("ca.pem") +
            " -connect 127.0.0.1:" + std::to_string(listener.port()) + " 2>&1 | grep -m1 answer"
        );
        auto fd = listener.accepted();
        auto session = server->accept(fd.get());
        transport end(std::move(fd), std::move(session));
        CHECK(until_done(end, [&] { return end.handshake(); }) == io_status::ok);
        INFO(end.why());
        CHECK(await_text(end) == "question\n");
        CHECK(write_all(end, as_bytes("answer\n")).size == 7);
        CHECK(client.line() == "answer\n");
    }
    CHECK(server->resumptions() == 1);
}

TEST_SUITE_END();

}  // namespace dualwrite::engine::test
