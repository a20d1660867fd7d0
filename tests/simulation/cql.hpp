#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The part of CQL that the model clusters understand, read by a parser of its own.

namespace sim {

struct cql_error {
    std::string text;
};

struct term {
    enum class kind : std::uint8_t { none, marker, number, text, null, list, set, map, call };
    term::kind what{kind::none};
    int marker{0};
    std::int64_t number{0};
    std::string text;         // a call: its name
    std::vector<term> items;  // a map: key, value, key, value
};

struct assignment {
    enum class kind : std::uint8_t { set, element, add, prepend, subtract };
    std::string column;
    assignment::kind what{kind::set};
    term index;
    term value;
};

struct condition {
    std::string column;
    std::string op;  // = < <= > >=
    term value;
};

struct selection {
    std::string column;
    enum class kind : std::uint8_t { value, writetime, ttl } what{kind::value};
};

struct deletion {
    std::string column;
    term element;  // none: the whole column
};

struct cql_statement {
    enum class kind : std::uint8_t { insert, update, erase, select, batch };
    cql_statement::kind what{kind::insert};
    std::string keyspace;
    std::string table;
    std::vector<assignment> assignments;  // of an insert: its columns, keys included
    std::vector<condition> where;
    std::vector<deletion> deletions;
    std::vector<selection> selected;
    term ttl;
    term timestamp;
    enum class conditional : std::uint8_t { no, if_not_exists, if_exists, if_values };
    conditional cas{conditional::no};
    std::vector<condition> ifs;
    std::vector<cql_statement> children;  // of a batch in text
    int markers{0};
};

// Throws cql_error.
cql_statement parse_cql(std::string_view text);
// The same, parsed once per text in a process.
std::shared_ptr<const cql_statement> parsed(const std::string& text);

}  // namespace sim
