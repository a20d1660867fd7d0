#pragma once

#include <dualwrite/protocol/cql_type.hpp>
#include <dualwrite/protocol/marshal_class.hpp>

#include <charconv>

namespace dualwrite::protocol {

namespace detail {

inline cql_type read_type(cursor& in, int depth = 0)
{
    cql_type type;
    const auto fields = [&](std::size_t count, bool named) {
        for (; count > 0 && in.ok(); --count) {
            if (named) type.field_names.emplace_back(in.string());
            type.parameters.push_back(read_type(in, depth + 1));
        }
    };
    type.id = static_cast<type_id>(in.short_());
    if (depth >= type_depth_max) in.set_failed();
    if (!in.ok()) return type;
    switch (type.id) {
    case type_id::custom:
        return type_of_class(in.string());
    case type_id::list:
    case type_id::set:
        fields(1, false);
        break;
    case type_id::map:
        fields(2, false);
        break;
    case type_id::tuple:
        fields(in.short_(), false);
        break;
    case type_id::udt:
        type.keyspace = in.string();
        type.name = in.string();
        fields(in.short_(), true);
        break;
    default:
        if (native_type_text(type.id).empty()) in.set_failed();
    }
    return type;
}

}  // namespace detail

// [option]: the type at the beginning of `in`. Unknown numbers fail: what follows them is unknown.
inline result<cql_type> parse_type(bytes_view in)
{
    cursor c(in);
    auto type = detail::read_type(c);
    if (!c.ok()) return fail(errc::malformed);
    return type;
}

// Writes the type as a server of version 5 does.
inline void append_type(byte_buffer& out, const cql_type& type)
{
    if (type.id == type_id::custom || type.id == type_id::vector) {
        append_short(out, static_cast<std::uint16_t>(type_id::custom));
        return append_string(out, class_of_type(type));
    }
    append_short(out, static_cast<std::uint16_t>(type.id));
    if (type.id == type_id::udt) {
        append_string(out, type.keyspace);
        append_string(out, type.name);
    }
    if (type.id == type_id::udt || type.id == type_id::tuple)
        append_count(out, type.parameters.size());
    for (std::size_t i = 0; i < type.parameters.size(); ++i) {
        if (type.id == type_id::udt) append_string(out, type.field_names[i]);
        append_type(out, type.parameters[i]);
    }
}

namespace detail {

// type      = "frozen" "<" type ">" | generic "<" type ("," type)* ["," number] ">"
//           | native | name | quoted name | "'" class name "'"
template <class Resolver> class type_text_parser {
public:
    type_text_parser(std::string_view text, Resolver& resolve) : text_(text), resolve_(resolve) {}

    result<cql_type> whole()
    {
        DW_TRY(parsed, type(0));
        skip_blanks();
        if (at_ != text_.size()) return fail(errc::invalid_argument);
        return parsed;
    }

private:
    result<cql_type> type(int depth)
    {
        if (depth >= type_depth_max) return fail(errc::invalid_argument);
        skip_blanks();
        if (take('\'')) return custom();
        if (take('"')) return quoted_name();
        const auto begin = at_;
        while (at_ < text_.size() && is_word(text_[at_])) ++at_;
        const auto word = text_.substr(begin, at_ - begin);
        if (word.empty()) return fail(errc::invalid_argument);
        if (take('<')) return generic(word, depth);
        for (const auto& native : native_types)
            if (native.cql == word) return cql_type{.id = native.id};
        if (word == "empty") return type_of_class("org.apache.cassandra.db.marshal.EmptyType");
        return named(word);
    }

    result<cql_type> generic(std::string_view word, int depth)
    {
        cql_type out;
        if (word == "frozen") {
            DW_TRY(inner, type(depth + 1));
            inner.frozen = true;
            if (!take('>')) return fail(errc::invalid_argument);
            return inner;
        }
        std::size_t wanted = 0;
        if (!kind_of(word, out.id, wanted)) return fail(errc::invalid_argument);
        do {
            if (out.id == type_id::vector && out.parameters.size() == 1) {
                if (!number(out.dimension)) return fail(errc::invalid_argument);
                break;
            }
            DW_TRY(parameter, type(depth + 1));
            out.parameters.push_back(std::move(parameter));
        } while (take(','));
        const auto count = out.parameters.size();
        const auto complete = wanted == 0 || count == wanted;
        const auto sized = out.id != type_id::vector || out.dimension != 0;
        if (!complete || !sized || !take('>')) return fail(errc::invalid_argument);
        return out;
    }

    // `count` 0: any number of parameters.
    static bool kind_of(std::string_view word, type_id& id, std::size_t& count) noexcept
    {
        struct kind {
            std::string_view word;
            type_id id;
            std::size_t count;
        };
        constexpr auto kinds = std::to_array<kind>({
            {"list", type_id::list, 1},
            {"set", type_id::set, 1},
            {"map", type_id::map, 2},
            {"tuple", type_id::tuple, 0},
            {"vector", type_id::vector, 1},
        });
        for (const auto& k : kinds) {
            if (k.word != word) continue;
            id = k.id;
            count = k.count;
            return true;
        }
        return false;
    }

    result<cql_type> custom()
    {
        const auto end = text_.find('\'', at_);
        if (end == text_.npos) return fail(errc::invalid_argument);
        auto out = type_of_class(text_.substr(at_, end - at_));
        at_ = end + 1;
        return out;
    }

    // A doubled quote stands for one.
    result<cql_type> quoted_name()
    {
        std::string name;
        while (at_ < text_.size()) {
            const auto c = text_[at_++];
            if (c == '"' && (at_ == text_.size() || text_[at_] != '"')) return named(name);
            if (c == '"') ++at_;
            name += c;
        }
        return fail(errc::invalid_argument);
    }

    result<cql_type> named(std::string_view name)
    {
        std::optional<cql_type> found = resolve_(name);
        if (!found) return fail(errc::unsupported);
        return *std::move(found);
    }

    bool number(std::uint32_t& out) noexcept
    {
        skip_blanks();
        const auto* begin = text_.data() + at_;
        const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), out);
        at_ += static_cast<std::size_t>(end - begin);
        return error == std::errc{};
    }

    static bool is_word(char c) noexcept
    {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    }

    void skip_blanks() noexcept
    {
        while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    }

    bool take(char c) noexcept
    {
        skip_blanks();
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    std::string_view text_;
    std::size_t at_{0};
    Resolver& resolve_;
};

}  // namespace detail

// A type as system_schema.columns and system_schema.types write it. `resolve` gives the UDT of a
// name, std::optional<cql_type>(std::string_view); without an answer the type is unsupported.
template <class Resolver> result<cql_type> parse_type_text(std::string_view text, Resolver resolve)
{
    return detail::type_text_parser<Resolver>(text, resolve).whole();
}

inline result<cql_type> parse_type_text(std::string_view text)
{
    return parse_type_text(text, [](std::string_view) { return std::optional<cql_type>(); });
}

}  // namespace dualwrite::protocol
