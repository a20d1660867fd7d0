#pragma once

#include <dualwrite/copy/cell_groups.hpp>
#include <dualwrite/protocol/request_build.hpp>

#include <string>
#include <vector>

// The statements that write at the target, and how the atoms of a row become their bound values.
//
// One statement can write any of a row's columns: what a group of atoms does not have is bound as
// unset, which writes nothing. So few statements are prepared, however many shapes the rows have.

namespace dualwrite::copy {

enum class marker_kind : std::uint8_t {
    ttl,
    writetime,
    key,       // value of a column of the primary key
    value,     // of a column that is one cell
    elements,  // of a set, map or list: those of the group, to be added
    field,     // of a multi-cell UDT
    path,      // which element of a set or map, for deletions
};

struct marker {
    marker_kind kind{marker_kind::value};
    std::uint32_t column{0};
    std::uint32_t field{0};
};

struct write_statement {
    std::string text;
    std::vector<marker> markers;
};

// Where the write time stands: in the request (flag 0x20), which guardrails of the server accept
// for any age, or in the text, which a batch of several write times needs.
enum class writetime_in : std::uint8_t { request, text };

namespace detail {

class write_statement_builder {
public:
    explicit write_statement_builder(const table_model& table) noexcept : table_(table) {}

    void text(std::string_view more) { out_.text += more; }
    void name(std::uint32_t column) { text(cql_identifier(table_.columns[column].name)); }
    void bind(marker_kind kind, std::uint32_t column = 0, std::uint32_t field = 0)
    {
        out_.markers.push_back({kind, column, field});
    }

    void using_clause(bool ttl, bool writetime)
    {
        if (!ttl && !writetime) return;
        text(" USING ");
        if (ttl) text("TTL ?");
        if (ttl && writetime) text(" AND ");
        if (writetime) text("TIMESTAMP ?");
        if (ttl) bind(marker_kind::ttl);
        if (writetime) bind(marker_kind::writetime);
    }

    void where_key(bool with_clustering)
    {
        const auto count = with_clustering ? table_.key_count() : table_.partition_count;
        for (std::uint32_t i = 0; i < count; ++i) {
            text(i == 0 ? " WHERE " : " AND ");
            name(i);
            text(" = ?");
            bind(marker_kind::key, i);
        }
    }

    // "a = ?, s = s + ?, u.f = ?"
    void assignments(std::uint32_t column)
    {
        const auto& type = table_.columns[column].type;
        if (!is_multi_cell(type)) {
            name(column);
            text(" = ?");
            return bind(marker_kind::value, column);
        }
        if (type.id != type_id::udt) {
            name(column);
            text(" = ");
            name(column);
            text(" + ?");
            return bind(marker_kind::elements, column);
        }
        for (std::uint32_t field = 0; field < type.field_names.size(); ++field) {
            if (field != 0) text(", ");
            name(column);
            text("." + cql_identifier(type.field_names[field]) + " = ?");
            bind(marker_kind::field, column, field);
        }
    }

