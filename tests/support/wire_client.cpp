#include "wire_client.hpp"

#include <dualwrite/protocol/sasl.hpp>

#include <algorithm>
#include <chrono>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "clock.hpp"
#include "vanish.hpp"

namespace dualwrite::test {

using protocol::opcode;

namespace {

protocol::error_view parse(const answer& its)
{
    const auto message = protocol::skip_response_prefix(its.header.flags, as_bytes(its.body));
    if (!message) throw wire_error("malformed answer");
    const auto error = protocol::parse_error(*message, its.header.version);
    if (!error || !its.is_error()) throw wire_error("no ERROR");
    return *error;
}

protocol::write_parameters
parameters_of(const bound_values& values, std::optional<std::int64_t> timestamp_us)
{
    protocol::write_parameters out;
    out.consistency = protocol::consistency::quorum;
    out.value_count = values.count();
    out.values = values.view();
    out.timestamp_us = timestamp_us;
    return out;
}

std::string text_of(const byte_buffer& buffer)
{
    return std::string(as_text(buffer.view()));
}

}  // namespace

protocol::error_code answer::code() const
{
    return parse(*this).code;
}

std::string answer::text() const
{
    return std::string(parse(*this).message);
}

wire_client::wire_client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
{
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        throw wire_error("connection refused");
}

wire_client::wire_client(std::uint16_t port, const client_settings& settings) : wire_client(port)
{
    version_ = settings.version;
    start(settings);
}

void wire_client::start(const client_settings& settings)
{
    byte_buffer body;
    protocol::string_map options{{"CQL_VERSION", "3.0.0"}, {"DRIVER_NAME", "wire_client"}};
    const auto name = protocol::compression_name(settings.compression);
    if (!name.empty()) options.emplace_back("COMPRESSION", name);
    protocol::append_startup_body(body, options);
    send(opcode::startup, as_text(body.view()));
    if (version_ < 5) {
        encoder_.set_compression(settings.compression);
        decoder_.set_compression(settings.compression);
    }
    auto got = receive();
    if (got.is_error()) throw wire_error("STARTUP: " + got.text());
    if (version_ >= 5) {
        const bool lz4 = settings.compression == protocol::compression::lz4;
        encoder_.switch_to_segments(lz4);
        decoder_.switch_to_segments(lz4);
    }
    if (got.op() == opcode::ready) return;
    byte_buffer token;
    protocol::append_plain_token(token, settings.username, settings.password);
    body.clear();
    protocol::append_auth_response_body(body, token.view());
    got = ask(opcode::auth_response, as_text(body.view()));
    if (got.op() != opcode::auth_success) throw wire_error("not let in: " + got.text());
}

std::string
wire_client::wire_of(opcode op, std::string_view body, std::int16_t stream, std::uint8_t flags)
{
    byte_buffer out;
    encoder_.append(
        out, {.version = version_, .flags = flags, .stream = stream, .op = op}, as_bytes(body)
    );
    return text_of(out);
}

void wire_client::send_bytes(std::string_view bytes)
{
    sent_ += bytes;
    while (!bytes.empty()) {
        pollfd wait{fd_.get(), POLLOUT, 0};
        if (::poll(&wait, 1, static_cast<int>(limit_ms_)) != 1)
            throw wire_error("nothing is read any more");
        const auto put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno != EAGAIN) throw wire_error("the connection ended while sending");
        if (put > 0) bytes.remove_prefix(static_cast<std::size_t>(put));
    }
}

bool wire_client::read_some(std::int64_t limit_ms)
{
    if (ended_) return true;
    pollfd wait{fd_.get(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(limit_ms, 0))) != 1) return false;
    std::vector<std::byte> space(256 * 1024);
    const auto got = ::recv(fd_.get(), space.data(), space.size(), 0);
    if (got <= 0) {
        ended_ = true;
        return true;
    }
    const bytes_view bytes(space.data(), static_cast<std::size_t>(got));
    received_ += as_text(bytes);
    decoder_.feed(bytes);
    return true;
}

answer wire_client::receive()
{
    const auto until = now_ms() + limit_ms_;
    for (;;) {
        const auto next = decoder_.next();
        if (!next) throw wire_error("not CQL: " + next.error().message());
        if (*next) return {(*next)->header, std::string(as_text((*next)->body))};
        if (ended_) throw wire_error("the connection ended");
        if (!read_some(until - now_ms())) throw wire_error("no answer in time");
    }
}

answer wire_client::query(std::string_view cql, const bound_values& values)
{
    return ask(opcode::query, query_body(version_, cql, values));
}

std::string wire_client::prepare(std::string_view cql)
{
    const auto got = ask(opcode::prepare, prepare_body(version_, cql));
    if (got.is_error()) throw wire_error("PREPARE: " + got.text());
    const auto prepared = protocol::parse_prepared(as_bytes(got.body), version_);
    if (!prepared) throw wire_error("malformed PREPARED");
    return std::string(as_text(prepared->id));
}

answer wire_client::execute(std::string_view id, const bound_values& values)
{
    return ask(opcode::execute, execute_body(version_, id, values));
}

bool wire_client::is_quiet(std::int64_t ms)
{
    const auto before = received_.size();
    return !read_some(ms) && received_.size() == before;
}

bool wire_client::is_closed()
{
    const auto until = now_ms() + limit_ms_;
    while (!ended_)
        if (!read_some(until - now_ms())) return false;
    return true;
}

void wire_client::finish() noexcept
{
    ::shutdown(fd_.get(), SHUT_WR);
}

void wire_client::vanish()
{
    test::vanish(fd_.get());
}

void wire_client::abort() noexcept
{
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
}

std::string
query_body(std::uint8_t version, std::string_view cql, const protocol::write_parameters& parameters)
{
    byte_buffer out;
    protocol::append_query_body(out, version, cql, parameters);
    return text_of(out);
}

std::string query_body(
    std::uint8_t version,
    std::string_view cql,
    const bound_values& values,
    std::optional<std::int64_t> timestamp_us
)
{
    return query_body(version, cql, parameters_of(values, timestamp_us));
}

std::string execute_body(
    std::uint8_t version,
    std::string_view id,
    const bound_values& values,
    std::optional<std::int64_t> timestamp_us
)
{
    byte_buffer out;
    const auto parameters = parameters_of(values, timestamp_us);
    protocol::append_execute_body(out, version, as_bytes(id), as_bytes("metadata"), parameters);
    return text_of(out);
}

std::string prepare_body(std::uint8_t version, std::string_view cql)
{
    byte_buffer out;
    protocol::append_prepare_body(out, version, cql);
    return text_of(out);
}

std::string batch_body(
    std::uint8_t version,
    const std::vector<batch_statement>& statements,
    std::optional<std::int64_t> timestamp_us,
    protocol::batch_type type
)
{
    byte_buffer out;
    protocol::batch_builder batch(out, version, type);
    for (const auto& [text, prepared, values] : statements) {
        if (prepared)
            batch.add_prepared(as_bytes(text), values.count(), values.view());
        else
            batch.add_query(text, values.count(), values.view());
    }
    protocol::write_parameters parameters;
    parameters.timestamp_us = timestamp_us;
    batch.finish(parameters);
    return text_of(out);
}

}  // namespace dualwrite::test
