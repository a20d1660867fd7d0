#include <dualwrite/replication/literal.hpp>

#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>

using namespace dualwrite;
using namespace dualwrite::replication;

namespace {

using namespace std::string_literals;

struct row {
    std::string_view type;
    std::string_view text;
    std::optional<std::string> bytes;  // as a bind marker carries them
};

}  // namespace

TEST_SUITE_BEGIN("replication/literal");

TEST_CASE("literal_bytes: the bytes that a driver would bind")
{
    const auto rows = std::to_array<row>({
        {"text", "'abc'", "abc"s},
        {"text", "''", ""s},
        {"text", "'it''s'", "it's"s},
        {"text", "''''", "'"s},
        {"text", "'a''''b'", "a''b"s},
        {"text", "'$$'", "$$"s},
        {"text", "$$it's 'so'$$", "it's 'so'"s},
        {"text", "$$$$", ""s},
        {"text", "'Größe €'", "Größe €"s},
        {"varchar", "'v'", "v"s},
        {"ascii", "'a'", "a"s},
        {"int", "0", "\0\0\0\0"s},
        {"int", "258", "\0\0\1\2"s},
        {"int", "-1", "\xff\xff\xff\xff"s},
        {"int", "2147483647", "\x7f\xff\xff\xff"s},
        {"int", "-2147483648", "\x80\0\0\0"s},
        {"bigint", "258", "\0\0\0\0\0\0\1\2"s},
        {"bigint", "-9223372036854775808", "\x80\0\0\0\0\0\0\0"s},
        {"smallint", "-2", "\xff\xfe"s},
        {"tinyint", "-128", "\x80"s},
        {"timestamp", "1", "\0\0\0\0\0\0\0\1"s},
        {"uuid",
         "00112233-4455-6677-8899-aabbccddeeff",
         "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"s},
        {"timeuuid",
         "00112233-4455-1677-8899-AABBCCDDEEFF",
         "\x00\x11\x22\x33\x44\x55\x16\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"s},
        {"blob", "0x", ""s},
        {"blob", "0x00ff", "\0\xff"s},
        {"blob", "0XAb", "\xab"s},
        {"boolean", "true", "\1"s},
        {"boolean", "FALSE", "\0"s},
    });
    for (const auto& [type, text, bytes] : rows) {
        const auto& its_type = type;  // Clang 14 captures no binding
        CAPTURE(its_type);
        const auto& its_text = text;  // Clang 14 captures no binding
        CAPTURE(its_text);
        CHECK(literal_bytes(type, text) == bytes);
    }
}

TEST_CASE("literal_bytes: what is not exactly a literal of the type has no bytes, never wrong ones")
{
    const auto rows = std::to_array<row>({
        {"int", "2147483648", {}},  // out of range
        {"int", "-2147483649", {}},
        {"smallint", "32768", {}},
        {"tinyint", "128", {}},
        {"int", "1.5", {}},
        {"int", "1e3", {}},
        {"int", "0x10", {}},
        {"int", "'5'", {}},
        {"int", "", {}},
        {"int", "- 5", {}},
        {"text", "5", {}},
        {"text", "abc", {}},
        {"text", "'", {}},
        {"text", "", {}},
        {"timestamp", "'2024-01-01'", {}},  // needs the server's calendar
        {"uuid", "00112233-4455-6677-8899-aabbccddee", {}},
        {"uuid", "'00112233-4455-6677-8899-aabbccddeeff'", {}},
        {"blob", "0x0", {}},
        {"blob", "0xzz", {}},
        {"blob", "00", {}},
        {"blob", "'00'", {}},
        {"boolean", "1", {}},
        {"boolean", "yes", {}},
        {"double", "1.5", {}},
        {"float", "1", {}},
        {"decimal", "1", {}},
        {"varint", "1", {}},
        {"inet", "'127.0.0.1'", {}},
        {"date", "1", {}},
        {"time", "1", {}},
        {"frozen<list<int>>", "[1]", {}},
        {"address", "{a: 1}", {}},
        {"int", "null", {}},
        {"text", "null", {}},
    });
    for (const auto& [type, text, bytes] : rows) {
        const auto& its_type = type;  // Clang 14 captures no binding
        CAPTURE(its_type);
        const auto& its_text = text;  // Clang 14 captures no binding
        CAPTURE(its_text);
        CHECK(literal_bytes(type, text) == bytes);
    }
}

TEST_SUITE_END();
