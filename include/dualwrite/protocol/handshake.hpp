#pragma once

#include <dualwrite/protocol/framing.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response.hpp>
#include <dualwrite/protocol/sasl.hpp>

#include <string>
#include <vector>

namespace dualwrite::protocol {

struct handshake_options {
    std::vector<std::uint8_t> versions{5, 4, 3};                     // in order of preference
    protocol::compression compression{protocol::compression::none};  // if the server offers it
    std::string cql_version{};                                       // empty: the server's best
    std::string username{};                                          // empty: no credentials
    std::string password{};
    std::string driver_name{"dualwrite"};
    std::string driver_version{};
    bool throw_on_overload{false};  // OVERLOADED instead of a connection that is not read
};

// What the owner of the connection does next. First, if they are set: `compression` and
// `use_segments`, see apply_framing(); then what `kind` says.
struct handshake_action {
    enum class kind : std::uint8_t {
        send,           // `envelope`; it is valid until the next call
        ready,          // the connection may be used
        retry_version,  // close; connect again and start with `version`
        failed,         // close; `error`, and the server's words in `text`
    };

    kind what{kind::failed};
    envelope_view envelope{};
    bool use_segments{false};
    bool lz4{false};
    std::optional<protocol::compression> compression{};
    std::uint8_t version{0};
    std::error_code error{};
    std::string text{};
};

inline void apply_framing(
    const handshake_action& action, envelope_encoder& encoder, envelope_decoder& decoder
) noexcept
{
    if (action.compression) {
        encoder.set_compression(*action.compression);
        decoder.set_compression(*action.compression);
    }
    if (action.use_segments) {
        encoder.switch_to_segments(action.lz4);
        decoder.switch_to_segments(action.lz4);
    }
}

// OPTIONS -> SUPPORTED -> STARTUP -> READY, or AUTHENTICATE -> AUTH_RESPONSE ... -> AUTH_SUCCESS,
// from the client's side. One object for one connection; a retry makes a new one.
class client_handshake {
public:
    // `version` is one of the options', by default the first.
    explicit client_handshake(handshake_options options, std::uint8_t version = 0)
        : options_(std::move(options)), version_(version != 0 ? version : options_.versions.at(0))
    {
    }

    std::uint8_t version() const noexcept { return version_; }
    // Chosen when STARTUP is sent.
    protocol::compression compression() const noexcept { return compression_; }

    handshake_action start()
    {
        state_ = state::options;
        body_.clear();
        return send(opcode::options);
    }

    // Any envelope that the server sends before `ready`.
    handshake_action on_envelope(const envelope_view& in)
    {
        if (!in.header.response)
            return failed(errc::unexpected_message, "a request from the server");
        const auto message = skip_response_prefix(in.header.flags, in.body);
        if (!message) return failed(message.error(), "malformed answer");
        if (in.header.op == opcode::error) return on_error(in.header.version, *message);
        if (in.header.version != version_) return failed(errc::bad_version, "another version");

        const auto op = in.header.op;
        if (state_ == state::options && op == opcode::supported) return on_supported(*message);
        if (state_ == state::startup && op == opcode::ready) return on_ready();
        if (state_ == state::startup && op == opcode::authenticate)
            return on_authenticate(*message);
        if (state_ == state::auth && op == opcode::auth_challenge) return on_challenge(*message);
        if (state_ == state::auth && op == opcode::auth_success) return ready();
        return failed(errc::unexpected_message, std::string(opcode_name(op)));
    }

    // The answer cannot be parsed, or the server closed (no error): some do so where they do not
    // know the version. A connection that breaks says nothing of it; and version 3 is taken only
    // where the server asks for it, since it would turn unset values into nulls, which delete.
    handshake_action on_unreadable(std::error_code error)
    {
        const bool broken =
            error && (error.category() != make_error_code(errc::malformed).category() ||
                      error == make_error_code(errc::connection_lost) ||
                      error == make_error_code(errc::timed_out));
        if (!error) error = make_error_code(errc::connection_lost);
        if (state_ == state::options && !broken && version_ > 4)
            return lower_version(0, error, "no readable answer");
        return failed(error, "connection lost in the handshake");
    }

private:
    enum class state : std::uint8_t { idle, options, startup, auth, done };

    static constexpr std::string_view dse_authenticator =
        "com.datastax.bdp.cassandra.auth.DseAuthenticator";

    handshake_action on_supported(bytes_view message)
    {
        const auto supported = parse_supported(message);
        if (!supported) return failed(supported.error(), "malformed SUPPORTED");
        const string_list* versions = nullptr;
        std::string_view cql_best = "3.0.0";
        for (const auto& [key, values] : *supported) {
            if (key == "PROTOCOL_VERSIONS") versions = &values;
            if (key == "CQL_VERSION" && !values.empty()) cql_best = values.front();
            if (key == "COMPRESSION") choose_compression(values);
        }
        if (versions != nullptr && !offers(*versions, version_))
            return lower_version(0, errc::bad_version, "the server does not offer the version");
        return send_startup(options_.cql_version.empty() ? cql_best : options_.cql_version);
    }

