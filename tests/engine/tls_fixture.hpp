#pragma once

// Certificates made by openssl when the tests start, and two ends of a TLS connection in one
// thread.

#include <dualwrite/engine/tls.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "../support/temporary_folder.hpp"

namespace dualwrite::engine::test {

using dualwrite::test::temporary_folder;

inline void run(const std::string& command)
{
    CAPTURE(command);
    REQUIRE(std::system((command + " >/dev/null 2>&1").c_str()) == 0);
}

// ca.pem signs good (DNS a.test, *.wild.test, IP 127.0.0.1 and ::1), common (only CN a.test, and no
// alternative names), expired and client; other-ca.pem signs nothing. Each NAME.pem has a NAME.key.
class certificates {
public:
    static const certificates& get()
    {
        static const certificates made;
        return made;
    }

    std::string file(const std::string& name) const { return folder_.file(name); }

private:
    certificates()
    {
        authority("ca");
        authority("other-ca");
        signed_by_ca("good", "node", "DNS:a.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1", "30");
        signed_by_ca("common", "a.test", "", "30");
        signed_by_ca("expired", "node", "DNS:a.test", "-1");
        signed_by_ca("client", "client", "DNS:client", "30");
    }

    std::string key_arguments(const std::string& name) const
    {
        return " -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + file(name + ".key");
    }
    void authority(const std::string& name) const
    {
        run("openssl req -x509 -days 30 -subj /CN=" + name + " -out " + file(name + ".pem") +
            key_arguments(name));
    }
    void signed_by_ca(
        const std::string& name,
        const std::string& common_name,
        const std::string& names,
        const std::string& days
    ) const
    {
        const auto request = file(name + ".csr");
        const auto extensions = file(name + ".ext");
        run("openssl req -new -subj /CN=" + common_name + " -out " + request + key_arguments(name));
        run("printf 'basicConstraints=CA:FALSE\\n" +
            (names.empty() ? "" : "subjectAltName=" + names + "\\n") + "' | tee " + extensions);
        run("openssl x509 -req -in " + request + " -CA " + file("ca.pem") + " -CAkey " +
            file("ca.key") + " -CAcreateserial -days " + days + " -extfile " + extensions +
            " -out " + file(name + ".pem"));
    }

    temporary_folder folder_;
};

inline std::shared_ptr<tls_client_context>
client_context(tls_verify verify = tls_verify::full, const std::string& authority = "ca.pem")
{
    tls_client_options options;
    options.verify = verify;
    options.ca_file = certificates::get().file(authority);
    options.side = "source";
    std::string why;
    auto made = tls_client_context::create(options, why);
    INFO(why);
    REQUIRE(made);
    return *made;
}

inline std::shared_ptr<tls_server_context>
server_context(const std::string& name = "good", const std::string& client_authority = "")
{
    const auto& files = certificates::get();
    tls_server_options options;
    options.certificate_file = files.file(name + ".pem");
    options.key_file = files.file(name + ".key");
    if (!client_authority.empty()) options.client_ca_file = files.file(client_authority);
    std::string why;
    auto made = tls_server_context::create(options, why);
    INFO(why);
    REQUIRE(made);
    return *made;
}

// A connected pair of sockets, non-blocking unless asked otherwise.
inline std::pair<unique_fd, unique_fd> socket_pair(int flags = SOCK_NONBLOCK)
{
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | flags, 0, ends) == 0);
    return {unique_fd(ends[0]), unique_fd(ends[1])};
}

// Listens on loopback, at a port of the system's choice.
class tcp_listener {
public:
    tcp_listener() : fd_(::socket(AF_INET, SOCK_STREAM, 0))
    {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        auto* raw = reinterpret_cast<sockaddr*>(&address_);
        REQUIRE(::bind(fd_.get(), raw, size) == 0);
        REQUIRE(::listen(fd_.get(), 16) == 0);
        REQUIRE(::getsockname(fd_.get(), raw, &size) == 0);
    }

    std::uint16_t port() const { return ntohs(address_.sin_port); }

    unique_fd accepted() const
    {
        unique_fd fd(::accept(fd_.get(), nullptr, nullptr));
        REQUIRE(::fcntl(fd.get(), F_SETFL, O_NONBLOCK) == 0);
        return fd;
    }

    std::pair<unique_fd, unique_fd> connected_pair() const
    {
        unique_fd near(::socket(AF_INET, SOCK_STREAM, 0));
        const auto* raw = reinterpret_cast<const sockaddr*>(&address_);
        REQUIRE(::connect(near.get(), raw, sizeof address_) == 0);
        unique_fd far(::accept(fd_.get(), nullptr, nullptr));
        for (const int fd : {near.get(), far.get()}) REQUIRE(::fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        return {std::move(near), std::move(far)};
    }

private:
    unique_fd fd_;
    sockaddr_in address_{};
};

// Both ends of a connection, driven in turns.
struct connection {
    connection(transport near, transport far) : client(std::move(near)), server(std::move(far)) {}
    connection(
        tls_client_context& client_side,
        tls_server_context& server_side,
        const std::string& server_name = "a.test"
    )
    {
        auto [a, b] = socket_pair();
        auto client_tls = client_side.connect(a.get(), server_name);
        auto server_tls = server_side.accept(b.get());
        client = transport(std::move(a), std::move(client_tls));
        server = transport(std::move(b), std::move(server_tls));
    }

    // False when one end failed; its why() tells.
    bool handshake()
    {
        for (int step = 0; step < 1000; ++step) {
            client_status = client.handshake().status;
            server_status = server.handshake().status;
            if (client_status == io_status::failed || server_status == io_status::failed)
                return false;
            if (client_status == io_status::ok && server_status == io_status::ok) return true;
        }
        FAIL("the handshake does not end");
        return false;
    }

    transport client;
    transport server;
    io_status client_status{io_status::again};
    io_status server_status{io_status::again};
};

inline io_result write_all(transport& to, bytes_view bytes)
{
    const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    return to.write({&part, 1});
}

inline std::string read_text(transport& from)
{
    std::string text(4096, '\0');
    const auto got = from.read({reinterpret_cast<std::byte*>(text.data()), text.size()});
    text.resize(got.status == io_status::ok ? got.size : 0);
    return text;
}

// The same over a network, where bytes take their time.
inline std::string await_text(transport& from)
{
    std::string text;
    for (int wait = 0; wait < 50 && text.empty(); ++wait) {
        pollfd readable{from.fd(), POLLIN, 0};
        ::poll(&readable, 1, 100);
        text = read_text(from);
    }
    return text;
}

inline bool contains(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

}  // namespace dualwrite::engine::test
