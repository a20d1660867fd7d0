#include <dualwrite/policy/outcome.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

using namespace dualwrite::policy;
using namespace std::chrono_literals;

namespace {

struct source_row {
    std::string_view name;
    std::uint32_t code;
    std::string_view write_type;
    outcome single;
    outcome several;
};

constexpr auto source_rows = std::to_array<source_row>({
    {"syntax", 0x2000, "", outcome::void_, outcome::void_},
    {"unauthorized", 0x2100, "", outcome::void_, outcome::void_},
    {"invalid", 0x2200, "", outcome::void_, outcome::void_},
    {"configuration", 0x2300, "", outcome::void_, outcome::void_},
    {"already exists", 0x2400, "", outcome::void_, outcome::void_},
    {"protocol", 0x000a, "", outcome::void_, outcome::void_},
    {"credentials", 0x0100, "", outcome::void_, outcome::void_},
    {"function failure", 0x1400, "", outcome::void_, outcome::void_},
    {"unprepared", 0x2500, "", outcome::void_, outcome::void_},
    {"bootstrapping", 0x1002, "", outcome::void_, outcome::void_},
    {"truncate", 0x1003, "", outcome::unknown, outcome::unknown},
    {"unavailable", 0x1000, "", outcome::void_, outcome::unknown},
    {"overloaded", 0x1001, "", outcome::void_, outcome::unknown},
    {"timeout SIMPLE", 0x1100, "SIMPLE", outcome::unknown, outcome::unknown},
    {"timeout UNLOGGED_BATCH", 0x1100, "UNLOGGED_BATCH", outcome::unknown, outcome::unknown},
    {"timeout VIEW", 0x1100, "VIEW", outcome::unknown, outcome::unknown},
    {"timeout CDC", 0x1100, "CDC", outcome::unknown, outcome::unknown},
    {"timeout BATCH_LOG", 0x1100, "BATCH_LOG", outcome::unknown, outcome::unknown},
    {"timeout BATCH", 0x1100, "BATCH", outcome::applied, outcome::applied},
    {"timeout COUNTER", 0x1100, "COUNTER", outcome::unknown, outcome::unknown},
    {"timeout CAS", 0x1100, "CAS", outcome::unknown, outcome::unknown},
    {"timeout of a type to come", 0x1100, "NEW", outcome::unknown, outcome::unknown},
    {"timeout without a type", 0x1100, "", outcome::unknown, outcome::unknown},
    {"CAS unknown", 0x1700, "", outcome::unknown, outcome::unknown},
    {"write failure", 0x1500, "BATCH", outcome::unknown, outcome::unknown},
    {"CDC write failure", 0x1600, "", outcome::unknown, outcome::unknown},
    {"server error", 0x0000, "", outcome::unknown, outcome::unknown},
    {"read timeout", 0x1200, "", outcome::unknown, outcome::unknown},
    {"a code to come", 0x7777, "", outcome::unknown, outcome::unknown},
});

struct target_row {
    std::string_view name;
    std::uint32_t code;
    target_action repeatable;
    target_action once;
};

constexpr auto target_rows = std::to_array<target_row>({
    {"server error", 0x0000, target_action::retry, target_action::reread},
    {"protocol", 0x000a, target_action::permanent, target_action::permanent},
    {"credentials", 0x0100, target_action::permanent, target_action::permanent},
    {"unavailable", 0x1000, target_action::retry, target_action::reread},
    {"overloaded", 0x1001, target_action::retry, target_action::reread},
    {"bootstrapping", 0x1002, target_action::retry, target_action::retry},
    {"truncate", 0x1003, target_action::retry, target_action::reread},
    {"write timeout", 0x1100, target_action::retry, target_action::reread},
    {"read timeout", 0x1200, target_action::retry, target_action::reread},
    {"read failure", 0x1300, target_action::retry, target_action::reread},
    {"function failure", 0x1400, target_action::permanent, target_action::permanent},
    {"write failure", 0x1500, target_action::retry, target_action::reread},
    {"CDC write failure", 0x1600, target_action::retry, target_action::reread},
    {"CAS unknown", 0x1700, target_action::retry, target_action::reread},
    {"syntax", 0x2000, target_action::permanent, target_action::permanent},
    {"unauthorized", 0x2100, target_action::permanent, target_action::permanent},
    {"invalid", 0x2200, target_action::permanent, target_action::permanent},
    {"configuration", 0x2300, target_action::permanent, target_action::permanent},
    {"already exists", 0x2400, target_action::done, target_action::done},
    {"unprepared", 0x2500, target_action::reprepare, target_action::reprepare},
    {"a code to come", 0x7777, target_action::retry, target_action::reread},
});

}  // namespace

TEST_SUITE("policy/outcome")
{
    TEST_CASE("outcome_of_error: knows what each error of the source says about the write")
    {
        for (const auto& row : source_rows) {
            CAPTURE(row.name);
            CHECK(outcome_of_error(row.code, row.write_type, true) == row.single);
            CHECK(outcome_of_error(row.code, row.write_type, false) == row.several);
        }
    }

    TEST_CASE("judge_target_error: knows what to do after each error of the target")
    {
        for (const auto& row : target_rows) {
            CAPTURE(row.name);
            CHECK(judge_target_error(row.code, "text", true) == target_verdict{row.repeatable});
            CHECK(judge_target_error(row.code, "text", false) == target_verdict{row.once});
        }
    }

    TEST_CASE("judge_target_error: waits as long as an overloaded target asks")
    {
        const std::string_view text = "Request rate is large: ActivityID=x, "
                                      "AdditionalRetryAfterMs=9, RetryAfterMs=25, Details";
        const target_verdict wanted{target_action::retry_after, 25ms};
        CHECK(judge_target_error(0x1001, text, true) == wanted);
        CHECK(judge_target_error(0x1001, text, false) == wanted);
        CHECK(judge_target_error(0x1000, text, true) == target_verdict{target_action::retry});
    }

    TEST_CASE("outcome_of and judge_target: take a parsed error as it is")
    {
        enum class error_code : std::uint32_t { overloaded = 0x1001, write_timeout = 0x1100 };
        struct error_view {
            error_code code;
            std::string_view message;
            std::string_view write_type;
        };
        const error_view timeout{error_code::write_timeout, "", "BATCH"};
        CHECK(outcome_of(timeout, true) == outcome::applied);
        const error_view overloaded{error_code::overloaded, "RetryAfterMs=7", ""};
        CHECK(outcome_of(overloaded, true) == outcome::void_);
        CHECK(judge_target(overloaded, true) == target_verdict{target_action::retry_after, 7ms});
    }

    TEST_CASE("retry_after: reads the number, bounds it, and tells when there is none")
    {
        CHECK(retry_after("RetryAfterMs=0") == 0ms);
        CHECK(retry_after("a,RetryAfterMs=10,b") == 10ms);
        CHECK(retry_after("RetryAfterMs=99999999999999999999999") == retry_after_max);
        CHECK(retry_after("RetryAfterMs=60001") == 60s);
        CHECK(retry_after("") < 0ms);
        CHECK(retry_after("RetryAfterMs=") < 0ms);
        CHECK(retry_after("RetryAfterMs=-5") < 0ms);
        CHECK(retry_after("XRetryAfterMs=5") < 0ms);
    }
}
