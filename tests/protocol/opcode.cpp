#include <dualwrite/protocol/opcode.hpp>

#include "support.hpp"

using namespace dualwrite::protocol;

TEST_SUITE("protocol/opcode")
{
    TEST_CASE("is_known: takes the sixteen opcodes of the specification and no other byte")
    {
        int known = 0;
        for (int op = 0; op < 256; ++op)
            if (is_known(static_cast<std::uint8_t>(op))) ++known;
        CHECK(known == 16);
        CHECK_FALSE(is_known(0x04));
        CHECK_FALSE(is_known(0x11));
        CHECK_FALSE(is_known(0xff));
    }

    TEST_CASE("is_request: tells the messages of clients from those of servers")
    {
        for (const auto op :
             {opcode::startup,
              opcode::options,
              opcode::query,
              opcode::prepare,
              opcode::execute,
              opcode::register_,
              opcode::batch,
              opcode::auth_response})
            CHECK(is_request(op));
        for (const auto op :
             {opcode::error,
              opcode::ready,
              opcode::authenticate,
              opcode::supported,
              opcode::result,
              opcode::event,
              opcode::auth_challenge,
              opcode::auth_success})
            CHECK_FALSE(is_request(op));
    }

    TEST_CASE("opcode_name: gives the words of the specification")
    {
        CHECK(opcode_name(opcode::error) == "ERROR");
        CHECK(opcode_name(opcode::query) == "QUERY");
        CHECK(opcode_name(opcode::auth_success) == "AUTH_SUCCESS");
        CHECK(opcode_name(static_cast<opcode>(0x04)) == "UNKNOWN");
        CHECK(opcode_name(static_cast<opcode>(0x7f)) == "UNKNOWN");
    }

    TEST_CASE("parse_consistency: is the inverse of consistency_name, in any case of letters")
    {
        for (std::uint16_t value = 0; value < 11; ++value) {
            const auto level = static_cast<consistency>(value);
            CHECK(parse_consistency(consistency_name(level)) == level);
        }
        CHECK(parse_consistency("local_Quorum") == consistency::local_quorum);
        CHECK_FALSE(parse_consistency("LOCAL").has_value());
        CHECK_FALSE(parse_consistency("").has_value());
        CHECK_FALSE(parse_consistency("ONE ").has_value());
        CHECK_FALSE(is_known_consistency(11));
        CHECK(consistency_name(static_cast<consistency>(11)) == "UNKNOWN");
    }

    TEST_CASE("error_code_name: has a name for every code and says so of others")
    {
        CHECK(error_code_name(error_code::unprepared) == "unprepared");
        CHECK(error_code_name(error_code::cas_write_unknown) == "CAS write unknown");
        CHECK(error_code_name(static_cast<error_code>(0x2600)) == "unknown error");
    }
}
