#include <dualwrite/base/bytes.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tls_fixture.hpp"

namespace dualwrite::engine::test {

namespace {

std::vector<std::byte> pattern(std::size_t size)
{
    std::vector<std::byte> bytes(size);
    std::uint32_t state = 12345;
    for (auto& byte : bytes) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<std::byte>(state >> 24);
    }
    return bytes;
}

// Reads all that is there, in reads of `step` bytes, and appends it.
io_status drain(transport& from, std::vector<std::byte>& into, std::size_t step)
{
    for (;;) {
        const auto size = into.size();
        into.resize(size + step);
        const auto got = from.read(std::span(into).subspan(size));
        into.resize(size + got.size);
        if (got.status != io_status::ok) return got.status;
    }
}

struct established : connection {
    established() : connection(*client_side(), *server_side()) { REQUIRE(handshake()); }
    static std::shared_ptr<tls_client_context> client_side()
    {
        static const auto context = client_context();
        return context;
    }
    static std::shared_ptr<tls_server_context> server_side()
    {
        static const auto context = server_context();
        return context;
    }
};

void set_buffer(int fd, int option, int size)
{
    REQUIRE(::setsockopt(fd, SOL_SOCKET, option, &size, sizeof size) == 0);
}

}  // namespace

TEST_SUITE_BEGIN("engine/tls_stream");

TEST_CASE(
    "tls_session: a large transfer through a small socket arrives whole, in any step of reading"
)
{
    for (const std::size_t step : {std::size_t{1000}, std::size_t{16384}, std::size_t{1} << 20}) {
        CAPTURE(step);
        established wire;
        set_buffer(wire.client.fd(), SO_SNDBUF, 8192);
        const auto sent = pattern(3'000'000);
        std::vector<std::byte> got;
        std::size_t written = 0;
        std::size_t partial = 0;
        while (got.size() < sent.size()) {
            if (written < sent.size()) {
                const auto done = write_all(wire.client, std::span(sent).subspan(written));
                REQUIRE(done.status != io_status::failed);
                written += done.size;
                if (done.size == 0) ++partial;
            }
            REQUIRE(drain(wire.server, got, step) == io_status::again);
        }
        CHECK(partial > 10);  // else the socket was not small
        CHECK(written == sent.size());
        CHECK(equal(got, sent));
    }
}

