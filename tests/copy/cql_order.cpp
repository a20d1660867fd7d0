#include <dualwrite/copy/cql_order.hpp>
#include <dualwrite/protocol/types.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "copy_support.hpp"

using namespace dualwrite;
using namespace dualwrite::copy;

namespace {

std::string hex(std::string_view digits)
{
    std::string out;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        out.push_back(static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
    return out;
}

struct order_case {
    std::string_view type;
    std::vector<std::string_view> ascending;  // in hex
};

// Checked against real nodes by tests/cluster/test_copy.py, which clusters tables by these types.
const std::vector<order_case> cases{
    {"int", {"", "80000000", "ffffffff", "00000000", "7fffffff"}},
    {"tinyint", {"80", "ff", "00", "7f"}},
    {"smallint", {"8000", "ffff", "0000", "7fff"}},
    {"bigint", {"8000000000000000", "ffffffffffffffff", "0000000000000000", "7fffffffffffffff"}},
    {"timestamp", {"8000000000000000", "0000000000000000"}},
    {"date", {"00000000", "7fffffff", "80000000", "ffffffff"}},
    {"text", {"", "61", "6161", "62", "c3bc"}},
    {"blob", {"", "00", "0000", "7f", "80", "ff"}},
    {"inet", {"00000000", "7f000001", "ff000000"}},
    {"boolean", {"00", "01"}},
    {"double",
     {"",
      "fff0000000000000",
      "bff0000000000000",
      "8000000000000000",
      "0000000000000000",
      "3ff0000000000000",
      "7ff0000000000000",
      "7ff8000000000000"}},
    {"float", {"ff800000", "80000000", "00000000", "7f800000", "7fc00000"}},
    {"varint", {"", "8000", "ff7f", "80", "ff", "00", "01", "7f", "0080", "0100"}},
    // scale, then unscaled: -10, -1.5, 0.0, 0.1, 1.5, 12 (1.2E+1 with scale -1 is 120)
    {"decimal",
     {"00000000f6",
      "00000001f1",
      "0000000100",
      "0000000101",
      "000000010f",
      "000000000c",
      "ffffffff0c"}},
    // Version first, then time for version 1, else the bytes.
    {"uuid",
     {"00000000000000000000000000000000",
      "ffffffff000010008080808080808080",
      "00000000000110008080808080808080",
      "00000000000040000000000000000000",
      "123e4567e89b42d3a456426614174000"}},
    // By time, then the rest as signed bytes.
    {"timeuuid",
     {"00000000000010008080808080808080",
      "000000000000100080ffffffffffffff",
      "00000000000010008000000000000000",
      "00000000000010007f7f7f7f7f7f7f7f",
      "00000001000010008080808080808080",
      "00000000000110008080808080808080"}},
    {"frozen<list<int>>",
     {"00000000",
      "000000010000000400000001",
      "00000002000000040000000100000004ffffffff",
      "000000010000000400000002"}},
    {"tuple<int, text>",
     {"ffffffff",
      "ffffffff00000000",
      "0000000400000001",
      "000000040000000100000000",
      "00000004000000010000000161"}},
    {"vector<float, 2>", {"8000000000000000", "0000000000000000", "000000003f800000"}},
};

}  // namespace

TEST_SUITE("copy/cql_order")
{
    TEST_CASE("compare_values: orders each type as Cassandra's comparators do")
    {
        for (const auto& [type_text, ascending] : cases) {
            CAPTURE(type_text);
            const auto type = protocol::parse_type_text(type_text);
            REQUIRE(type);
            CHECK(is_ordered(*type));
            for (std::size_t i = 0; i < ascending.size(); ++i)
                for (std::size_t k = 0; k < ascending.size(); ++k) {
                    CAPTURE(ascending[i]);
                    CAPTURE(ascending[k]);
                    const auto a = hex(ascending[i]);
                    const auto b = hex(ascending[k]);
                    CHECK((compare_values(*type, as_bytes(a), as_bytes(b)) == (i <=> k)));
                }
        }
    }

    TEST_CASE("compare_values: decimals and varints of the same value are equal at any length")
    {
        const auto equal_values = [](std::string_view type, std::string_view a, std::string_view b
                                  ) {
            const auto x = hex(a);
            const auto y = hex(b);
            return compare_values(*protocol::parse_type_text(type), as_bytes(x), as_bytes(y)) == 0;
        };
        CHECK(equal_values("decimal", "000000010a", "0000000264"));  // 1.0 and 1.00
        CHECK(equal_values("decimal", "0000000000", "7fffffff00"));  // zeros
        CHECK(equal_values("varint", "01", "000001"));
        CHECK(equal_values("varint", "ff", "ffffff"));
        CHECK_FALSE(equal_values("decimal", "000000010a", "000000010b"));
    }

    TEST_CASE("compare_values: bytes that are no value of the type do not crash and keep an order")
    {
        for (const auto& [type_text, ascending] : cases) {
            const auto type = protocol::parse_type_text(type_text);
            for (const auto text : ascending) {
                const auto whole = hex(text);
                for (std::size_t size = 0; size <= whole.size(); ++size) {
                    const auto part = as_bytes(whole).first(size);
                    const auto order = compare_values(*type, part, as_bytes(whole));
                    CHECK((0 <=> compare_values(*type, as_bytes(whole), part)) == order);
                }
            }
        }
    }

    TEST_CASE("is_ordered: not for classes of others, wherever they are")
    {
        CHECK_FALSE(is_ordered(*protocol::parse_type_text("duration")));
        CHECK_FALSE(is_ordered(*protocol::parse_type_text("'org.example.Mine'")));
        CHECK_FALSE(is_ordered(*protocol::parse_type_text("frozen<list<'org.example.Mine'>>")));
    }

    TEST_CASE("to_digits: decimal digits of two's complement")
    {
        const auto digits = [](std::string_view in) {
            const auto bytes = hex(in);
            const auto out = to_digits(as_bytes(bytes));
            return (out.negative ? "-" : "") + out.digits;
        };
        CHECK(digits("00") == "");
        CHECK(digits("") == "");
        CHECK(digits("7f") == "127");
        CHECK(digits("80") == "-128");
        CHECK(digits("ff") == "-1");
        CHECK(digits("0100") == "256");
        CHECK(digits("ff00") == "-256");
        CHECK(digits("00ffffffffffffffff") == "18446744073709551615");
        CHECK(digits("0de0b6b3a7640000") == "1000000000000000000");
    }
}
