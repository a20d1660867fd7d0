#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/error.hpp>
#include <dualwrite/base/result.hpp>
#include <dualwrite/policy/statement_facts.hpp>
#include <dualwrite/replication/literal.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dualwrite::replication {

// A partition whose state at the target is to be made that of the source.
struct partition_ref {
    std::string keyspace;
    std::string table;
    std::vector<std::string> key;  // as bound values, in the order of the partition key
    friend bool operator==(const partition_ref&, const partition_ref&) = default;
};

// Where a write that cannot be replayed wrote. `value_of(marker)` gives the bytes of a bound value
// as std::optional<std::string_view>, empty for null and unset. Empty if the statement does not say
// it completely: a function in the key, IN, an unknown table, a literal of a rare type.
template <class ValueOf>
std::optional<partition_ref> find_partition(
    const policy::statement_facts& f,
    std::string_view cql,
    const std::string& connection_keyspace,
    const table_shapes& shapes,
    ValueOf&& value_of
)
{
    partition_ref out{f.qualified ? f.keyspace : connection_keyspace, f.table, {}};
    const auto* shape = find_shape(shapes, out.keyspace, out.table);
    if (shape == nullptr) return {};
    for (const auto& column : shape->partition_key) {
        const policy::key_relation* found = nullptr;
        for (const auto& relation : f.key_relations)
            if (relation.column == column.name && !relation.multiple) found = &relation;
        if (found == nullptr) return {};
        const auto& source = found->source;
        std::optional<std::string> bytes;
        if (source.kind == policy::term_kind::marker) {
            const std::optional<std::string_view> bound = value_of(source.marker);
            if (bound) bytes = std::string(*bound);
        } else if (source.kind == policy::term_kind::literal) {
            bytes = literal_bytes(column.type, cql.substr(source.text.offset, source.text.size));
        }
        if (!bytes) return {};
        out.key.push_back(std::move(*bytes));
    }
    return out;
}

namespace detail {

inline void append_sized(byte_buffer& out, std::string_view text)
{
    store_le(out.extend(4), static_cast<std::uint32_t>(text.size()));
    out.append(as_bytes(text));
}

inline bool take_sized(bytes_view& in, std::string& out)
{
    if (in.size() < 4) return false;
    const auto size = load_le<std::uint32_t>(in.data());
    in = in.subspan(4);
    if (in.size() < size) return false;
    out = as_text(in.first(size));
    in = in.subspan(size);
    return true;
}

}  // namespace detail

// The payload of a refresh mutation is a row of these:
//   keyspace table components(1) component...     each text: size(4) bytes
inline void append_partition(byte_buffer& out, const partition_ref& partition)
{
    detail::append_sized(out, partition.keyspace);
    detail::append_sized(out, partition.table);
    *out.extend(1) = static_cast<std::byte>(partition.key.size());
    for (const auto& component : partition.key) detail::append_sized(out, component);
}

// Takes one from the front of `in`.
inline result<partition_ref> take_partition(bytes_view& in)
{
    partition_ref out;
    const bool names = detail::take_sized(in, out.keyspace) && detail::take_sized(in, out.table);
    if (!names || in.empty()) return fail(errc::malformed);
    const auto count = std::to_integer<std::size_t>(in[0]);
    in = in.subspan(1);
    for (std::size_t i = 0; i < count; ++i)
        if (!detail::take_sized(in, out.key.emplace_back())) return fail(errc::malformed);
    return out;
}

}  // namespace dualwrite::replication
