#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cells.hpp"
#include "cql.hpp"
#include "tables.hpp"

namespace sim {

// A bound value: bytes, null, or unset.
struct bound {
    bool present{false};
    bool unset{false};
    std::string bytes;
};

// With what a statement runs.
struct execution {
    std::int64_t time_us{0};  // where the text has none of its own
    std::int64_t now_s{0};
    bool ballot{false};  // of a lightweight transaction: what it deletes, it deletes 1 us earlier
};

// One value of an answer; nothing: null.
using answer_cell = std::optional<std::string>;

std::string int_bytes(std::int64_t value);   // 4 bytes, big-endian
std::string long_bytes(std::int64_t value);  // 8
std::int64_t number_of(const std::string& bytes);

// The data of one model cluster.
class database {
public:
    // Throws cql_error: the statement is invalid.
    void apply(const cql_statement& s, const std::vector<bound>& values, const execution& how);
    // Of a lightweight transaction.
    bool holds(const cql_statement& s, const std::vector<bound>& values, std::int64_t now_s) const;
    std::vector<std::vector<answer_cell>>
    select(const cql_statement& s, const std::vector<bound>& values, std::int64_t now_s) const;

    const stored_table& rows_of(const std::string& table) const;
    // When each number was written, as often as that was: the clients write every number once.
    const std::map<std::int64_t, std::set<std::int64_t>>& written() const { return written_; }

private:
    struct run;
    void apply_insert(run& r);
    void apply_update(run& r);
    void apply_delete(run& r);
    void assign(run& r, stored_row& row, int column, const assignment& a);
    void assign_collection(run& r, stored_row& row, int column, const assignment& a);
    void add_elements(run& r, stored_row& row, int column, const std::string& value, bool prepend);
    void note(const run& r, const std::string& bytes);
    std::string list_path(bool prepend);

    std::map<std::string, stored_table> tables_;
    std::map<std::int64_t, std::set<std::int64_t>> written_;
    std::int64_t next_path_{1};
};

}  // namespace sim