TEST_CASE("tls_session: a write that is cut by a full socket goes on where it stopped")
{
    established wire;
    const auto sent = pattern(2'000'000);
    const iovec parts[] = {
        {const_cast<std::byte*>(sent.data()), 7},
        {const_cast<std::byte*>(sent.data()) + 7, 0},
        {const_cast<std::byte*>(sent.data()) + 7, 40'000},
        {const_cast<std::byte*>(sent.data()) + 40'007, sent.size() - 40'007},
    };
    const auto first = wire.client.write(parts);
    REQUIRE(first.status == io_status::ok);
    REQUIRE(first.size > 0);
    REQUIRE(first.size < sent.size());
    const auto stuck = write_all(wire.client, std::span(sent).subspan(first.size));
    CHECK(stuck.status == io_status::again);
    CHECK(stuck.size == 0);

    std::vector<std::byte> got;
    auto written = first.size;
    while (got.size() < sent.size()) {
        REQUIRE(drain(wire.server, got, 65536) == io_status::again);
        written += write_all(wire.client, std::span(sent).subspan(written)).size;
    }
    CHECK(equal(got, sent));
}

TEST_CASE("tls_session: many small parts leave as one record")
{
    established wire;
    const auto bytes = pattern(100 * 100);
    std::vector<iovec> parts;
    for (std::size_t i = 0; i < 100; ++i)
        parts.push_back({const_cast<std::byte*>(bytes.data()) + i * 100, 100});
    CHECK(wire.client.write(parts).size == bytes.size());

    std::vector<std::byte> raw(65536);
    const auto size = ::recv(wire.server.fd(), raw.data(), raw.size(), MSG_PEEK);
    REQUIRE(size > 5);
    CHECK(load_be<std::uint16_t>(raw.data() + 3) + 5 == size);  // the first record is all
    std::vector<std::byte> got;
    CHECK(drain(wire.server, got, 65536) == io_status::again);
    CHECK(equal(got, bytes));
}

TEST_CASE("tls_session: a read or write before the handshake does the handshake first")
{
    const auto client_side = client_context();
    const auto server_side = server_context();
    connection wire(*client_side, *server_side);
    io_result sent;
    std::string got;
    for (int step = 0; step < 100 && got.empty(); ++step) {
        if (sent.size == 0) sent = write_all(wire.client, as_bytes("first"));
        REQUIRE(sent.status != io_status::failed);
        got = read_text(wire.server);
    }
    CHECK(got == "first");

    const auto wrong = client_context(tls_verify::full, "other-ca.pem");
    connection refused(*wrong, *server_side);
    io_status status = io_status::again;
    std::byte none[1];
    for (int step = 0; step < 100 && status == io_status::again; ++step) {
        refused.server.handshake();
        status = refused.client.read(none).status;
    }
    CHECK(status == io_status::failed);
    CHECK(contains(refused.client.why(), "--source-tls-ca"));
}

TEST_CASE("tls_session: bytes read ahead are announced by buffered(), and only those")
{
    established wire;
    CHECK(wire.server.buffered() == 0);
    for (const auto* text : {"first", "second", "third"})
        CHECK(write_all(wire.client, as_bytes(text)).status == io_status::ok);
    std::byte four[4];
    REQUIRE(wire.server.read(four).size == 4);
    CHECK(wire.server.buffered() > 0);
    std::string rest;
    while (wire.server.buffered() > 0) rest += read_text(wire.server);
    CHECK(rest == "tsecondthird");
    CHECK(wire.server.read(four).status == io_status::again);
    CHECK(wire.server.buffered() == 0);
}

TEST_CASE("tls_session: half a record is no bytes yet")
{
    established wire;
    auto [a, b] = socket_pair();
    CHECK(write_all(wire.client, as_bytes("whole")).status == io_status::ok);
    std::byte raw[1024];
    const auto size = ::recv(wire.server.fd(), raw, sizeof raw, 0);
    REQUIRE(size > 10);
    for (ssize_t i = 0; i < size; ++i) {
        CHECK(read_text(wire.server).empty());
        CHECK(wire.server.buffered() == 0);
        REQUIRE(::send(wire.client.fd(), raw + i, 1, 0) == 1);
    }
    CHECK(read_text(wire.server) == "whole");
}

TEST_CASE("tls_session: closing says goodbye, after which the peer reads an orderly end")
{
    established wire;
    CHECK(write_all(wire.client, as_bytes("last words")).status == io_status::ok);
    wire.client.close();
    CHECK(read_text(wire.server) == "last words");
    std::byte more[16];
    for (int again = 0; again < 3; ++again) {
        const auto end = wire.server.read(more);
        CHECK(end.status == io_status::closed);
        CHECK_FALSE(end.error);
    }
}

TEST_CASE("tls_session: moving another connection over one says goodbye too")
{
    established wire;
    wire.client = transport();
    std::byte more[16];
    CHECK(wire.server.read(more).status == io_status::closed);
}

TEST_CASE("tls_session: a connection that just ends is an error, not an end")
{
    established wire;
    CHECK(write_all(wire.client, as_bytes("cut")).status == io_status::ok);
    REQUIRE(::shutdown(wire.client.fd(), SHUT_WR) == 0);
    CHECK(read_text(wire.server) == "cut");
    std::byte more[16];
    const auto end = wire.server.read(more);
    CHECK(end.status == io_status::failed);
    CHECK(end.error == errc::connection_lost);
    CHECK(contains(wire.server.why(), "bytes may be missing"));
    CHECK(wire.server.read(more).status == io_status::failed);
}

TEST_CASE("tls_session: an end behind the last bytes is told by the next read, and announced")
{
    established wire;
    CHECK(write_all(wire.client, as_bytes("last")).status == io_status::ok);
    wire.client.close();
    std::byte four[4];
    REQUIRE(wire.server.read(four).size == 4);
    CHECK(wire.server.buffered() > 0);
    CHECK(wire.server.read(four).status == io_status::closed);
}

TEST_CASE("tls_session: an end found behind a short read is announced, for nothing else would")
{
    established wire;
    CHECK(write_all(wire.client, as_bytes("last")).status == io_status::ok);
    wire.client.close();
    CHECK(read_text(wire.server) == "last");
    CHECK(wire.server.buffered() > 0);
    std::byte more[16];
    CHECK(wire.server.read(more).status == io_status::closed);
    CHECK(wire.server.buffered() == 0);
}

TEST_CASE("tls_session: a changed byte on the way is an error")
{
    established wire;
    CHECK(write_all(wire.client, as_bytes("untouched")).status == io_status::ok);
    std::byte raw[1024];
    const auto size = ::recv(wire.server.fd(), raw, sizeof raw, 0);
    REQUIRE(size > 10);
    raw[size - 1] ^= std::byte{1};
    REQUIRE(::send(wire.client.fd(), raw, static_cast<std::size_t>(size), 0) == size);
    std::byte more[16];
    CHECK(wire.server.read(more).status == io_status::failed);
    CHECK(contains(wire.server.why(), "TLS failed"));
}

TEST_CASE("tls_session: writing to a peer that is gone fails with the system's reason")
{
    established wire;
    REQUIRE(::shutdown(wire.server.fd(), SHUT_RDWR) == 0);
    const auto done = write_all(wire.client, as_bytes("x"));
    CHECK(done.status == io_status::failed);
    CHECK(done.error == std::errc::broken_pipe);
}

TEST_CASE("tls_session: works on blocking descriptors, from a thread on each side")
{
    const auto client_side = client_context();
    const auto server_side = server_context();
    auto [a, b] = socket_pair(0);
    transport client(std::move(a), nullptr);
    const auto sent = pattern(500'000);
    std::vector<std::byte> got;
    std::thread server([&server_side, &got, fd = std::move(b)]() mutable {
        auto session = server_side->accept(fd.get());
        transport server_end(std::move(fd), std::move(session));
        if (server_end.handshake().status != io_status::ok) return;
        std::vector<std::byte> chunk(10'000);
        for (;;) {
            const auto read = server_end.read(chunk);
            if (read.status != io_status::ok) return;
            got.insert(got.end(), chunk.begin(), chunk.begin() + static_cast<long>(read.size));
        }
    });
    {
        auto session = client_side->connect(client.fd(), "a.test");
        CHECK(session->handshake().status == io_status::ok);
        CHECK(session->write(sent).size == sent.size());
    }
    client.close();
    server.join();
    CHECK(equal(got, sent));
}

TEST_CASE("tls_session: a blocking read returns what is there and does not wait for more")
{
    established wire;
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    REQUIRE(::setsockopt(wire.server.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    REQUIRE(::fcntl(wire.server.fd(), F_SETFL, 0) == 0);
    CHECK(write_all(wire.client, as_bytes("few")).status == io_status::ok);
    const auto start = std::chrono::steady_clock::now();
    CHECK(read_text(wire.server) == "few");
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(4));
}

TEST_CASE("tls_session: one context serves threads at once")
{
    const auto client_side = client_context();
    const auto server_side = server_context();
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 20; ++round) {
                int ends[2];
                if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) return;
                unique_fd a(ends[0]);
                unique_fd b(ends[1]);
                auto client = client_side->connect(a.get(), "a.test");
                auto server = server_side->accept(b.get());
                auto [left, right] = std::pair{io_status::again, io_status::again};
                for (int step = 0; step < 100 && (left != io_status::ok || right != io_status::ok);
                     ++step) {
                    left = client->handshake().status;
                    right = server->handshake().status;
                }
                // TLS 1.3 sends its tickets after the handshake.
                std::byte none[1];
                const bool silent = client->read(none).status == io_status::again;
                if (left == io_status::ok && right == io_status::ok && silent) ++good;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(good == 80);
    CHECK(server_side->handshakes() == 80);
    CHECK(server_side->resumptions() >= 70);  // all but the threads' first ones
}

TEST_SUITE_END();

}  // namespace dualwrite::engine::test