    write_statement take() { return std::move(out_); }

private:
    const table_model& table_;
    write_statement out_;
};

}  // namespace detail

// Writes the row's marker, and cells; multi-cell columns are not in it, because an INSERT of those
// would delete what they hold.
inline write_statement make_insert(const table_model& table, writetime_in place)
{
    detail::write_statement_builder out(table);
    std::string markers;
    out.text("INSERT INTO " + table.cql_name() + " (");
    for (std::uint32_t i = 0; i < table.columns.size(); ++i) {
        const auto& column = table.columns[i];
        if (column.kind == column_kind::static_ || is_multi_cell(column.type)) continue;
        if (!markers.empty()) out.text(", ");
        markers += markers.empty() ? "?" : ", ?";
        out.name(i);
        out.bind(column.is_key() ? marker_kind::key : marker_kind::value, i);
    }
    out.text(") VALUES (" + markers + ")");
    out.using_clause(true, place == writetime_in::text);
    return out.take();
}

// Writes cells and elements of the regular columns, or of the static ones. Without such columns
// the text is empty.
inline write_statement make_update(const table_model& table, bool statics, writetime_in place)
{
    detail::write_statement_builder out(table);
    out.text("UPDATE " + table.cql_name());
    out.using_clause(true, place == writetime_in::text);
    const auto first = statics ? table.key_count() : table.first_regular();
    const auto last = statics ? table.first_regular() : table.columns.size();
    if (first == last) return {};
    for (auto i = first; i < last; ++i) {
        out.text(i == first ? " SET " : ", ");
        out.assignments(static_cast<std::uint32_t>(i));
    }
    out.where_key(!statics);
    return out.take();
}

// Deletes one column; one element of a set or map; one field of a multi-cell UDT.
enum class delete_scope : std::uint8_t { column, element, field };

inline write_statement make_delete_cell(
    const table_model& table,
    std::uint32_t column,
    delete_scope scope,
    writetime_in place,
    std::uint32_t field = 0
)
{
    detail::write_statement_builder out(table);
    out.text("DELETE ");
    out.name(column);
    const auto& target = table.columns[column];
    if (scope == delete_scope::element) {
        out.text("[?]");
        out.bind(marker_kind::path, column);
    }
    if (scope == delete_scope::field)
        out.text("." + cql_identifier(target.type.field_names[field]));
    out.text(" FROM " + table.cql_name());
    out.using_clause(false, place == writetime_in::text);
    out.where_key(target.kind == column_kind::regular);
    return out.take();
}

inline write_statement make_delete_row(const table_model& table, writetime_in place)
{
    detail::write_statement_builder out(table);
    out.text("DELETE FROM " + table.cql_name());
    out.using_clause(false, place == writetime_in::text);
    out.where_key(true);
    return out.take();
}

// "UPDATE ... SET a = a + ?, b = b + ?" for all counters among the statics or the regulars.
inline write_statement make_counter_update(const table_model& table, bool statics)
{
    detail::write_statement_builder out(table);
    const auto first = statics ? table.key_count() : table.first_regular();
    const auto last = statics ? table.first_regular() : table.columns.size();
    if (first == last) return {};
    out.text("UPDATE " + table.cql_name());
    for (auto i = first; i < last; ++i) {
        const auto column = static_cast<std::uint32_t>(i);
        out.text(i == first ? " SET " : ", ");
        out.name(column);
        out.text(" = ");
        out.name(column);
        out.text(" + ?");
        out.bind(marker_kind::value, column);
    }
    out.where_key(!statics);
    return out.take();
}

// What a statement is bound with.
struct write_values {
    std::span<const bytes_view> keys;
    std::span<const atom* const> atoms;  // by column, in the order of the row
    std::int64_t writetime_us{0};
    std::int32_t ttl_s{0};  // 0: lives for ever, whatever the table's default
};

// Where in the bytes the values of two markers begin; 0: the statement has no such marker.
struct bound_offsets {
    std::size_t ttl{0};        // 4 bytes: a request that is sent again later needs another TTL
    std::size_t writetime{0};  // 8 bytes
};

// Turns the markers of a statement into bytes.
class value_binder {
public:
    // Appends the values of all markers to `out`.
    static bound_offsets bind(
        const table_model& table,
        const write_statement& statement,
        const write_values& values,
        byte_buffer& out
    )
    {
        bound_offsets at;
        std::size_t next = 0;
        for (const auto& m : statement.markers) {
            switch (m.kind) {
            case marker_kind::ttl:
                protocol::append_int(out, 4);
                at.ttl = out.size();
                protocol::append_int(out, values.ttl_s);
                break;
            case marker_kind::writetime:
                protocol::append_int(out, 8);
                at.writetime = out.size();
                protocol::append_long(out, values.writetime_us);
                break;
            case marker_kind::key:
                protocol::append_bytes(out, values.keys[m.column]);
                break;
            case marker_kind::path:
                protocol::append_bytes(out, values.atoms.front()->path);
                break;
            case marker_kind::elements:
                append_elements(table.columns[m.column].type, m.column, values, next, out);
                break;
            case marker_kind::value:
            case marker_kind::field:
                append_one(m, values, next, out);
                break;
            }
        }
        return at;
    }

private:
    // Markers and atoms are both in the order of the columns, so one walk finds each atom. Atoms
    // of columns that the statement does not write are passed over.
    static bool skip_to(std::uint32_t column, const write_values& values, std::size_t& next)
    {
        while (next < values.atoms.size() && values.atoms[next]->column < column) ++next;
        return next < values.atoms.size() && values.atoms[next]->column == column;
    }

    static void
    append_one(const marker& m, const write_values& values, std::size_t& next, byte_buffer& out)
    {
        if (!skip_to(m.column, values, next) || values.atoms[next]->index != m.field)
            return protocol::append_value(out, protocol::bound_value::unset());
        protocol::append_bytes(out, values.atoms[next++]->value);
    }

    static void append_elements(
        const cql_type& type,
        std::uint32_t column,
        const write_values& values,
        std::size_t& next,
        byte_buffer& out
    )
    {
        if (!skip_to(column, values, next)) {
            // Cassandra's `l = l + ?` takes an unset value for a list and fails with a
            // ClassCastException (5.0.8, Lists.Appender); null appends nothing.
            const bool list = type.id == type_id::list;
            using protocol::bound_value;
            return protocol::append_value(out, list ? bound_value::null() : bound_value::unset());
        }
        const auto begin = out.size();
        protocol::append_int(out, 0);
        protocol::append_int(out, 0);
        std::int32_t count = 0;
        for (; next < values.atoms.size() && values.atoms[next]->column == column; ++next) {
            const auto& element = *values.atoms[next];
            if (type.id != type_id::list) protocol::append_bytes(out, element.path);
            if (type.id != type_id::set) protocol::append_bytes(out, element.value);
            ++count;
        }
        store_be(out.data() + begin, static_cast<std::int32_t>(out.size() - begin - 4));
        store_be(out.data() + begin + 4, count);
    }
};

}  // namespace dualwrite::copy
