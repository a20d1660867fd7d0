#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

// The tables of the simulation, the same on both sides.

namespace sim {

enum class column_type : std::uint8_t { int_, text, set, map, list, counter };

struct column {
    std::string name;
    column_type type{column_type::int_};
    bool is_static{false};
};

struct table {
    std::string name;
    bool clustered{false};        // the key is (p, c) instead of p
    std::vector<column> columns;  // without the key
    bool exact{true};             // never refreshed: its tombstones are compared too

    int find(std::string_view column_name) const
    {
        for (std::size_t i = 0; i < columns.size(); ++i)
            if (columns[i].name == column_name) return static_cast<int>(i);
        return -1;
    }
    const column& at(int index) const { return columns[static_cast<std::size_t>(index)]; }
};

inline const std::vector<table>& all_tables()
{
    using enum column_type;
    static const std::vector<table> tables{
        // Replayed only.
        {"plain",
         true,
         {{"a", int_}, {"b", text}, {"m", map}, {"s", set}, {"st", int_, true}},
         true},
        // Plain writes and lightweight transactions on the same rows.
        {"mixed", true, {{"a", int_}, {"b", int_}}, false},
        {"lists", false, {{"l", list}, {"v", int_}}, false},
        {"counts", false, {{"n", counter}, {"o", counter}}, false},
    };
    return tables;
}

inline const table* find_table(std::string_view name)
{
    for (const auto& its : all_tables())
        if (its.name == name) return &its;
    return nullptr;
}

inline bool is_collection(column_type type) noexcept
{
    return type == column_type::set || type == column_type::map || type == column_type::list;
}

inline std::string_view cql_name(column_type type) noexcept
{
    switch (type) {
    case column_type::int_:
        return "int";
    case column_type::text:
        return "text";
    case column_type::set:
        return "set<int>";
    case column_type::map:
        return "map<int, int>";
    case column_type::list:
        return "list<int>";
    case column_type::counter:
        return "counter";
    }
    return "";
}

}  // namespace sim
