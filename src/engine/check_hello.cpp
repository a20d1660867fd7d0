#include "check_hello.hpp"

#include <dualwrite/base/error.hpp>
#include <dualwrite/engine/tls.hpp>
#include <dualwrite/engine/transport.hpp>
#include <dualwrite/protocol/error_response.hpp>
#include <dualwrite/protocol/framing.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response.hpp>

#include <array>
#include <sys/socket.h>
#include <sys/time.h>

namespace dualwrite::engine {

using protocol::opcode;

namespace {

constexpr int connect_limit_ms = 10'000;
constexpr time_t answer_limit_s = 10;
// Every server since Cassandra 2.2 speaks it.
constexpr std::uint8_t hello_version = 4;

// One blocking connection. Every step returns false with `failure()` where it did not work.
class hello {
public:
    bool connect(
        const endpoint& to,
        const std::string& host,
        const socket_address& at,
        tls_client_context* tls
    )
    {
        auto fd = connect_blocking(at, connect_limit_ms);
        if (!fd) return refuse(at.text() + ": " + fd.error().message());
        const timeval limit{answer_limit_s, 0};
        ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        const auto number = fd->get();
        const auto& name = to.tls_server_name.empty() ? host : to.tls_server_name;
        socket_ = transport(std::move(*fd), tls == nullptr ? nullptr : tls->connect(number, name));
        const auto done = socket_.handshake();
        if (done.status == io_status::ok) return true;
        if (done.status == io_status::again) return refuse("no answer to the TLS handshake");
        const auto why = socket_.why();
        return refuse(why.empty() ? done.error.message() : why);
    }

    // The answer's message is in `message` until the next call.
    bool ask(opcode op, bytes_view body, opcode& answer, bytes_view& message)
    {
        byte_buffer wire;
        const protocol::envelope_header header{
            .version = hello_version,
            .op = op,
            .body_size = static_cast<std::uint32_t>(body.size())};
        protocol::envelope_encoder().append(wire, header, body);
        const iovec part{wire.data(), wire.size()};
        const auto sent = socket_.write({&part, 1});
        if (sent.status != io_status::ok || sent.size != wire.size())
            return refuse("the connection was lost");
        for (;;) {
            const auto next = decoder_.next();
            if (!next) return refuse("what answers does not speak CQL");
            if (*next) return take(**next, answer, message);
            if (!read()) return false;
        }
    }

    const std::string& failure() const noexcept { return failure_; }

private:
    bool refuse(std::string why) { return failure_ = std::move(why), false; }

    bool read()
    {
        std::array<std::byte, 4096> part{};
        const auto got = socket_.read(part);
        if (got.status == io_status::again) return refuse("no answer to OPTIONS or STARTUP");
        if (got.status != io_status::ok) return refuse("the server closed the connection" + hint());
        decoder_.feed({part.data(), got.size});
        return true;
    }

    std::string hint() const { return socket_.encrypted() ? "" : "; does it want TLS?"; }

    bool take(const protocol::envelope_view& in, opcode& answer, bytes_view& message)
    {
        const auto skipped = protocol::skip_response_prefix(in.header.flags, in.body);
        if (!skipped || !in.header.response) return refuse("what answers does not speak CQL");
        answer = in.header.op;
        message = *skipped;
        if (answer != opcode::error) return true;
        const auto error = protocol::parse_error(message, in.header.version);
        return refuse(error ? std::string(error->message) : "a malformed error");
    }

    transport socket_;
    protocol::envelope_decoder decoder_;
    std::string failure_;
};

bool read_supported(bytes_view message, check_side& side)
{
    const auto supported = protocol::parse_supported(message);
    if (!supported) return false;
    for (const auto& [key, values] : *supported) {
        const std::vector<std::string> texts(values.begin(), values.end());
        if (key == "PROTOCOL_VERSIONS") side.protocol_versions = texts;
        if (key == "CQL_VERSION") side.cql_versions = texts;
        if (key == "COMPRESSION") side.compressions = texts;
    }
    // Cassandra before 4.0 does not tell; it answered in this one.
    if (side.protocol_versions.empty())
        side.protocol_versions = {std::to_string(hello_version) + "/v4"};
    return true;
}

bool converse(hello& with, check_side& side)
{
    opcode answer{};
    bytes_view message;
    if (!with.ask(opcode::options, {}, answer, message)) return false;
    if (answer != opcode::supported || !read_supported(message, side)) {
        side.failure = "what answers does not speak CQL";
        return true;
    }
    byte_buffer startup;
    const std::string cql = side.cql_versions.empty() ? "3.0.0" : side.cql_versions.front();
    protocol::append_startup_body(startup, {{"CQL_VERSION", cql}});
    if (!with.ask(opcode::startup, startup.view(), answer, message)) return false;
    if (answer != opcode::authenticate) return true;
    const auto authenticator = protocol::parse_authenticate(message);
    side.authenticator = authenticator ? std::string(*authenticator) : "an unknown authenticator";
    return true;
}

}  // namespace

void say_hello(const endpoint& to, const std::string& name, check_side& side)
{
    std::shared_ptr<tls_client_context> tls;
    if (to.tls) {
        auto made = tls_client_context::create(tls_options_of(to, name), side.failure);
        if (!made) return;
        tls = std::move(*made);
    }
    for (const auto& contact : to.contact_points()) {
        const auto addresses = resolve(contact.host, contact.port);
        if (!addresses) {
            side.failure = contact.host + ": no such host name";
            continue;
        }
        for (const auto& at : *addresses) {
            hello one;
            side.failure.clear();
            if (one.connect(to, contact.host, at, tls.get()) && converse(one, side)) return;
            side.failure = one.failure();
        }
    }
}

}  // namespace dualwrite::engine
