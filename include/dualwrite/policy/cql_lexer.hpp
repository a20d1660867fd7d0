#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// Splits CQL text into tokens: the rules of Cassandra's Lexer.g (3.11 to 5.0), read for what can
// change the meaning of a statement. Where Cassandra's lexer reports an error, so that the server
// refuses the statement whatever stands around it, the token is `invalid`.

namespace dualwrite::policy {

enum class token_kind : std::uint8_t {
    end,
    word,         // letter (letter | digit | _)*: a name or a keyword, in any case
    quoted_name,  // "..." with "" for one quote; may be empty
    string,       // '...' with '' for one quote, or $$...$$
    number,       // integer, float or duration (also ISO 8601: P1Y2M, PT5M), with its sign
    uuid,
    blob,         // 0x...
    marker,       // ?
    punctuation,  // one character, or one of .. += -= <= >= !=
    invalid,
};

// `text` is a view into the lexer's text and includes the quotes. A named marker is two tokens, ':'
// and a name: only the grammar can tell `{a :b}` (a map) from `IN :b` (a marker).
struct token {
    token_kind kind{token_kind::end};
    std::string_view text;
    std::size_t offset{0};
};

namespace detail {

constexpr bool is_letter(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_digit(char c) noexcept
{
    return c >= '0' && c <= '9';
}
constexpr bool is_hex(char c) noexcept
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr bool is_word_part(char c) noexcept
{
    return is_letter(c) || is_digit(c) || c == '_';
}
constexpr char to_lower(char c) noexcept
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// ASCII only, as Cassandra's keywords are. `lower` must be in lower case.
constexpr bool equals_folded(std::string_view text, std::string_view lower) noexcept
{
    if (text.size() != lower.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (to_lower(text[i]) != lower[i]) return false;
    return true;
}

}  // namespace detail

// Never allocates, never throws; a copy is a bookmark. The text must outlive lexer and tokens.
class cql_lexer {
public:
    constexpr explicit cql_lexer(std::string_view text) noexcept : text_(text) {}

    // The next token; `end` for ever after the last. Every other token has at least one byte.
    constexpr token next() noexcept
    {
        if (!skip_blanks()) return make(token_kind::invalid, text_.size());
        if (position_ == text_.size()) return {token_kind::end, text_.substr(position_), position_};
        const char c = text_[position_];
        if (detail::is_hex(c) && is_uuid()) return make(token_kind::uuid, position_ + uuid_size);
        if (c == 'P' || (c == '-' && at(position_ + 1) == 'P'))
            if (const auto end = iso_duration_end()) return make(token_kind::number, end);
        if (detail::is_letter(c)) return make(token_kind::word, word_end(position_));
        if (detail::is_digit(c)) return number();
        if (c == '-' && detail::is_digit(at(position_ + 1))) return number();
        if (c == '\'') return quoted('\'', token_kind::string);
        if (c == '"') return quoted('"', token_kind::quoted_name);
        if (c == '$') return dollar_string();
        if (c == '?') return make(token_kind::marker, position_ + 1);
        return punctuation();
    }

private:
    static constexpr std::size_t uuid_size = 36;

    constexpr char at(std::size_t i) const noexcept { return i < text_.size() ? text_[i] : '\0'; }

    constexpr token make(token_kind kind, std::size_t end) noexcept
    {
        const auto begin = position_;
        position_ = end;
        return {kind, text_.substr(begin, end - begin), begin};
    }

    // False when a block comment has no end. A line comment ends at CR as well as at LF: whoever
    // overlooks the CR hides a whole statement from itself that the server still executes.
    constexpr bool skip_blanks() noexcept
    {
        for (;;) {
            const char c = at(position_);
            const char d = at(position_ + 1);
            if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
                ++position_;
            } else if ((c == '-' && d == '-') || (c == '/' && d == '/')) {
                const auto end = text_.find_first_of("\r\n", position_);
                position_ = end == std::string_view::npos ? text_.size() : end;
            } else if (c == '/' && d == '*') {
                const auto end = text_.find("*/", position_ + 2);
                if (end == std::string_view::npos) return false;
                position_ = end + 2;
            } else {
                return true;
            }
        }
    }

    constexpr std::size_t word_end(std::size_t i) const noexcept
    {
        while (detail::is_word_part(at(i))) ++i;
        return i;
    }

    constexpr std::size_t digits_end(std::size_t i) const noexcept
    {
        while (detail::is_digit(at(i))) ++i;
        return i;
    }

    // 8-4-4-4-12 hex digits. What follows does not matter, as in Lexer.g.
    constexpr bool is_uuid() const noexcept
    {
        if (text_.size() - position_ < uuid_size) return false;
        for (std::size_t i = 0; i < uuid_size; ++i) {
            const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
            const char c = text_[position_ + i];
            if (dash ? c != '-' : !detail::is_hex(c)) return false;
        }
        return true;
    }

    // End of a duration unit (y mo w d h m s ms us ns, and us with a micro sign) at `i`, or `i`.
    constexpr std::size_t unit_end(std::size_t i) const noexcept
    {
        constexpr auto units = std::to_array<std::string_view>(
            {"mo", "ms", "us", "ns", "\xc2\xb5s", "y", "w", "d", "h", "m", "s"}
        );
        for (const auto unit : units)
            if (detail::equals_folded(text_.substr(i, unit.size()), unit)) return i + unit.size();
        return i;
    }

    constexpr token number() noexcept
    {
        if (text_[position_] == '0' && detail::to_lower(at(position_ + 1)) == 'x') {
            auto end = position_ + 2;
            while (detail::is_hex(at(end))) ++end;
            return make(token_kind::blob, end);
        }
        auto end = digits_end(position_ + 1);
        if (const auto duration = duration_end(end); duration != end)
            return make(token_kind::number, duration);
        // `1..3` is a slice: its dots do not belong to the number, but in `1...3` the first does.
        if (at(end) == '.' && (at(end + 1) != '.' || at(end + 2) == '.')) end = digits_end(end + 1);
        if (detail::to_lower(at(end)) == 'e') {
            const bool sign = at(end + 1) == '+' || at(end + 1) == '-';
            const auto digits = end + (sign ? 2 : 1);
            if (detail::is_digit(at(digits))) end = digits_end(digits);
        }
        return make(token_kind::number, end);
    }

    // `i` stands behind the first digits; returns `i` if no unit follows.
    constexpr std::size_t duration_end(std::size_t i) const noexcept
    {
        auto end = unit_end(i);
        while (end != i && detail::is_digit(at(end))) {
            const auto digits = digits_end(end);
            const auto unit = unit_end(digits);
            if (unit == digits) break;
            end = unit;
        }
        return end;
    }

    // P1Y2M3DT4H5M6S, P2W and P0001-02-03T04:05:06; only with these capital letters. 0 if not one.
    constexpr std::size_t iso_duration_end() const noexcept
    {
        constexpr std::string_view alternative = "Pdddd-dd-ddTdd:dd:dd";
        const auto begin = position_ + (text_[position_] == '-' ? 1 : 0);
        const auto candidate = text_.substr(begin, alternative.size());
        bool match = candidate.size() == alternative.size();
        for (std::size_t i = 0; match && i < candidate.size(); ++i)
            match = alternative[i] == 'd' ? detail::is_digit(candidate[i])
                                          : alternative[i] == candidate[i];
        if (match) return begin + alternative.size();

        auto end = begin + 1;
        std::string_view units = "YMDW";
        for (bool parts = false;; parts = true) {
            if (at(end) == 'T' && units.front() == 'Y') {
                units = "HMS";
                ++end;
            }
            const auto digits = digits_end(end);
            if (digits == end || units.find(at(digits)) == std::string_view::npos)
                return parts && !detail::is_word_part(at(end)) ? end : 0;
            end = digits + 1;
        }
    }

    constexpr token quoted(char quote, token_kind kind) noexcept
    {
        for (auto i = position_ + 1;; i += 2) {
            i = text_.find(quote, i);
            if (i == std::string_view::npos) return make(token_kind::invalid, text_.size());
            if (at(i + 1) != quote) return make(kind, i + 1);
        }
    }

    constexpr token dollar_string() noexcept
    {
        if (at(position_ + 1) != '$') return make(token_kind::invalid, position_ + 1);
        const auto end = text_.find("$$", position_ + 2);
        if (end == std::string_view::npos) return make(token_kind::invalid, text_.size());
        return make(token_kind::string, end + 2);
    }

    constexpr token punctuation() noexcept
    {
        constexpr std::string_view single = "()[]{}<>,;.:=+-*/%";
        const char c = text_[position_];
        const char d = at(position_ + 1);
        const bool pair =
            (d == '=' && (c == '+' || c == '-' || c == '<' || c == '>' || c == '!')) ||
            (c == '.' && d == '.');
        if (pair) return make(token_kind::punctuation, position_ + 2);
        const bool known = single.find(c) != std::string_view::npos;
        return make(known ? token_kind::punctuation : token_kind::invalid, position_ + 1);
    }

    std::string_view text_;
    std::size_t position_{0};
};

}  // namespace dualwrite::policy
