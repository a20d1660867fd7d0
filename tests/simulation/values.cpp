#include "values.hpp"

namespace sim {

namespace {

std::string big_endian(std::int64_t value, int size)
{
    std::string out;
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8)
        out += static_cast<char>(value >> shift & 0xff);
    return out;
}

}  // namespace

std::string int_bytes(std::int64_t value)
{
    return big_endian(value, 4);
}

std::string long_bytes(std::int64_t value)
{
    return big_endian(value, 8);
}

std::int64_t number_of(const std::string& bytes)
{
    if (bytes.size() != 4 && bytes.size() != 8) throw cql_error{"not a number"};
    std::uint64_t out = 0;
    for (const char c : bytes) out = out << 8 | static_cast<unsigned char>(c);
    return bytes.size() == 4 ? static_cast<std::int32_t>(out) : static_cast<std::int64_t>(out);
}

std::int64_t key_number(const bound& value)
{
    if (!value.present) throw cql_error{"a key must not be null"};
    return number_of(value.bytes);
}

std::string collection_bytes(const std::vector<std::string>& parts, std::size_t count)
{
    auto out = int_bytes(static_cast<std::int64_t>(count));
    for (const auto& part : parts) out += int_bytes(static_cast<std::int64_t>(part.size())) + part;
    return out;
}

bound evaluate(const term& t, const std::vector<bound>& values, column_type type)
{
    switch (t.what) {
    case term::kind::none:
    case term::kind::null:
        return {};
    case term::kind::marker:
        if (static_cast<std::size_t>(t.marker) >= values.size())
            throw cql_error{"there are fewer values than markers"};
        return values[static_cast<std::size_t>(t.marker)];
    case term::kind::number: {
        const bool wide = type == column_type::counter || t.number > 0x7fffffff;
        return {true, false, wide ? long_bytes(t.number) : int_bytes(t.number)};
    }
    case term::kind::text:
        return {true, false, t.text};
    case term::kind::call:
        throw cql_error{"a function reached the server: " + t.text};
    default:
        break;
    }
    std::vector<std::string> parts;
    for (const auto& item : t.items) parts.push_back(evaluate(item, values, {}).bytes);
    const auto count = t.what == term::kind::map ? parts.size() / 2 : parts.size();
    return {true, false, collection_bytes(parts, count)};
}

std::vector<std::pair<std::string, std::string>> elements_of(const std::string& bytes, bool pairs)
{
    std::vector<std::pair<std::string, std::string>> out;
    std::size_t at = 4;
    const auto take = [&] {
        if (at + 4 > bytes.size()) throw cql_error{"a collection is cut short"};
        const auto size = static_cast<std::size_t>(number_of(bytes.substr(at, 4)));
        at += 4 + size;
        if (at > bytes.size()) throw cql_error{"a collection is cut short"};
        return bytes.substr(at - size, size);
    };
    while (at < bytes.size()) {
        auto first = take();
        out.emplace_back(std::move(first), pairs ? take() : std::string());
    }
    return out;
}

std::vector<std::string>
list_paths(const stored_row& row, int column, const stored_partition& partition, std::int64_t now_s)
{
    std::vector<std::string> out;
    const auto live = live_part(row, std::max(partition.deleted_at(0), row.deleted_us), now_s);
    for (const auto& [name, cell] : live.cells)
        if (name.first == column) out.push_back(name.second);
    return out;
}

}  // namespace sim
