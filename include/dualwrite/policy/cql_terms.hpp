#pragma once

#include <dualwrite/policy/cql_words.hpp>
#include <dualwrite/policy/statement_facts.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The parts that all statements share: tokens with look-ahead, names, bind markers, terms, types.
// Every parse function returns false if the text is not what it expects, and stops somewhere inside
// it; the caller then reports the statement as unparsed. Grammar: Cassandra's Parser.g.

namespace dualwrite::policy::detail {

struct qualified_name {
    std::string keyspace;
    std::string name;
    text_span span;
    bool qualified{false};
};

class cql_terms {
public:
    explicit cql_terms(std::string_view text) : text_(text), lexer_(text)
    {
        for (auto& t : ahead_) t = lexer_.next();
    }

protected:
    // What the functions and markers of terms say about the statement.
    struct term_notes {
        bool nondeterministic{false};
        bool call_missed{false};
        std::vector<function_call> calls{};
        bool other_function{false};
        bool named_markers{false};
    };
    term_notes notes_;
    std::uint32_t markers_{0};

    // Moves the notes, and the markers from `first` on, to `facts`.
    void note_terms(statement_facts& facts, std::uint32_t first)
    {
        auto notes = std::exchange(notes_, {});
        facts.nondeterministic = notes.nondeterministic;
        facts.other_function = notes.other_function;
        facts.named_markers = notes.named_markers;
        if (!notes.call_missed) facts.calls = std::move(notes.calls);
        facts.marker_first = static_cast<std::uint16_t>(first);
        facts.marker_count = static_cast<std::uint16_t>(markers_ - first);
    }

    const token& peek(std::size_t n = 0) const { return ahead_[n]; }

    token take()
    {
        const token taken = ahead_[0];
        ahead_[0] = ahead_[1];
        ahead_[1] = ahead_[2];
        ahead_[2] = lexer_.next();
        if (taken.kind != token_kind::end) taken_end_ = taken.offset + taken.text.size();
        return taken;
    }

    bool is_word(std::string_view lower, std::size_t n = 0) const
    {
        return peek(n).kind == token_kind::word && equals_folded(peek(n).text, lower);
    }
    bool is_sign(std::string_view sign, std::size_t n = 0) const
    {
        return peek(n).kind == token_kind::punctuation && peek(n).text == sign;
    }
    bool accept_word(std::string_view lower)
    {
        if (!is_word(lower)) return false;
        take();
        return true;
    }
    bool accept_sign(std::string_view sign)
    {
        if (!is_sign(sign)) return false;
        take();
        return true;
    }
    bool at_end() const { return peek().kind == token_kind::end; }

    static bool is_name(const token& t)
    {
        if (t.kind == token_kind::quoted_name) return true;
        return t.kind == token_kind::word && !is_reserved(t.text);
    }
    bool is_name(std::size_t n = 0) const { return is_name(peek(n)); }

    bool name(std::string& out)
    {
        if (!is_name()) return false;
        out = unquote(take());
        return true;
    }

    // [keyspace '.'] name
    bool name_with_keyspace(qualified_name& out)
    {
        const auto begin = peek().offset;
        if (!name(out.name)) return false;
        if (accept_sign(".")) {
            out.keyspace = std::move(out.name);
            out.qualified = true;
            if (!name(out.name)) return false;
        }
        out.span = span_from(begin);
        return true;
    }

    // From `begin` to the end of the last token taken.
    text_span span_from(std::size_t begin) const
    {
        return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(taken_end_ - begin)};
    }

    std::string_view text_at(text_span span) const { return text_.substr(span.offset, span.size); }

    // '?' | ':' name
    bool is_marker() const
    {
        return peek().kind == token_kind::marker || (is_sign(":") && is_name(1));
    }
    bool marker(term_source& out)
    {
        if (!is_marker()) return false;
        const auto begin = peek().offset;
        if (take().kind != token_kind::marker) {
            take();
            notes_.named_markers = true;
        }
        out = {term_kind::marker, static_cast<std::uint16_t>(markers_), span_from(begin)};
        ++markers_;
        return true;
    }

