#include <dualwrite/policy/cql_lexer.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

using namespace dualwrite::policy;

namespace {

// Each token as kind:text, joined by blanks.
std::string tokens_of(std::string_view cql)
{
    constexpr std::string_view kinds = "ewqsnubmpi";  // in the order of token_kind
    std::string out;
    cql_lexer lexer(cql);
    for (auto t = lexer.next(); t.kind != token_kind::end; t = lexer.next()) {
        if (!out.empty()) out += ' ';
        out += kinds[static_cast<std::size_t>(t.kind)];
        (out += ':') += t.text;
    }
    return out;
}

struct lexer_row {
    std::string_view cql;
    std::string_view tokens;
};

constexpr auto rows = std::to_array<lexer_row>({
    {"", ""},
    {" \t\r\n", ""},
    {"a", "w:a"},
    {"a_1 B2", "w:a_1 w:B2"},
    {"_a", "i:_ w:a"},
    {"\"a b\"", "q:\"a b\""},
    {"\"a\"\"b\"", "q:\"a\"\"b\""},
    {"\"\"", "q:\"\""},
    {"\"\"\"\"", "q:\"\"\"\""},
    {"\"a", "i:\"a"},
    {"'it''s'", "s:'it''s'"},
    {"''", "s:''"},
    {"'a", "i:'a"},
    {"'a''", "i:'a''"},
    {"$$a'$b$$c", "s:$$a'$b$$ w:c"},
    {"$$a$", "i:$$a$"},
    {"$a", "i:$ w:a"},
    {"1 -1 007", "n:1 n:-1 n:007"},
    {"a-1", "w:a n:-1"},
    {"a - 1", "w:a p:- n:1"},
    {"a--1\nb", "w:a w:b"},
    {"1.5 1. 1e5 1.5E-3 1e+2", "n:1.5 n:1. n:1e5 n:1.5E-3 n:1e+2"},
    {"1e x", "n:1 w:e w:x"},
    {"1..3", "n:1 p:.. n:3"},
    {"1...3", "n:1. p:.. n:3"},
    {"a..b", "w:a p:.. w:b"},
    {"0x 0xaF 0Xzz", "b:0x b:0xaF b:0X w:zz"},
    {"-0x1", "n:-0 w:x1"},
    {"1d 1h30m 2us 3\xc2\xb5s 1Y2MO", "n:1d n:1h30m n:2us n:3\xc2\xb5s n:1Y2MO"},
    {"PT5M P1Y P1W p1w PIE P", "n:PT5M n:P1Y n:P1W w:p1w w:PIE w:P"},
    {"P1Yx", "w:P1Yx"},
    {"-PT5M -P0001-02-03T04:05:06 -PX", "n:-PT5M n:-P0001-02-03T04:05:06 p:- w:PX"},
    {"P0001-02-03T04:05:06", "n:P0001-02-03T04:05:06"},
    {"00000000-0000-0000-0000-00000000000a", "u:00000000-0000-0000-0000-00000000000a"},
    {"abcdefab-0000-0000-0000-00000000000A", "u:abcdefab-0000-0000-0000-00000000000A"},
    {"abcdefab-0000-0000-0000-00000000000", "w:abcdefab n:-0000 n:-0000 n:-0000 n:-00000000000"},
    {"? :a", "m:? p:: w:a"},
    {"+= -= <= >= != = < >", "p:+= p:-= p:<= p:>= p:!= p:= p:< p:>"},
    {"()[]{},;.:+-*/%", "p:( p:) p:[ p:] p:{ p:} p:, p:; p:. p:: p:+ p:- p:* p:/ p:%"},
    {"a -- b\nc", "w:a w:c"},
    {"a -- b\rc", "w:a w:c"},
    {"a // b\nc", "w:a w:c"},
    {"a -- b", "w:a"},
    {"a /* b -- ' */ c", "w:a w:c"},
    {"a /**/ b /*/ c */ d", "w:a w:b w:d"},
    {"a /* b", "w:a i:/* b"},
    {"'--' \"/*\"", "s:'--' q:\"/*\""},
    {"a @ \xc3\xa4 !", "w:a i:@ i:\xc3 i:\xa4 i:!"},
});

}  // namespace

TEST_SUITE("policy/cql_lexer")
{
    TEST_CASE("cql_lexer: splits text as Cassandra's lexer does")
    {
        for (const auto& row : rows) {
            CAPTURE(row.cql);
            CHECK(tokens_of(row.cql) == row.tokens);
        }
    }

    TEST_CASE("cql_lexer: ends for every byte and every pair of bytes, inside the text")
    {
        for (int a = 0; a < 256; ++a) {
            for (int b = 0; b < 256; ++b) {
                const char text[] = {static_cast<char>(a), static_cast<char>(b)};
                const std::string_view view(text, 2);
                cql_lexer lexer(view);
                int count = 0;
                auto t = lexer.next();
                for (; t.kind != token_kind::end; t = lexer.next(), ++count) {
                    REQUIRE(count < 2);
                    REQUIRE(!t.text.empty());
                    REQUIRE(t.offset + t.text.size() <= view.size());
                    REQUIRE(t.text.data() == view.data() + t.offset);
                }
                REQUIRE(t.offset == view.size());
                REQUIRE(lexer.next().kind == token_kind::end);
            }
        }
    }

    TEST_CASE("cql_lexer: a copy continues where the original stood")
    {
        cql_lexer lexer("a b c");
        lexer.next();
        auto copy = lexer;
        CHECK(lexer.next().text == "b");
        CHECK(lexer.next().text == "c");
        CHECK(copy.next().text == "b");
    }
}
