#include <dualwrite/protocol/handshake.hpp>
#include <dualwrite/protocol/response_build.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

using kind = handshake_action::kind;

// Answers a handshake like a server would.
struct peer {
    client_handshake& client;
    std::uint8_t version;
    byte_buffer body{};

    handshake_action answer(opcode op, std::uint8_t header_version = 0)
    {
        const envelope_header header{
            .version = header_version != 0 ? header_version : version, .response = true, .op = op};
        return client.on_envelope({header, body.view()});
    }
    handshake_action supported(const string_multimap& options)
    {
        body.clear();
        append_supported_body(body, options);
        return answer(opcode::supported);
    }
    handshake_action ready()
    {
        body.clear();
        return answer(opcode::ready);
    }
    handshake_action authenticate(std::string_view name)
    {
        body.clear();
        append_authenticate_body(body, name);
        return answer(opcode::authenticate);
    }
    handshake_action token(opcode op, std::string_view text)
    {
        body.clear();
        append_auth_response_body(body, as_bytes(text));
        return answer(op);
    }
    handshake_action error(error_code code, std::string_view text, std::uint8_t header_version = 0)
    {
        body.clear();
        append_error_body(body, code, text);
        return answer(opcode::error, header_version);
    }
};

const string_multimap offer{
    {"PROTOCOL_VERSIONS", {"3/v3", "4/v4", "5/v5", "6/v6-beta"}},
    {"COMPRESSION", {"snappy", "lz4"}},
    {"CQL_VERSION", {"3.4.7"}}};

std::string startup_text(const handshake_action& action)
{
    REQUIRE(action.what == kind::send);
    REQUIRE(action.envelope.header.op == opcode::startup);
    const auto options = parse_startup(action.envelope.body);
    std::string out;
    for (const auto& [key, value] : *options) {
        out += key;
        out += '=';
        out += value;
        out += ';';
    }
    return out;
}

constexpr std::string_view password_authenticator =
    "org.apache.cassandra.auth.PasswordAuthenticator";

}  // namespace

