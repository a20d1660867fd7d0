#pragma once

#include <dualwrite/protocol/response.hpp>

namespace dualwrite::protocol {

// Bodies of responses: for answers that we change or make, and for the servers of the tests.

inline void append_void_body(byte_buffer& out)
{
    append_int(out, static_cast<std::int32_t>(result_kind::void_));
}

inline void append_set_keyspace_body(byte_buffer& out, std::string_view keyspace)
{
    append_int(out, static_cast<std::int32_t>(result_kind::set_keyspace));
    append_string(out, keyspace);
}

inline void append_schema_change(byte_buffer& out, const schema_change_view& change)
{
    append_string(out, change.change);
    append_string(out, change.target);
    append_string(out, change.keyspace);
    if (change.target != "KEYSPACE") append_string(out, change.name);
    if (change.target == "FUNCTION" || change.target == "AGGREGATE")
        append_string_list(out, change.arguments);
}

inline void append_schema_change_body(byte_buffer& out, const schema_change_view& change)
{
    append_int(out, static_cast<std::int32_t>(result_kind::schema_change));
    append_schema_change(out, change);
}

inline void append_event_body(byte_buffer& out, const event_view& event)
{
    if (event.kind == event_kind::schema) {
        append_string(out, "SCHEMA_CHANGE");
        return append_schema_change(out, event.schema);
    }
    append_string(out, event.kind == event_kind::status ? "STATUS_CHANGE" : "TOPOLOGY_CHANGE");
    append_string(out, event.change);
    append_inet(out, event.node);
}

namespace detail {

// One table for all columns is the rule; a column of another one makes each carry its own.
inline bool same_table(const std::vector<column_spec>& columns) noexcept
{
    for (const auto& column : columns)
        if (column.keyspace != columns[0].keyspace || column.table != columns[0].table)
            return false;
    return !columns.empty();
}

inline void append_columns(byte_buffer& out, const std::vector<column_spec>& columns, bool global)
{
    if (global) {
        append_string(out, columns[0].keyspace);
        append_string(out, columns[0].table);
    }
    for (const auto& column : columns) {
        if (!global) {
            append_string(out, column.keyspace);
            append_string(out, column.table);
        }
        append_string(out, column.name);
        append_type(out, column.type);
    }
}

}  // namespace detail

// Which flags are set follows from the fields, except no_metadata, which is taken from `flags`.
inline void append_rows_metadata(byte_buffer& out, const rows_metadata& metadata)
{
    const auto global = metadata.has_columns() && detail::same_table(metadata.columns);
    auto flags = metadata.flags & rows_flag::no_metadata;
    if (global) flags |= rows_flag::global_table_spec;
    if (metadata.paging_state) flags |= rows_flag::has_more_pages;
    if (metadata.new_metadata_id) flags |= rows_flag::metadata_changed;
    append_int(out, static_cast<std::int32_t>(flags));
    append_int(out, static_cast<std::int32_t>(metadata.column_count));
    if (metadata.paging_state) append_bytes(out, metadata.paging_state);
    if (metadata.new_metadata_id) append_short_bytes(out, *metadata.new_metadata_id);
    if (!metadata.has_columns()) return;
    DW_ASSERT(metadata.columns.size() == metadata.column_count);
    detail::append_columns(out, metadata.columns, global);
}

// Writes RESULT/Rows row by row: begin, cells of one row after the other, finish.
class rows_builder {
public:
    rows_builder(byte_buffer& out, const rows_metadata& metadata)
        : out_(out), columns_(metadata.column_count)
    {
        append_int(out_, static_cast<std::int32_t>(result_kind::rows));
        append_rows_metadata(out_, metadata);
        count_at_ = out_.size();
        append_int(out_, 0);
    }

    rows_builder(byte_buffer& out, const std::vector<column_spec>& columns)
        : rows_builder(out, metadata_of(columns))
    {
    }

    void add_cell(const cell& value)
    {
        append_bytes(out_, value);
        ++cells_;
    }

    void finish() noexcept
    {
        DW_ASSERT(columns_ == 0 ? cells_ == 0 : cells_ % columns_ == 0);
        const auto rows = columns_ == 0 ? 0 : cells_ / columns_;
        store_be(out_.data() + count_at_, static_cast<std::int32_t>(rows));
    }

private:
    static rows_metadata metadata_of(const std::vector<column_spec>& columns)
    {
        rows_metadata out;
        out.columns = columns;
        out.column_count = static_cast<std::uint32_t>(columns.size());
        return out;
    }

    byte_buffer& out_;
    std::size_t columns_;
    std::size_t count_at_{0};
    std::size_t cells_{0};
};

inline void
append_prepared_body(byte_buffer& out, std::uint8_t version, const prepared_result& prepared)
{
    append_int(out, static_cast<std::int32_t>(result_kind::prepared));
    append_short_bytes(out, prepared.id);
    if (version >= 5) append_short_bytes(out, prepared.result_metadata_id);
    const auto global = detail::same_table(prepared.variables);
    append_int(out, global ? static_cast<std::int32_t>(rows_flag::global_table_spec) : 0);
    append_int(out, static_cast<std::int32_t>(prepared.variables.size()));
    if (version >= 4) {
        append_int(out, static_cast<std::int32_t>(prepared.pk_indexes.size()));
        for (const auto index : prepared.pk_indexes) append_short(out, index);
    }
    detail::append_columns(out, prepared.variables, global);
    append_rows_metadata(out, prepared.result);
}

inline void append_supported_body(byte_buffer& out, const string_multimap& options)
{
    append_string_multimap(out, options);
}

inline void append_authenticate_body(byte_buffer& out, std::string_view authenticator)
{
    append_string(out, authenticator);
}

}  // namespace dualwrite::protocol
