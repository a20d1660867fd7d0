#pragma once

#include <dualwrite/protocol/query_parameters.hpp>
#include <dualwrite/protocol/response.hpp>

#include <algorithm>
#include <span>

// Markers of a prepared statement that its client does not know of: they are left out of what the
// client is told, and their values put among those that it binds.

namespace dualwrite::protocol {

namespace detail {

inline void copy_kept_columns(
    byte_buffer& out,
    cursor& in,
    bool global,
    std::uint32_t count,
    std::span<const std::uint16_t> hidden
)
{
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
        const auto begin = in.position();
        for (int names = global ? 1 : 3; names > 0; --names) in.string();
        read_type(in);
        if (std::find(hidden.begin(), hidden.end(), i) == hidden.end()) out.append(in.since(begin));
    }
}

}  // namespace detail

// Appends the RESULT of a PREPARE without the markers at the positions `hidden` (ascending). Where
// one of them is part of the partition key, the client cannot know the token and is told of no key.
// False if `message` is not such a result; `out` may then hold a part of it.
inline bool append_prepared_without(
    byte_buffer& out,
    bytes_view message,
    std::uint8_t version,
    std::span<const std::uint16_t> hidden
)
{
    auto in = detail::open_result(message, result_kind::prepared);
    in.short_bytes();
    if (version >= 5) in.short_bytes();
    out.append(in.since(0));
    const auto flags = in.int_();
    const auto count = detail::read_count(in);
    if (!in.ok() || hidden.size() > count) return false;
    append_int(out, flags);
    append_int(out, static_cast<std::int32_t>(count - hidden.size()));
    if (version >= 4) {
        std::vector<std::uint16_t> key;
        bool whole = true;
        for (auto n = detail::read_count(in); n > 0 && in.ok(); --n) {
            const auto index = in.short_();
            const auto before = std::lower_bound(hidden.begin(), hidden.end(), index);
            whole &= before == hidden.end() || *before != index;
            key.push_back(static_cast<std::uint16_t>(index - (before - hidden.begin())));
        }
        if (!whole) key.clear();
        append_int(out, static_cast<std::int32_t>(key.size()));
        for (const auto index : key) append_short(out, index);
    }
    if ((static_cast<std::uint32_t>(flags) & rows_flag::no_metadata) == 0) {
        const bool global = (static_cast<std::uint32_t>(flags) & rows_flag::global_table_spec) != 0;
        const auto begin = in.position();
        if (global) in.string(), in.string();
        out.append(in.since(begin));
        detail::copy_kept_columns(out, in, global, count, hidden);
    }
    if (!in.ok()) return false;
    out.append(in.remaining());
    return true;
}

// Appends raw `values` with those of the hidden markers among them: value_of(i) gives the bytes of
// hidden[i]. The values are not named.
template <class ValueOf>
void append_values_with(
    byte_buffer& out, bytes_view values, std::span<const std::uint16_t> hidden, ValueOf&& value_of
)
{
    std::size_t next = 0;
    std::uint32_t position = 0;
    const auto put_hidden = [&] {
        for (; next < hidden.size() && hidden[next] == position; ++next, ++position)
            append_bytes(out, as_bytes(value_of(next)));
    };
    (void)for_each_value(values, false, [&](std::string_view, const bound_value& value) {
        put_hidden();
        append_value(out, value);
        ++position;
    });
    put_hidden();
    // Fewer values than markers: the server finds that out.
    for (; next < hidden.size(); ++next) append_bytes(out, as_bytes(value_of(next)));
}

// Appends raw `values` but for those at the positions `left_out` (ascending), and says how many
// these are. The values are not named.
inline std::uint16_t
append_values_without(byte_buffer& out, bytes_view values, std::span<const std::uint16_t> left_out)
{
    std::uint16_t position = 0;
    std::uint16_t kept = 0;
    (void)for_each_value(values, false, [&](std::string_view, const bound_value& value) {
        if (std::binary_search(left_out.begin(), left_out.end(), position++)) return;
        append_value(out, value);
        ++kept;
    });
    return kept;
}

}  // namespace dualwrite::protocol