TEST_SUITE("protocol/handshake")
{
    TEST_CASE("client_handshake: asks for the options first, in the version that it prefers")
    {
        client_handshake client({});
        const auto action = client.start();
        CHECK(action.what == kind::send);
        CHECK(
            action.envelope.header ==
            envelope_header{.version = 5, .op = opcode::options, .body_size = 0}
        );
        CHECK_FALSE(action.use_segments);
        CHECK_FALSE(action.compression.has_value());
    }

    TEST_CASE("client_handshake: is ready in segments after READY in version 5, else without")
    {
        for (const auto version : all_versions) {
            CAPTURE(version);
            client_handshake client({}, version);
            client.start();
            peer server{client, version};
            const auto startup = server.supported(offer);
            CHECK(startup_text(startup) == "CQL_VERSION=3.4.7;DRIVER_NAME=dualwrite;");
            CHECK(startup.envelope.header.body_size == startup.envelope.body.size());
            CHECK(startup.envelope.header.version == version);
            CHECK_FALSE(startup.use_segments);
            const auto ready = server.ready();
            CHECK(ready.what == kind::ready);
            CHECK(ready.version == version);
            CHECK(ready.use_segments == (version == 5));
            CHECK_FALSE(ready.lz4);
        }
    }

    TEST_CASE("client_handshake: asks for the compression that it wants and the server offers")
    {
        const auto startup_of =
            [](compression wanted, std::uint8_t version, const string_multimap& o) {
                client_handshake client({.compression = wanted, .driver_name = ""}, version);
                client.start();
                peer server{client, version};
                const auto action = server.supported(o);
                if (version < 5) CHECK(action.compression == client.compression());
                if (version == 5) CHECK_FALSE(action.compression.has_value());
                return startup_text(action);
            };
        const string_multimap none{{"COMPRESSION", {}}};
        CHECK(startup_of(compression::lz4, 4, offer) == "CQL_VERSION=3.4.7;COMPRESSION=lz4;");
        CHECK(startup_of(compression::snappy, 4, offer) == "CQL_VERSION=3.4.7;COMPRESSION=snappy;");
        CHECK(startup_of(compression::none, 4, offer) == "CQL_VERSION=3.4.7;");
        CHECK(startup_of(compression::lz4, 4, none) == "CQL_VERSION=3.0.0;");
        CHECK(startup_of(compression::lz4, 5, offer) == "CQL_VERSION=3.4.7;COMPRESSION=lz4;");
        CHECK(startup_of(compression::snappy, 5, offer) == "CQL_VERSION=3.4.7;");
    }

    TEST_CASE("client_handshake: writes the options that it was given")
    {
        client_handshake client(
            {.cql_version = "3.4.0", .driver_version = "1.2", .throw_on_overload = true}
        );
        client.start();
        peer server{client, 5};
        CHECK(
            startup_text(server.supported(offer)) ==
            "CQL_VERSION=3.4.0;DRIVER_NAME=dualwrite;DRIVER_VERSION=1.2;THROW_ON_OVERLOAD=1;"
        );
    }

    TEST_CASE("client_handshake: sends its credentials in segments, as version 5 wants")
    {
        for (const auto version : all_versions) {
            client_handshake client(
                {.compression = compression::lz4, .username = "u", .password = "p"}, version
            );
            client.start();
            peer server{client, version};
            server.supported(offer);
            const auto response = server.authenticate(password_authenticator);
            REQUIRE(response.what == kind::send);
            CHECK(response.use_segments == (version == 5));
            CHECK(response.lz4);
            CHECK(response.envelope.header.op == opcode::auth_response);
            CHECK(
                hex(response.envelope.body) == "00000004"
                                               "00750070"
            );
            const auto ready = server.token(opcode::auth_success, "");
            CHECK(ready.what == kind::ready);
            // The framing has been switched already.
            CHECK_FALSE(ready.use_segments);
        }
    }

    TEST_CASE("client_handshake: names the mechanism first where the server wants that")
    {
        client_handshake client({.username = "u", .password = "p"}, 4);
        client.start();
        peer server{client, 4};
        server.supported(offer);
        const auto mechanism =
            server.authenticate("com.datastax.bdp.cassandra.auth.DseAuthenticator");
        CHECK(
            hex(mechanism.envelope.body) == "00000005"
                                            "504c41494e"
        );
        const auto response = server.token(opcode::auth_challenge, "PLAIN-START");
        CHECK(
            hex(response.envelope.body) == "00000004"
                                           "00750070"
        );
        CHECK(server.token(opcode::auth_success, "").what == kind::ready);
    }

    TEST_CASE(
        "client_handshake: fails where it has no credentials, wrong ones, or another mechanism"
    )
    {
        const auto begun = [](client_handshake& client) {
            client.start();
            peer server{client, 4};
            server.supported(offer);
            return server;
        };
        client_handshake anonymous({}, 4);
        auto first = begun(anonymous);
        const auto refused = first.authenticate(password_authenticator);
        CHECK(refused.what == kind::failed);
        CHECK(refused.error == errc::authentication_failed);
        CHECK(refused.text.find(password_authenticator) != std::string::npos);

        client_handshake wrong({.username = "u", .password = "p"}, 4);
        auto second = begun(wrong);
        second.authenticate(password_authenticator);
        const auto denied = second.error(error_code::bad_credentials, "Provided username u ...");
        CHECK(denied.error == errc::authentication_failed);
        CHECK(denied.text == "Provided username u ...");

        client_handshake other({.username = "u", .password = "p"}, 4);
        auto third = begun(other);
        third.authenticate("org.example.Kerberos");
        const auto challenged = third.token(opcode::auth_challenge, "more");
        CHECK(challenged.what == kind::failed);
        CHECK(challenged.error == errc::authentication_failed);
    }

    TEST_CASE("client_handshake: steps down when the server names versions without its own")
    {
        client_handshake client({});
        client.start();
        peer server{client, 5};
        const auto action =
            server.supported({{"PROTOCOL_VERSIONS", {"3/v3", "4/v4", "5/v5-beta"}}});
        CHECK(action.what == kind::retry_version);
        CHECK(action.version == 4);
    }

    TEST_CASE("client_handshake: steps down when the server refuses its version")
    {
        constexpr std::string_view text =
            "Invalid or unsupported protocol version (5); supported versions are (3/v3, 4/v4)";
        client_handshake client({});
        client.start();
        peer server{client, 5};
        CHECK(server.error(error_code::protocol_error, text, 4).version == 4);

        // To the server's own version, if it is one that may be used.
        client_handshake direct({});
        direct.start();
        peer old{direct, 5};
        CHECK(old.error(error_code::server_error, text, 3).version == 3);

        client_handshake last({.versions = {5}});
        last.start();
        peer final_server{last, 5};
        const auto failed = final_server.error(error_code::protocol_error, text, 4);
        CHECK(failed.what == kind::failed);
        CHECK(failed.error == errc::bad_version);
        CHECK(failed.text == text);
    }

    TEST_CASE("client_handshake: steps down when nothing readable comes, but only at the beginning")
    {
        client_handshake client({});
        client.start();
        const auto action = client.on_unreadable(errc::bad_version);
        CHECK(action.what == kind::retry_version);
        CHECK(action.version == 4);

        client_handshake closed({});
        closed.start();
        CHECK(closed.on_unreadable({}).version == 4);

        client_handshake later({});
        later.start();
        peer server{later, 5};
        server.supported(offer);
        const auto lost = later.on_unreadable(errc::connection_lost);
        CHECK(lost.what == kind::failed);
        CHECK(lost.error == errc::connection_lost);
    }

    TEST_CASE("client_handshake: a connection that breaks says nothing of the version")
    {
        for (const auto error :
             {std::make_error_code(std::errc::connection_reset),
              make_error_code(errc::connection_lost),
              make_error_code(errc::timed_out)}) {
            client_handshake client({});
            client.start();
            const auto action = client.on_unreadable(error);
            CHECK(action.what == kind::failed);
            CHECK(action.error == error);
        }
    }

    TEST_CASE("client_handshake: goes down to version 3 only where the server asks for it")
    {
        client_handshake client({}, 4);
        client.start();
        CHECK(client.on_unreadable({}).what == kind::failed);
    }

    TEST_CASE("client_handshake: fails on every message that the state does not allow")
    {
        const opcode answers[] = {
            opcode::ready,
            opcode::authenticate,
            opcode::supported,
            opcode::result,
            opcode::event,
            opcode::auth_challenge,
            opcode::auth_success};
        for (int state = 0; state < 3; ++state)
            for (const auto op : answers) {
                CAPTURE(state);
                CAPTURE(opcode_name(op));
                client_handshake client({.username = "u", .password = "p"}, 4);
                client.start();
                peer server{client, 4};
                if (state >= 1) server.supported(offer);
                if (state >= 2) server.authenticate(password_authenticator);
                server.body.clear();
                append_supported_body(server.body, offer);
                const auto allowed =
                    state == 0   ? op == opcode::supported
                    : state == 1 ? op == opcode::ready || op == opcode::authenticate
                                 : op == opcode::auth_challenge || op == opcode::auth_success;
                const auto action = server.answer(op);
                if (!allowed) CHECK(action.what == kind::failed);
                if (!allowed) CHECK(action.error == errc::unexpected_message);
                if (allowed && op != opcode::auth_challenge) CHECK(action.what != kind::failed);
            }
    }

    TEST_CASE("client_handshake: fails on requests, malformed answers and other versions")
    {
        const auto first_answer = [](envelope_header header, bytes_view body) {
            client_handshake client({}, 4);
            client.start();
            return client.on_envelope({header, body});
        };
        byte_buffer body;
        append_supported_body(body, offer);
        envelope_header header{.version = 4, .response = true, .op = opcode::supported};
        CHECK(first_answer(header, body.view()).what == kind::send);
        CHECK(first_answer(header, body.view().first(5)).error == errc::malformed);
        header.flags = flag_warning;
        CHECK(first_answer(header, {}).error == errc::malformed);
        header = {.version = 3, .response = true, .op = opcode::supported};
        CHECK(first_answer(header, body.view()).error == errc::bad_version);
        header = {.version = 4, .response = false, .op = opcode::supported};
        CHECK(first_answer(header, body.view()).error == errc::unexpected_message);
        header = {.version = 4, .response = true, .op = opcode::error};
        CHECK(first_answer(header, {}).error == errc::malformed);
    }

    TEST_CASE("apply_framing: both directions of a connection follow the handshake over real bytes")
    {
        for (const auto version : all_versions)
            for (const auto wanted : {compression::none, compression::lz4, compression::snappy}) {
                client_handshake client({.compression = wanted}, version);
                envelope_encoder to_server;
                envelope_decoder from_server;
                envelope_encoder server;
                byte_buffer wire, body;
                client.start();
                append_supported_body(body, offer);
                const envelope_header supported{
                    .version = version, .response = true, .op = opcode::supported};
                server.append(wire, supported, body.view());
                from_server.feed(wire.view());
                apply_framing(client.on_envelope(**from_server.next()), to_server, from_server);
                if (version < 5) server.set_compression(client.compression());

                wire.clear();
                server.append(
                    wire, {.version = version, .response = true, .op = opcode::ready}, {}
                );
                from_server.feed(wire.view());
                apply_framing(client.on_envelope(**from_server.next()), to_server, from_server);
                const auto lz4 = client.compression() == compression::lz4;
                if (version == 5) server.switch_to_segments(lz4);

                wire.clear();
                const auto rows = repetitive(5000);
                const envelope_header result{
                    .version = version, .response = true, .op = opcode::result};
                server.append(wire, result, rows);
                from_server.feed(wire.view());
                CHECK(equal((**from_server.next()).body, rows));
            }
    }
}
