#pragma once

#include <dualwrite/protocol/cql_type.hpp>

#include <charconv>

namespace dualwrite::protocol {

// The server names a type by its class where the protocol's version has no number for it: vector
// always, duration below 5, and everything inside those. Grammar of such a name:
//
//   class = ["org.apache.cassandra.db.marshal."] word ["(" argument ("," argument)* ")"]
//   argument = class | number | hex ":" class | word | hex      (the last three: of UserType)

inline cql_type type_of_class(std::string_view name);
inline std::string class_of_type(const cql_type& type);

namespace detail {

inline constexpr std::string_view marshal_package = "org.apache.cassandra.db.marshal.";

inline void append_hex(std::string& out, bytes_view bytes)
{
    constexpr std::string_view digits = "0123456789abcdef";
    for (const auto byte : bytes) {
        out += digits[std::to_integer<std::size_t>(byte) >> 4];
        out += digits[std::to_integer<std::size_t>(byte) & 15];
    }
}

inline std::optional<std::string> text_of_hex(std::string_view hex)
{
    if (hex.size() % 2 != 0) return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        unsigned value = 0;
        const auto* end = hex.data() + i + 2;
        const auto parsed = std::from_chars(hex.data() + i, end, value, 16);
        if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
        out += static_cast<char>(value);
    }
    return out;
}

class class_name_parser {
public:
    explicit class_name_parser(std::string_view text) noexcept : text_(text) {}

    // Empty: not a class that has a type of CQL.
    std::optional<cql_type> whole()
    {
        auto type = one(0);
        skip_blanks();
        if (at_ != text_.size()) return std::nullopt;
        return type;
    }

private:
    using maybe = std::optional<cql_type>;

    maybe one(int depth)
    {
        if (depth >= type_depth_max) return std::nullopt;
        auto name = word();
        if (name.starts_with(marshal_package)) name.remove_prefix(marshal_package.size());
        for (const auto& native : native_types)
            if (native.marshal == name) return cql_type{.id = native.id};
        if (!take('(')) return std::nullopt;
        if (name == "FrozenType" || name == "ReversedType") {
            auto inner = one(depth + 1);
            if (!inner || !take(')')) return std::nullopt;
            if (name == "FrozenType") inner->frozen = true;
            return inner;
        }
        if (name == "UserType") return user_type(depth);
        if (name == "ListType") return parameters({.id = type_id::list}, 1, depth);
        if (name == "SetType") return parameters({.id = type_id::set}, 1, depth);
        if (name == "MapType") return parameters({.id = type_id::map}, 2, depth);
        if (name == "TupleType") return parameters({.id = type_id::tuple}, 0, depth);
        if (name == "VectorType") return vector(depth);
        return std::nullopt;
    }

    maybe parameters(cql_type type, std::size_t count, int depth)
    {
        do {
            auto parameter = one(depth + 1);
            if (!parameter) return std::nullopt;
            type.parameters.push_back(*std::move(parameter));
        } while (take(','));
        if (!take(')') || (count != 0 && type.parameters.size() != count)) return std::nullopt;
        return type;
    }

    maybe vector(int depth)
    {
        auto element = one(depth + 1);
        if (!element || !take(',')) return std::nullopt;
        cql_type type{.id = type_id::vector};
        const auto digits = word();
        const auto* end = digits.data() + digits.size();
        const auto parsed = std::from_chars(digits.data(), end, type.dimension);
        if (parsed.ec != std::errc{} || parsed.ptr != end || !take(')')) return std::nullopt;
        if (type.dimension == 0) return std::nullopt;
        type.parameters.push_back(*std::move(element));
        return type;
    }

    // keyspace , hex of the name , hex of a field's name : its class , ...
    maybe user_type(int depth)
    {
        cql_type type{.id = type_id::udt, .keyspace = std::string(word())};
        if (!take(',')) return std::nullopt;
        auto name = text_of_hex(word());
        if (!name) return std::nullopt;
        type.name = *std::move(name);
        while (take(',')) {
            auto field = text_of_hex(word());
            if (!field || !take(':')) return std::nullopt;
            auto parameter = one(depth + 1);
            if (!parameter) return std::nullopt;
            type.field_names.push_back(*std::move(field));
            type.parameters.push_back(*std::move(parameter));
        }
        if (!take(')')) return std::nullopt;
        return type;
    }

    std::string_view word() noexcept
    {
        skip_blanks();
        const auto begin = at_;
        at_ = std::min(text_.find_first_of("(),: ", at_), text_.size());
        return text_.substr(begin, at_ - begin);
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
};

inline void append_user_type_class(std::string& out, const cql_type& type)
{
    out += "UserType(" + type.keyspace + ',';
    append_hex(out, as_bytes(type.name));
    for (std::size_t i = 0; i < type.parameters.size(); ++i) {
        out += ',';
        append_hex(out, as_bytes(type.field_names[i]));
        out += ':' + class_of_type(type.parameters[i]);
    }
    out += ')';
}

}  // namespace detail

// A class that has no type of CQL becomes a custom type.
inline cql_type type_of_class(std::string_view name)
{
    if (auto type = detail::class_name_parser(name).whole()) return *std::move(type);
    return {.id = type_id::custom, .custom_class = std::string(name)};
}

namespace detail {

inline std::string class_of_unfrozen(const cql_type& type)
{
    auto out = std::string(marshal_package);
    if (type.id == type_id::udt) {
        append_user_type_class(out, type);
        return out;
    }
    for (const auto& native : native_types)
        if (native.id == type.id) return out.append(native.marshal);
    out += type.id == type_id::list    ? "ListType("
           : type.id == type_id::set   ? "SetType("
           : type.id == type_id::map   ? "MapType("
           : type.id == type_id::tuple ? "TupleType("
                                       : "VectorType(";
    for (std::size_t i = 0; i < type.parameters.size(); ++i)
        out += (i != 0 ? "," : "") + class_of_type(type.parameters[i]);
    if (type.id == type_id::vector) out += " , " + std::to_string(type.dimension);
    out += ')';
    return out;
}

}  // namespace detail

inline std::string class_of_type(const cql_type& type)
{
    if (type.id == type_id::custom) return type.custom_class;
    auto out = detail::class_of_unfrozen(type);
    if (!type.frozen) return out;
    return std::string(detail::marshal_package) + "FrozenType(" + out + ')';
}

}  // namespace dualwrite::protocol
