#pragma once

#include <dualwrite/engine/unique_fd.hpp>
#include <dualwrite/protocol/framing.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bound_values.hpp"

namespace dualwrite::test {

struct client_settings {
    std::uint8_t version{4};
    protocol::compression compression{protocol::compression::none};
    std::string username{};
    std::string password{};
};

struct answer {
    protocol::envelope_header header;
    std::string body;  // not compressed

    protocol::opcode op() const noexcept { return header.op; }
    std::int16_t stream() const noexcept { return header.stream; }
    bool is_error() const noexcept { return op() == protocol::opcode::error; }
    // Of an ERROR.
    protocol::error_code code() const;
    std::string text() const;
};

// No answer in time, or the connection ended.
class wire_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// A client that is as simple as a client can be: blocking, one thread, every byte is remembered.
// All waits end, with a wire_error, after `limit_ms`.
class wire_client {
public:
    // Connected, and nothing said.
    explicit wire_client(std::uint16_t port);
    // Connected, started and let in.
    wire_client(std::uint16_t port, const client_settings& settings);

    void set_limit_ms(std::int64_t limit) noexcept { limit_ms_ = limit; }
    std::uint8_t version() const noexcept { return version_; }

    // The envelope as this client would send it, in its framing and compression.
    std::string wire_of(
        protocol::opcode op, std::string_view body, std::int16_t stream = 0, std::uint8_t flags = 0
    );
    void send_bytes(std::string_view bytes);
    void send(
        protocol::opcode op, std::string_view body, std::int16_t stream = 0, std::uint8_t flags = 0
    )
    {
        send_bytes(wire_of(op, body, stream, flags));
    }
    answer receive();
    answer ask(protocol::opcode op, std::string_view body, std::uint8_t flags = 0)
    {
        send(op, body, 0, flags);
        return receive();
    }

    // Shorthands for what tests ask most.
    answer query(std::string_view cql, const bound_values& values = {});
    std::string prepare(std::string_view cql);  // the id
    answer execute(std::string_view id, const bound_values& values = {});

    // True: nothing comes within `ms`.
    bool is_quiet(std::int64_t ms);
    // True: the server closes within the limit; what it sends before is in received().
    bool is_closed();
    void close() noexcept { fd_.reset(); }
    // No more bytes from us; what is on its way to us still comes.
    void finish() noexcept;
    // Gone without a word; keep it until the proxy has noticed.
    void vanish();
    // Ends the connection with a reset.
    void abort() noexcept;

    const std::string& sent() const noexcept { return sent_; }
    const std::string& received() const noexcept { return received_; }

private:
    void start(const client_settings& settings);
    // False: nothing came in time.
    bool read_some(std::int64_t limit_ms);

    engine::unique_fd fd_;
    std::uint8_t version_{4};
    std::int64_t limit_ms_{20'000};
    bool ended_{false};
    protocol::envelope_encoder encoder_;
    protocol::envelope_decoder decoder_;
    std::string sent_;
    std::string received_;
};

// Bodies of requests.
std::string query_body(
    std::uint8_t version,
    std::string_view cql,
    const bound_values& values = {},
    std::optional<std::int64_t> timestamp_us = {}
);
std::string query_body(
    std::uint8_t version, std::string_view cql, const protocol::write_parameters& parameters
);
std::string execute_body(
    std::uint8_t version,
    std::string_view id,
    const bound_values& values = {},
    std::optional<std::int64_t> timestamp_us = {}
);
std::string prepare_body(std::uint8_t version, std::string_view cql);

struct batch_statement {
    std::string text;  // or the prepared id
    bool prepared{false};
    bound_values values{};
};
std::string batch_body(
    std::uint8_t version,
    const std::vector<batch_statement>& statements,
    std::optional<std::int64_t> timestamp_us = {},
    protocol::batch_type type = protocol::batch_type::logged
);

}  // namespace dualwrite::test
