#include <dualwrite/protocol/hidden_values.hpp>
#include <dualwrite/protocol/response_build.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;

namespace {

using positions = std::vector<std::uint16_t>;

prepared_result sample(std::uint8_t version, bool one_table)
{
    prepared_result out;
    out.id = as_bytes("prepared id");
    if (version >= 5) out.result_metadata_id = as_bytes("metadata id");
    for (const auto* name : {"a", "b", "c", "d"})
        out.variables.push_back(
            {"k", one_table ? "t" : std::string("t") + name, name, {.id = type_id::uuid}}
        );
    if (version >= 4) out.pk_indexes = {3, 1};
    out.result.flags = rows_flag::no_metadata;
    return out;
}

std::string value(std::size_t i)
{
    return "hidden" + std::to_string(i);
}

// The values as text, in order; "-" for null, "?" for unset.
std::vector<std::string> merged(const byte_buffer& values, const positions& hidden)
{
    byte_buffer out;
    append_values_with(out, values.view(), hidden, value);
    std::vector<std::string> found;
    REQUIRE(for_each_value(out.view(), false, [&](std::string_view, const bound_value& v) {
        if (v.is == bound_value::state::present)
            found.emplace_back(as_text(v.bytes));
        else
            found.emplace_back(v.is == bound_value::state::null ? "-" : "?");
    }));
    return found;
}

}  // namespace

TEST_SUITE("protocol/hidden_values")
{
    TEST_CASE("append_prepared_without: the client learns of its own markers only")
    {
        for (const std::uint8_t version : {std::uint8_t{3}, std::uint8_t{4}, std::uint8_t{5}})
            for (const bool one_table : {true, false}) {
                CAPTURE(version);
                CAPTURE(one_table);
                const auto whole = sample(version, one_table);
                byte_buffer message;
                append_prepared_body(message, version, whole);
                byte_buffer out;
                const positions hidden{0, 2};
                REQUIRE(append_prepared_without(out, message.view(), version, hidden));
                const auto left = parse_prepared(out.view(), version);
                REQUIRE(left);
                CHECK(as_text(left->id) == "prepared id");
                CHECK(as_text(left->result_metadata_id) == as_text(whole.result_metadata_id));
                REQUIRE(left->variables.size() == 2);
                CHECK(left->variables[0] == whole.variables[1]);
                CHECK(left->variables[1] == whole.variables[3]);
                CHECK(left->pk_indexes == (version >= 4 ? positions{1, 0} : positions{}));
            }
    }

    TEST_CASE("append_prepared_without: a hidden part of the key leaves no key")
    {
        byte_buffer message;
        append_prepared_body(message, 4, sample(4, true));
        byte_buffer out;
        REQUIRE(append_prepared_without(out, message.view(), 4, positions{1}));
        const auto left = parse_prepared(out.view(), 4);
        REQUIRE(left);
        CHECK(left->pk_indexes.empty());
        CHECK(left->variables.size() == 3);
    }

    TEST_CASE("append_prepared_without: refuses what is cut off or has fewer markers")
    {
        byte_buffer message;
        append_prepared_body(message, 5, sample(5, true));
        for (std::size_t size = 0; size + 8 < message.size(); ++size) {
            byte_buffer out;
            CHECK_FALSE(append_prepared_without(out, message.view().first(size), 5, positions{0, 2})
            );
        }
        byte_buffer out;
        CHECK_FALSE(append_prepared_without(out, message.view(), 5, positions{0, 1, 2, 3, 4}));
    }

    TEST_CASE("append_values_with: hidden values stand at their places, the others as they were")
    {
        byte_buffer values;
        append_value(values, {bound_value::state::present, as_bytes("x")});
        append_value(values, bound_value::null());
        append_value(values, bound_value::unset());
        using texts = std::vector<std::string>;
        CHECK(merged(values, {}) == texts{"x", "-", "?"});
        CHECK(merged(values, {0}) == texts{"hidden0", "x", "-", "?"});
        CHECK(merged(values, {1, 2, 5}) == texts{"x", "hidden0", "hidden1", "-", "?", "hidden2"});
        // The server will find that there are too few.
        CHECK(merged(values, {9}) == texts{"x", "-", "?", "hidden0"});
        CHECK(merged({}, {0, 1}) == texts{"hidden0", "hidden1"});
    }
    TEST_CASE("append_values_without: the others stay as they were")
    {
        byte_buffer values;
        append_value(values, {bound_value::state::present, as_bytes("x")});
        append_value(values, bound_value::null());
        append_value(values, bound_value::unset());
        append_value(values, {bound_value::state::present, as_bytes("")});
        byte_buffer out;
        CHECK(append_values_without(out, values.view(), {}) == 4);
        CHECK(equal(out.view(), values.view()));
        out.clear();
        CHECK(append_values_without(out, values.view(), positions{0, 2, 9}) == 2);
        CHECK(as_text(out.view()) == std::string_view("\xff\xff\xff\xff\0\0\0\0", 8));
        out.clear();
        CHECK(append_values_without(out, values.view(), positions{0, 1, 2, 3}) == 0);
        CHECK(out.empty());
    }
}
