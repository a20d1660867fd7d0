#include <dualwrite/engine/transport.hpp>

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string>
#include <thread>
#include <vector>

namespace dualwrite::engine::test {

namespace {

std::pair<transport, unique_fd> plain_pair(int flags = SOCK_NONBLOCK)
{
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | flags, 0, ends) == 0);
    return {transport(unique_fd(ends[0])), unique_fd(ends[1])};
}

iovec part(std::string_view text)
{
    return {const_cast<char*>(text.data()), text.size()};
}

std::string received(int fd)
{
    std::string text(65536, '\0');
    const auto size = ::recv(fd, text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

// Bound, listening or not, at a free port of loopback.
struct local_port {
    explicit local_port(bool listening) : fd(::socket(AF_INET, SOCK_STREAM, 0))
    {
        address.size = sizeof(sockaddr_in);
        auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* raw = reinterpret_cast<sockaddr*>(&address.storage);
        REQUIRE(::bind(fd.get(), raw, address.size) == 0);
        REQUIRE(::getsockname(fd.get(), raw, &address.size) == 0);
        if (listening) REQUIRE(::listen(fd.get(), 1) == 0);
    }
    unique_fd fd;
    socket_address address;
};

}  // namespace

TEST_SUITE_BEGIN("engine/transport");

TEST_CASE("transport: reads what is there, then says again, then closed")
{
    auto [end, peer] = plain_pair();
    std::array<std::byte, 4> into{};
    CHECK(end.read(into).status == io_status::again);
    REQUIRE(::send(peer.get(), "abcdef", 6, 0) == 6);
    const auto first = end.read(into);
    CHECK(first.status == io_status::ok);
    CHECK(first.size == 4);
    CHECK(end.read(into).size == 2);
    CHECK(end.read(into).status == io_status::again);
    CHECK(end.buffered() == 0);
    peer.reset();
    CHECK(end.read(into).status == io_status::closed);
}

TEST_CASE("transport: a gathered write arrives in order, empty parts and more than IOV_MAX included"
)
{
    auto [end, peer] = plain_pair();
    const std::array parts = {part("one "), part(""), part("two "), part("three")};
    CHECK(end.write(parts).size == 13);
    CHECK(received(peer.get()) == "one two three");
    CHECK(end.write({parts.data(), 1}).size == 4);
    CHECK(received(peer.get()) == "one ");

    const std::vector<iovec> many(IOV_MAX + 5, part("x"));
    const auto done = end.write(many);
    CHECK(done.status == io_status::ok);
    CHECK(done.size == IOV_MAX);
    CHECK(received(peer.get()).size() == IOV_MAX);
}

TEST_CASE("transport: a full socket takes part, then says again")
{
    auto [end, peer] = plain_pair();
    const std::string large(4'000'000, 'x');
    const auto one = part(large);
    const auto first = end.write({&one, 1});
    CHECK(first.status == io_status::ok);
    CHECK(first.size > 0);
    CHECK(first.size < large.size());
    for (io_result more = first; more.status == io_status::ok;) {
        more = end.write({&one, 1});
        if (more.status != io_status::ok) {
            CHECK(more.status == io_status::again);
            CHECK(more.size == 0);
        }
    }
}

TEST_CASE("transport: writing to a peer that is gone fails, without a signal")
{
    auto [end, peer] = plain_pair();
    peer.reset();
    const std::array parts = {part("x"), part("y")};
    CHECK(end.write({parts.data(), 1}).error == std::errc::broken_pipe);
    const auto gathered = end.write(parts);
    CHECK(gathered.status == io_status::failed);
    CHECK(gathered.error == std::errc::broken_pipe);
}

TEST_CASE("transport: a plain one has no handshake and owns its descriptor")
{
    auto [end, peer] = plain_pair();
    CHECK(end.handshake().status == io_status::ok);
    CHECK_FALSE(end.handshake_wants_write());
    CHECK_FALSE(end.encrypted());
    CHECK(end.why().empty());
    const int fd = end.fd();
    transport other = std::move(end);
    CHECK(other.fd() == fd);
    CHECK(other.is_open());
    other.close();
    CHECK_FALSE(other.is_open());
    CHECK(::fcntl(fd, F_GETFD) == -1);
    CHECK(transport().fd() == -1);
}

TEST_CASE("transport: a signal does not end a blocking read")
{
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) {};  // no SA_RESTART: the call is interrupted
    REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
    auto [end, peer] = plain_pair(0);
    std::atomic<bool> reading{false};
    io_result got;
    std::thread reader([&, &blocking = end] {
        std::array<std::byte, 4> into{};
        reading = true;
        got = blocking.read(into);
    });
    while (!reading) std::this_thread::yield();
    for (int i = 0; i < 5; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        ::pthread_kill(reader.native_handle(), SIGUSR1);
    }
    REQUIRE(::send(peer.get(), "late", 4, 0) == 4);
    reader.join();
    ::sigaction(SIGUSR1, &before, nullptr);
    CHECK(got.status == io_status::ok);
    CHECK(got.size == 4);
}

TEST_CASE("resolve: addresses and names, with the port, and an error for what is neither")
{
    const auto four = resolve("127.0.0.1", 9042);
    REQUIRE(four);
    CHECK(four->front().text() == "127.0.0.1:9042");
    const auto six = resolve("::1", 1);
    REQUIRE(six);
    CHECK(six->front().text() == "[::1]:1");
    CHECK(resolve("localhost", 9042));
    CHECK(resolve("no such host", 9042).error() == errc::connect_failed);
}

TEST_CASE("start_connect: readiness for writing tells the end, connect_error() how it went")
{
    for (const bool listening : {true, false}) {
        CAPTURE(listening);
        const local_port port(listening);
        const auto fd = start_connect(port.address);
        if (!fd) {  // refused at once
            CHECK_FALSE(listening);
            CHECK(fd.error() == std::errc::connection_refused);
            continue;
        }
        pollfd ready{fd->get(), POLLOUT, 0};
        REQUIRE(::poll(&ready, 1, 5000) == 1);
        const auto error = connect_error(fd->get());
        CHECK((error == std::errc::connection_refused) == !listening);
        CHECK(static_cast<bool>(error) == !listening);
        CHECK((::fcntl(fd->get(), F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
        int on = 0;
        socklen_t size = sizeof on;
        REQUIRE(::getsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
        CHECK(on != 0);
    }
}

TEST_CASE("connect_blocking: gives a blocking socket, or says why not within its time")
{
    const local_port open(true);
    const auto fd = connect_blocking(open.address, 5000);
    REQUIRE(fd);
    CHECK((::fcntl(fd->get(), F_GETFL) & O_NONBLOCK) == 0);

    const local_port shut(false);
    CHECK(connect_blocking(shut.address, 5000).error() == std::errc::connection_refused);

    // A listener with a full queue does not answer any more.
    const local_port full(true);
    std::vector<unique_fd> queued;
    result<unique_fd> late = fail(errc::cancelled);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 8; ++i) {
        late = connect_blocking(full.address, 100);
        if (!late) break;
        queued.push_back(*std::move(late));
    }
    CHECK(late.error() == errc::timed_out);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(3));
}

TEST_SUITE_END();

}  // namespace dualwrite::engine::test
