#include <dualwrite/dualwrite.h>

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "capi/guard.hpp"

using namespace dualwrite::capi;

// The ABI: a struct may grow at its end, what was published stays where it is. A failure here means
// that programs that were compiled earlier would break.

// The sizes of version 0.1: structs may be larger by now, never smaller.
static_assert(sizeof(dw_error) >= first_size<dw_error> && first_size<dw_error> == 520);
static_assert(sizeof(dw_key) >= first_size<dw_key> && first_size<dw_key> == 64);
static_assert(sizeof(dw_proxy_progress) >= 48 && first_size<dw_proxy_progress> == 48);
static_assert(sizeof(dw_job_progress) >= 272 && first_size<dw_job_progress> == 272);
static_assert(sizeof(dw_envelope) >= 32 && first_size<dw_envelope> == 32);
static_assert(sizeof(dw_segment) >= 24 && first_size<dw_segment> == 24);
static_assert(sizeof(dw_facts) >= 64 && first_size<dw_facts> == 64);
// The last field of each in version 0.1.
static_assert(offsetof(dw_error, message) == 8);
static_assert(offsetof(dw_key, help) == 56);
static_assert(offsetof(dw_proxy_progress, dead_letters) == 40);
static_assert(offsetof(dw_proxy_progress, delivered_writes) == 48);
static_assert(offsetof(dw_proxy_progress, loop_silence_ms) == 56);
static_assert(offsetof(dw_proxy_progress, successor) == 64);
static_assert(offsetof(dw_job_progress, table) == 144);
static_assert(offsetof(dw_envelope, opcode) == 25);
static_assert(offsetof(dw_segment, flags) == 20);
static_assert(offsetof(dw_facts, timestamp_us) == 56);

TEST_SUITE("capi/structs")
{
    TEST_CASE("give: leaves what is behind the caller's struct_size alone")
    {
        std::vector<unsigned char> memory(sizeof(dw_segment) + 8, 0xee);
        auto* out = reinterpret_cast<dw_segment*>(memory.data());
        out->struct_size = 16;
        dw_segment value = DW_SEGMENT_INIT;
        value.wire_size = 5;
        value.payload_size = 9;
        give(out, value);
        CHECK(out->struct_size == 16);
        CHECK(out->wire_size == 5);
        for (std::size_t i = 16; i < memory.size(); ++i) CHECK(memory[i] == 0xee);
    }

    TEST_CASE("give: leaves what the library does not know alone")
    {
        struct newer {
            dw_segment known;
            std::uint64_t unknown;
        } out{DW_SEGMENT_INIT, 7};
        out.known.struct_size = sizeof out;
        give(&out.known, dw_segment DW_SEGMENT_INIT);
        CHECK(out.unknown == 7);
        CHECK(out.known.struct_size == sizeof out);
    }

    TEST_CASE("report: cuts a text at a character's border and ends it")
    {
        dw_error err = DW_ERROR_INIT;
        std::string text(510, 'x');
        text += "\u00e4";  // its second byte would be number 512
        CHECK(report(&err, DW_E_CONFIG, text) == DW_E_CONFIG);
        CHECK(std::strlen(err.message) == 510);
        text.erase(0, 1);
        report(&err, DW_E_CONFIG, text);
        CHECK(std::strlen(err.message) == 511);
        CHECK(std::string_view(err.message).ends_with("\u00e4"));
    }

    TEST_CASE("report: does not touch an error that was not made by DW_ERROR_INIT")
    {
        dw_error err{};
        CHECK(report(&err, DW_E_CONFIG, "text") == DW_E_CONFIG);
        CHECK(err.code == 0);
        CHECK(report(nullptr, DW_E_FULL, "text") == DW_E_FULL);
    }

    TEST_CASE("guard: turns exceptions into codes")
    {
        dw_error err = DW_ERROR_INIT;
        CHECK(guard(&err, []() -> int { throw std::bad_alloc(); }) == DW_E_NO_MEMORY);
        CHECK(std::string_view(err.message) == "out of memory");
        CHECK(guard(&err, []() -> int { throw std::runtime_error("why"); }) == DW_E_INTERNAL);
        CHECK(std::string_view(err.message) == "why");
        CHECK(guard(&err, []() -> int { throw 1; }) == DW_E_INTERNAL);
        const auto refused = [] { return std::make_error_code(std::errc::permission_denied); };
        CHECK(guard(&err, [&]() -> int { throw std::system_error(refused()); }) == DW_E_SYSTEM);
        CHECK(guard(&err, [] { return DW_OK; }) == DW_OK);
        CHECK(err.code == DW_OK);
        CHECK(*err.message == '\0');
    }

    TEST_CASE("code_of: gives each of the library's errors a code of its own kind")
    {
        for (int value = 1; value <= static_cast<int>(dualwrite::errc::shutdown); ++value) {
            CAPTURE(value);
            CHECK(code_of(make_error_code(static_cast<dualwrite::errc>(value))) != DW_E_INTERNAL);
        }
        CHECK(code_of(std::make_error_code(std::errc::not_enough_memory)) == DW_E_NO_MEMORY);
        CHECK(code_of(std::make_error_code(std::errc::no_space_on_device)) == DW_E_SYSTEM);
    }

    TEST_CASE("dw_code_name: knows every code")
    {
        for (int code = DW_E_SYSTEM; code <= DW_NOT_YET; ++code) {
            CAPTURE(code);
            const std::string_view name = dw_code_name(code);
            CHECK((name != "DW_E_INTERNAL" || code == DW_E_INTERNAL));
        }
        CHECK(std::string_view(dw_code_name(4711)) == "DW_E_INTERNAL");
    }
}
