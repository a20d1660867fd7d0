#include <dualwrite/protocol/sasl.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

TEST_SUITE("protocol/sasl")
{
    TEST_CASE("append_plain_token: writes no identity, the user and the password")
    {
        byte_buffer out;
        append_plain_token(out, "user", "pass");
        CHECK(
            hex(out.view()) == "00"
                               "75736572"
                               "00"
                               "70617373"
        );
        const auto token = parse_plain_token(out.view());
        REQUIRE(token.has_value());
        CHECK(token->authorization_id.empty());
        CHECK(token->username == "user");
        CHECK(token->password == "pass");
    }

    TEST_CASE("parse_plain_token: reads an identity, empty parts and a password with anything in it"
    )
    {
        const auto in = bytes({'i', 0, 'u', 0, 'p', 0, 'q'});
        const auto token = parse_plain_token(in);
        REQUIRE(token.has_value());
        CHECK(token->authorization_id == "i");
        CHECK(token->username == "u");
        CHECK(token->password == std::string_view("p\0q", 3));
        CHECK(parse_plain_token(bytes({0, 0}))->username.empty());
    }

    TEST_CASE("parse_plain_token: refuses a token without two separators")
    {
        for (const auto& token : {bytes({}), bytes({0}), bytes({'u', 0, 'p'}), bytes({'x'})})
            CHECK(parse_plain_token(token).error() == errc::malformed);
    }
}