    // Terms joined by + - * / %. Stops before `+ name`: `c = [1] + c` is an assignment, not a term.
    bool term(term_source& out)
    {
        const auto begin = peek().offset;
        if (!signed_term(out)) return false;
        while (is_operator() && !(is_sign("+") && is_column(1))) {
            take();
            term_source right;
            if (!signed_term(right)) return false;
            out.kind = term_kind::expression;
        }
        out.text = span_from(begin);
        return true;
    }

    // A name that is a column: no function's name.
    bool is_column(std::size_t n = 0) const
    {
        return is_name(n) && !is_sign("(", n + 1) && !is_sign(".", n + 1);
    }

    // '(' term {',' term} ')'; may be empty. Reports composite or expression in `kind`, and the
    // terms in `list` if it is not null.
    bool
    term_list(std::string_view close, term_kind& kind, std::vector<term_source>* list = nullptr)
    {
        take();
        kind = term_kind::composite;
        if (accept_sign(close)) return true;
        do {
            term_source element;
            if (!term(element)) return false;
            note_element(element, kind);
            if (list != nullptr) list->push_back(element);
        } while (accept_sign(","));
        return accept_sign(close);
    }

    // Tokens that nobody understood: counts their markers and keeps the facts on the safe side.
    // In braces a colon behind a term separates a key from its value.
    void skip_token(int& braces, bool& behind_term, bool& conditional)
    {
        if (is_sign("{")) ++braces;
        if (is_sign("}") && braces > 0) --braces;
        if (is_word("if")) conditional = true;
        if (peek().kind == token_kind::word && is_sign("(", 1) &&
            contains(nondeterministic_functions, fold(peek().text)))
            notes_.nondeterministic = notes_.call_missed = true;
        const bool separator = braces > 0 && behind_term && is_sign(":");
        behind_term = true;
        term_source ignored;
        if (is_marker() && !separator) {
            marker(ignored);
            return;
        }
        const auto t = take();
        behind_term =
            t.kind != token_kind::punctuation || t.text == ")" || t.text == "]" || t.text == "}";
    }

private:
    // Deep enough for every real statement; keeps hostile ones from using up the stack.
    static constexpr int depth_max = 100;

    struct depth_guard {
        explicit depth_guard(int& d) : depth(++d) {}
        depth_guard(const depth_guard&) = delete;
        depth_guard& operator=(const depth_guard&) = delete;
        ~depth_guard() { --depth; }
        int& depth;
    };

    static void note_element(const term_source& element, term_kind& kind)
    {
        if (element.kind == term_kind::marker || element.kind == term_kind::expression)
            kind = term_kind::expression;
    }

    bool is_operator() const
    {
        return is_sign("+") || is_sign("-") || is_sign("*") || is_sign("/") || is_sign("%");
    }

    static bool is_constant_word(const token& t)
    {
        return equals_folded(t.text, "null") || equals_folded(t.text, "true") ||
               equals_folded(t.text, "false") || equals_folded(t.text, "nan") ||
               equals_folded(t.text, "infinity");
    }

    // Does a term begin at `t`, which `behind` follows?
    static bool starts_term(const token& t, const token& behind)
    {
        switch (t.kind) {
        case token_kind::end:
        case token_kind::invalid:
            return false;
        case token_kind::punctuation:
            return t.text == "(" || t.text == "[" || t.text == "{" ||
                   (t.text == ":" && is_name(behind));
        case token_kind::word:
            if (is_reserved(t.text)) return is_constant_word(t) || equals_folded(t.text, "token");
            return behind.text == "(" || behind.text == ".";
        default:
            return true;
        }
    }

    bool signed_term(term_source& out)
    {
        const bool negative = accept_sign("-");
        if (!simple_term(out)) return false;
        if (negative && out.kind != term_kind::literal) out.kind = term_kind::expression;
        return true;
    }

    bool simple_term(term_source& out)
    {
        const depth_guard guard(depth_);
        if (depth_ > depth_max) return false;
        const auto& t = peek();
        out.kind = term_kind::literal;
        switch (t.kind) {
        case token_kind::string:
        case token_kind::number:
        case token_kind::uuid:
        case token_kind::blob:
            take();
            return true;
        case token_kind::marker:
            return marker(out);
        case token_kind::quoted_name:
            return function(out);
        case token_kind::word:
            if (is_word("cast") && is_sign("(", 1)) return cast(out);
            if (!is_constant_word(t)) return function(out);
            take();
            return true;
        default:
            if (is_sign("(")) return is_type_hint() ? type_hint(out) : term_list(")", out.kind);
            if (is_sign("[")) return term_list("]", out.kind);
            if (is_sign("{")) return braces(out);
            return marker(out);
        }
    }

