#include <dualwrite/copy/token.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

using namespace dualwrite;
using namespace dualwrite::copy;

namespace {

std::string repeated(std::string_view part, int times)
{
    std::string out;
    for (int i = 0; i < times; ++i) out += part;
    return out;
}

}  // namespace

TEST_SUITE("copy/token")
{
    // The values are those of the Python driver 3.30.1 (cassandra.metadata.Murmur3Token).
    TEST_CASE("murmur3: hashes as Cassandra does, bytes over 0x7f in the tail included")
    {
        struct row {
            std::string key;
            std::int64_t hash;
        };
        const std::vector<row> rows{
            {"123", -7468325962851647638},
            {repeated(std::string_view("\x00\xff\x10\xfa\x99", 5), 10), 5837342703291459765},
            {repeated("\xfe", 8), -8927430733708461935},
            {repeated("\x10", 8), 1446172840243228796},
            {"9223372036854775807", 7162290910810015547},
            {"\x80", -5284281814142962636},
            {repeated("\xff", 15), -2195530867418009455},
            {repeated("\xff", 16), -2824192546314762522},
            {repeated("\xc3\xa9", 11), 674300406122847448},
        };
        for (const auto& [key, hash] : rows) {
            const auto& its_key = key;  // Clang 14 captures no binding
            CAPTURE(its_key);
            CHECK(murmur3(as_bytes(key)) == hash);
            CHECK(token_of(as_bytes(key)) == token{hash});
        }
    }

    TEST_CASE("murmur3: agrees with the driver on 200 pseudo-random keys of 1 to 40 bytes")
    {
        std::uint64_t state = 12345;
        std::uint64_t folded = 0;
        for (std::size_t n = 0; n < 200; ++n) {
            std::string key;
            for (std::size_t i = 0; i < n % 40 + 1; ++i) {
                state = state * 6364136223846793005 + 1442695040888963407;
                key.push_back(static_cast<char>(state >> 56));
            }
            folded ^= static_cast<std::uint64_t>(murmur3(as_bytes(key)));
            folded = std::rotl(folded, 1);
        }
        CHECK(folded == 0x6849c7645d3ed697);
    }

    TEST_CASE("token_of: an empty key has the smallest token")
    {
        CHECK(token_of({}) == token_min);
    }

    TEST_CASE("append_partition_key: one column stands alone, several carry size and end mark")
    {
        const auto a = as_bytes("ab");
        const auto b = as_bytes("");
        byte_buffer one;
        append_partition_key(one, std::array{a});
        CHECK(as_text(one.view()) == "ab");

        byte_buffer two;
        append_partition_key(two, std::array{a, b});
        CHECK(as_text(two.view()) == std::string_view("\0\2ab\0\0\0\0", 8));
    }

    TEST_CASE("compare_partitions: the token decides, then the key's bytes as unsigned")
    {
        const auto low = as_bytes("\x01");
        const auto high = as_bytes("\xff");
        CHECK(compare_partitions({1}, high, {2}, low) < 0);
        CHECK(compare_partitions({-1}, high, {-2}, low) > 0);
        CHECK(compare_partitions({1}, low, {1}, high) < 0);
        CHECK(compare_partitions({1}, as_bytes("a"), {1}, as_bytes("aa")) < 0);
        CHECK(compare_partitions({1}, low, {1}, low) == 0);
    }
}