    // "5/v5", and "6/v6-beta" for what is not finished.
    static bool offers(const string_list& versions, std::uint8_t version) noexcept
    {
        const auto digit = static_cast<char>('0' + version);
        for (const auto text : versions)
            if (text.size() >= 2 && text[0] == digit && text[1] == '/' && !text.ends_with("beta"))
                return true;
        return false;
    }

    // Version 5 has LZ4 only.
    void choose_compression(const string_list& offered) noexcept
    {
        const auto wanted = options_.compression;
        if (version_ >= 5 && wanted != protocol::compression::lz4) return;
        for (const auto name : offered)
            if (!name.empty() && parse_compression(name) == wanted) compression_ = wanted;
    }

    handshake_action send_startup(std::string_view cql_version)
    {
        string_map map{{"CQL_VERSION", cql_version}};
        const auto add = [&](std::string_view key, std::string_view value) {
            if (!value.empty()) map.emplace_back(key, value);
        };
        add("COMPRESSION", compression_name(compression_));
        add("DRIVER_NAME", options_.driver_name);
        add("DRIVER_VERSION", options_.driver_version);
        add("THROW_ON_OVERLOAD", options_.throw_on_overload ? "1" : "");
        body_.clear();
        append_startup_body(body_, map);
        state_ = state::startup;
        auto action = send(opcode::startup);
        // The answer to STARTUP may be compressed already; in version 5 segments are instead.
        if (version_ < 5) action.compression = compression_;
        return action;
    }

    handshake_action on_ready() { return with_segments(ready()); }

    handshake_action on_authenticate(bytes_view message)
    {
        const auto authenticator = parse_authenticate(message);
        if (!authenticator) return failed(authenticator.error(), "malformed AUTHENTICATE");
        if (options_.username.empty())
            return failed(
                errc::authentication_failed,
                "the server wants credentials for " + std::string(*authenticator)
            );
        state_ = state::auth;
        // This one asks for the mechanism first.
        return with_segments(
            *authenticator == dse_authenticator ? send_token(as_bytes("PLAIN")) : send_plain()
        );
    }

    handshake_action on_challenge(bytes_view message)
    {
        const auto token = parse_auth_token(message);
        if (!token) return failed(token.error(), "malformed AUTH_CHALLENGE");
        const auto text = *token ? as_text(**token) : std::string_view{};
        if (plain_sent_ || text != "PLAIN-START")
            return failed(errc::authentication_failed, "a challenge that is not SASL PLAIN");
        return send_plain();
    }

    handshake_action on_error(std::uint8_t header_version, bytes_view message)
    {
        const auto parsed = parse_error(message, header_version);
        if (!parsed) return failed(parsed.error(), "malformed ERROR");
        const auto text = parsed->message;
        const auto about_version = text.find("unsupported protocol version") != text.npos ||
                                   text.find("Beta version of the protocol") != text.npos;
        if (state_ != state::auth && about_version)
            return lower_version(header_version, errc::bad_version, text);
        const auto credentials = parsed->code == error_code::bad_credentials;
        return failed(
            credentials ? errc::authentication_failed : errc::handshake_failed, std::string(text)
        );
    }

    // The server's own version if it is one of ours, else the next one that we would take.
    handshake_action
    lower_version(std::uint8_t servers, std::error_code error, std::string_view text)
    {
        std::uint8_t next = 0;
        for (const auto version : options_.versions) {
            if (version >= version_) continue;
            if (next == 0 || version == servers) next = version;
        }
        if (next == 0) return failed(error, std::string(text));
        state_ = state::done;
        return {.what = handshake_action::kind::retry_version, .version = next};
    }

    handshake_action send_plain()
    {
        byte_buffer token;
        append_plain_token(token, options_.username, options_.password);
        plain_sent_ = true;
        return send_token(token.view());
    }

    handshake_action send_token(bytes_view token)
    {
        body_.clear();
        append_auth_response_body(body_, token);
        return send(opcode::auth_response);
    }

    handshake_action send(opcode op) const
    {
        const envelope_header header{
            .version = version_, .op = op, .body_size = static_cast<std::uint32_t>(body_.size())};
        return {.what = handshake_action::kind::send, .envelope = {header, body_.view()}};
    }

    handshake_action with_segments(handshake_action action) const
    {
        action.use_segments = version_ >= 5;
        action.lz4 = compression_ == protocol::compression::lz4;
        return action;
    }

    handshake_action ready()
    {
        state_ = state::done;
        return {.what = handshake_action::kind::ready, .version = version_};
    }

    handshake_action failed(std::error_code error, std::string text)
    {
        state_ = state::done;
        return {.what = handshake_action::kind::failed, .error = error, .text = std::move(text)};
    }

    handshake_options options_;
    std::uint8_t version_;
    protocol::compression compression_{protocol::compression::none};
    state state_{state::idle};
    bool plain_sent_{false};
    byte_buffer body_;
};

}  // namespace dualwrite::protocol
