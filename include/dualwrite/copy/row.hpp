#pragma once

#include <dualwrite/copy/row_select.hpp>
#include <dualwrite/copy/token.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

// A row as bytes. Values are never decoded: what a RESULT carries is what a bound value carries.

namespace dualwrite::copy {

// The source could not tell: counters, and collections before Cassandra 5.0.
inline constexpr std::int64_t no_writetime = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t no_expiry = 0;

// The smallest thing that has a write time of its own: a cell, or an element of a multi-cell
// column. Nulls are not atoms.
struct atom {
    std::uint32_t column{0};  // place in table_model::columns
    std::uint32_t index{0};   // of the field of a UDT, of the element of a list; else 0
    bytes_view path{};        // key of a map, element of a set; else empty
    bytes_view value{};       // empty for an element of a set
    std::int64_t writetime_us{no_writetime};
    std::int64_t expiry_s{no_expiry};  // when it dies, in seconds since 1970
};

// Views into the page that it was read from, except `composite_key`.
struct row {
    token at;
    bytes_view partition_key{};    // the whole key, see append_partition_key()
    std::vector<bytes_view> keys;  // values of the key's columns; clustering only if has_row
    bool has_row{false};           // false: a partition that has static columns only
    std::vector<atom> statics;     // by column, then in the server's order
    std::vector<atom> regulars;
    byte_buffer composite_key;  // storage of a partition key of several columns
};

// Which columns of the key identify what is compared or written.
inline std::span<const bytes_view> partition_values(const table_model& table, const row& r) noexcept
{
    return std::span(r.keys).first(table.partition_count);
}

namespace detail {

// A [list<bigint>] or [list<int>] of times beside the elements of a multi-cell column.
class time_list {
public:
    explicit time_list(std::optional<bytes_view> in) noexcept
        : in_(in && in->size() >= 4 ? in->subspan(4) : bytes_view{})
    {
    }

    template <class T> std::optional<T> next() noexcept
    {
        if (in_.size() < 4) return std::nullopt;
        const auto size = load_be<std::int32_t>(in_.data());
        in_ = in_.subspan(4);
        if (size != static_cast<std::int32_t>(sizeof(T)) || in_.size() < sizeof(T))
            return std::nullopt;
        const auto value = load_be<T>(in_.data());
        in_ = in_.subspan(sizeof(T));
        return value;
    }

private:
    bytes_view in_;
};

using cells = std::span<const std::optional<bytes_view>>;

inline std::optional<bytes_view> cell_at(cells in, int place) noexcept
{
    return place < 0 ? std::nullopt : in[static_cast<std::size_t>(place)];
}

class row_parser {
public:
    row_parser(const table_model& table, cells in, std::int64_t now_s) noexcept
        : table_(table), in_(in), now_s_(now_s)
    {
    }

    result<void> add(const selected_column& selected, std::vector<atom>& out)
    {
        const auto value = cell_at(in_, selected.value);
        if (!value) return {};
        const auto& column = table_.columns[selected.column];
        if (is_multi_cell(column.type)) return add_elements(selected, column.type, *value, out);
        atom next{.column = selected.column, .value = *value};
        if (selected.writetime >= 0) {
            time_fields(cell_at(in_, selected.writetime), cell_at(in_, selected.ttl), next);
            if (next.writetime_us == no_writetime) return fail(errc::malformed);
        }
        out.push_back(next);
        return {};
    }

private:
    void time_fields(std::optional<bytes_view> writetime, std::optional<bytes_view> ttl, atom& out)
        const noexcept
    {
        if (writetime && writetime->size() == 8)
            out.writetime_us = load_be<std::int64_t>(writetime->data());
        if (ttl && ttl->size() == 4) out.expiry_s = now_s_ + load_be<std::int32_t>(ttl->data());
    }

    // elements = count ([int size][bytes])+, twice as many for a map; a UDT has no count.
    result<void> add_elements(
        const selected_column& selected,
        const cql_type& type,
        bytes_view value,
        std::vector<atom>& out
    ) const
    {
        const bool fields = type.id == type_id::udt;
        if (!fields) {
            if (value.size() < 4) return fail(errc::malformed);
            value = value.subspan(4);
        }
        time_list writetimes(cell_at(in_, selected.writetime));
        time_list ttls(cell_at(in_, selected.ttl));
        for (std::uint32_t i = 0; !value.empty(); ++i) {
            atom next{.column = selected.column};
            if (fields || type.id == type_id::list) next.index = i;
            DW_TRY(first, take_element(value));
            if (type.id == type_id::set || type.id == type_id::map)
                next.path = first.value_or(bytes_view{});
            else
                next.value = first.value_or(bytes_view{});
            if (type.id == type_id::map) {
                DW_TRY(second, take_element(value));
                next.value = second.value_or(bytes_view{});
            }
            const auto writetime = writetimes.next<std::int64_t>();
            const auto ttl = ttls.next<std::int32_t>();
            if (!first) continue;  // a field that is null
            if (writetime) next.writetime_us = *writetime;
            if (ttl) next.expiry_s = now_s_ + *ttl;
            if (selected.writetime >= 0 && !writetime) return fail(errc::malformed);
            out.push_back(next);
        }
        return {};
    }

    static result<std::optional<bytes_view>> take_element(bytes_view& in) noexcept
    {
        using element = std::optional<bytes_view>;
        if (in.size() < 4) return fail(errc::malformed);
        const auto size = load_be<std::int32_t>(in.data());
        in = in.subspan(4);
        if (size < 0) return element{};
        if (static_cast<std::size_t>(size) > in.size()) return fail(errc::malformed);
        const auto value = in.first(static_cast<std::size_t>(size));
        in = in.subspan(static_cast<std::size_t>(size));
        return element{value};
    }

    const table_model& table_;
    cells in_;
    std::int64_t now_s_;
};

}  // namespace detail

// `values` are those of one row of a RESULT, in the order of `layout`. `now_s` is the
// now_in_seconds of the request, or the time when it was sent: what TTL() counts from.
inline result<void> parse_row(
    const table_model& table,
    const row_layout& layout,
    std::span<const std::optional<bytes_view>> values,
    std::int64_t now_s,
    row& out
)
{
    if (values.size() != layout.value_count) return fail(errc::malformed);
    out.keys.clear();
    out.statics.clear();
    out.regulars.clear();
    out.has_row = !layout.statics_only;
    detail::row_parser parser(table, values, now_s);
    for (const auto& selected : layout.columns) {
        const auto kind = table.columns[selected.column].kind;
        if (kind == column_kind::static_)
            DW_CHECK(parser.add(selected, out.statics));
        else if (kind == column_kind::regular)
            DW_CHECK(parser.add(selected, out.regulars));
        else if (const auto value = values[static_cast<std::size_t>(selected.value)])
            out.keys.push_back(*value);
        else if (kind == column_kind::clustering)
            out.has_row = false;  // then Cassandra leaves all of them null
        else
            return fail(errc::malformed);
    }
    if (out.keys.size() < table.partition_count) return fail(errc::malformed);
    if (!out.has_row) out.keys.resize(table.partition_count);

    const auto partition = partition_values(table, out);
    out.partition_key = partition.front();
    if (partition.size() > 1) {
        out.composite_key.clear();
        append_partition_key(out.composite_key, partition);
        out.partition_key = out.composite_key.view();
    }
    out.at = token_of(out.partition_key);
    return {};
}

}  // namespace dualwrite::copy