    // A set, a map or a UDT: '{' [key [':' value]] {',' ...} '}'
    bool braces(term_source& out)
    {
        take();
        out.kind = term_kind::composite;
        if (accept_sign("}")) return true;
        do {
            term_source part;
            if (is_name() && is_sign(":", 1))
                take();
            else if (!term(part))
                return false;
            note_element(part, out.kind);
            if (!accept_sign(":")) continue;
            if (!term(part)) return false;
            note_element(part, out.kind);
        } while (accept_sign(","));
        return accept_sign("}");
    }

    // CAST '(' term AS type ')'
    bool cast(term_source& out)
    {
        take();
        take();
        term_source inner;
        if (!term(inner) || !accept_word("as")) return false;
        out.kind = term_kind::expression;
        return peek().kind == token_kind::word && (take(), accept_sign(")"));
    }

    // [keyspace '.'] name '(' [terms] ')'
    bool function(term_source& out)
    {
        const auto begin = peek().offset;
        const auto markers_before = markers_;
        std::string keyspace;
        if (!is_name() && !is_word("token")) return false;
        std::string called = unquote(take());
        if (accept_sign(".")) {
            keyspace = std::move(called);
            if (!is_name() && !is_word("token")) return false;
            called = unquote(take());
        }
        if (!is_sign("(")) return false;
        const bool evaluated = note_function(keyspace, called);
        const bool plain = is_sign(")", 1);
        term_kind ignored{};
        if (!term_list(")", ignored)) return false;
        if (evaluated && plain)
            notes_.calls.push_back(
                {value_of(called),
                 depth_ > 1,
                 static_cast<std::uint16_t>(markers_before),
                 span_from(begin)}
            );
        else
            notes_.call_missed |= evaluated;
        out.kind = term_kind::expression;
        return true;
    }

    static function_value value_of(std::string_view called)
    {
        if (called == "uuid") return function_value::uuid;
        if (called.ends_with("timestamp")) return function_value::timestamp;
        if (called.ends_with("date")) return function_value::date;
        if (called.ends_with("time")) return function_value::time;
        return function_value::timeuuid;  // now, currentTimeUUID
    }

    // True if the function gives another value each time.
    bool note_function(std::string_view keyspace, std::string_view called)
    {
        const bool own = keyspace.empty() || keyspace == "system";
        const bool varies = own && contains(nondeterministic_functions, called);
        if (varies)
            notes_.nondeterministic = true;
        else if (!own || !(contains(pure_functions, called) || is_type_function(called)))
            notes_.other_function = true;
        return varies;
    }

    // `(type) term` or a tuple? A type in parentheses is followed by a term, a tuple never is. The
    // scan ends at the next '(', so that it costs no more than the text between two of them.
    bool is_type_hint() const
    {
        cql_lexer scan(text_.substr(peek().offset + 1));
        int angles = 0;
        for (auto t = scan.next();; t = scan.next()) {
            if (t.text == ")" && angles == 0) {
                const auto next = scan.next();
                return starts_term(next, scan.next());
            }
            if (t.text == "<")
                ++angles;
            else if (t.text == ">")
                --angles;
            else if (!is_type_part(t, angles > 0))
                return false;
        }
    }

    // A vector's dimension and commas stand in angle brackets only.
    static bool is_type_part(const token& t, bool in_angles)
    {
        return t.kind == token_kind::word || t.kind == token_kind::quoted_name ||
               t.kind == token_kind::string || t.text == "." ||
               (in_angles && (t.kind == token_kind::number || t.text == ","));
    }

    bool type_hint(term_source& out)
    {
        for (int parentheses = 0;;) {
            const auto t = take();
            if (t.text == "(") ++parentheses;
            if (t.text == ")" && --parentheses == 0) break;
        }
        if (!simple_term(out)) return false;
        out.kind = term_kind::expression;
        return true;
    }

    std::string_view text_;
    cql_lexer lexer_;
    std::array<token, 3> ahead_{};
    std::size_t taken_end_{0};
    int depth_{0};
};

}  // namespace dualwrite::policy::detail
