#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What policy knows about one CQL statement from its text alone, without a schema.

namespace dualwrite::policy {

enum class statement_kind : std::uint8_t {
    select,
    insert,
    update,
    delete_,
    batch,
    truncate,
    ddl,  // keyspaces, tables, types, indexes, views, functions, aggregates, triggers
    use,
    role,        // roles, users, identities, permissions: may hold secrets, never log the text
    other_read,  // LIST, DESCRIBE
    unknown,     // not a statement that we can place: never guess
};

// Bytes of the classified text.
struct text_span {
    std::uint32_t offset{0};
    std::uint32_t size{0};
    friend bool operator==(const text_span&, const text_span&) = default;
};

enum class term_kind : std::uint8_t {
    literal,     // one constant, true, false, null, NaN, Infinity
    marker,      // exactly one bind marker
    composite,   // a collection, tuple or UDT literal made of literals only
    expression,  // anything else: a function, a cast, arithmetic, a marker inside a collection
};

struct term_source {
    term_kind kind{term_kind::literal};
    std::uint16_t marker{0};  // for `marker`: its index in bind order over the whole text
    text_span text;           // the whole term
    friend bool operator==(const term_source&, const term_source&) = default;
};

// `column` gets its value from `source`: pairs of an INSERT, and `column = term` of a WHERE.
// With `multiple` it is `column IN ...`: the source is then the list, or one marker for the list.
struct key_relation {
    std::string column;
    term_source source;
    bool multiple{false};
    std::vector<term_source> list{};  // `column IN (term, term ...)`
    friend bool operator==(const key_relation&, const key_relation&) = default;
};

enum class assignment_kind : std::uint8_t {
    value,           // c = term; each column of an INSERT
    delta,           // c = c + x, c = x + c, c = c - x, c += x, c -= x
    element,         // c[k] = term
    field,           // c.f = term
    delete_value,    // DELETE c
    delete_element,  // DELETE c[k]
    delete_field,    // DELETE c.f
};

struct assignment {
    std::string column;
    assignment_kind kind{assignment_kind::value};
    term_source source{};  // of an UPDATE: what is assigned, added or taken away
    bool adds{false};      // delta: to what is there, instead of taking it away
    friend bool operator==(const assignment&, const assignment&) = default;
};

// What a call of a non-deterministic function gives.
enum class function_value : std::uint8_t { uuid, timeuuid, timestamp, date, time };

struct function_call {
    function_value gives{function_value::uuid};
    bool nested{false};               // inside another term, where nothing tells its type
    std::uint16_t markers_before{0};  // in bind order over the whole text
    text_span text;                   // all of it: `now()`
    friend bool operator==(const function_call&, const function_call&) = default;
};

enum class batch_type : std::uint8_t { logged, unlogged, counter };

enum class schema_object : std::uint8_t {
    none,
    keyspace,
    table,
    type,
    index,
    view,
    function,
    aggregate,
    trigger,
};
enum class schema_action : std::uint8_t { create, alter, drop };

struct statement_facts {
    statement_kind kind{statement_kind::unknown};

    // Without quotes, lower case where the text had none. Empty where the statement names none.
    // DDL: `table` is the table concerned (of an index or trigger: the one it is on; of a view: the
    // view), `object` names the type, index, function, aggregate or trigger.
    std::string keyspace;
    std::string table;
    std::string object;

    // The name before which a keyspace may stand, with its keyspace if it has one; size 0 if there
    // is none. CREATE MATERIALIZED VIEW and CREATE TABLE ... LIKE have a second one: the base.
    text_span table_name;
    text_span second_name;
    text_span text;         // a child of a BATCH: all of it, with its semicolon
    bool qualified{false};  // the text itself says which keyspace
    bool second_qualified{false};

    // A write that was not understood completely. Kind is right, keyspace and table are right where
    // they are not empty; every other fact may be incomplete. Treat it as the worst case.
    bool unparsed{false};

    bool conditional{false};  // IF ...: a lightweight transaction; not IF EXISTS of DDL
    bool if_exists{false};    // IF [NOT] EXISTS, also of DDL
    bool using_timestamp{false};
    bool using_ttl{false};
    bool timestamp_is_marker{false};
    bool nondeterministic{false};  // now(), uuid(), current_*(): another value at each execution
    bool other_function{false};  // a function in a write that is none of Cassandra's own pure ones
    bool collection_delta{false};  // an assignment of kind delta: counter, list, set or map
    bool indexed_element{
        false};                  // c[k] = ..., DELETE c[k]: a list's element or a map's; see schema
    bool json{false};            // INSERT JSON, SELECT JSON
    bool default_unset{false};   // INSERT JSON ... DEFAULT UNSET
    bool range{false};           // WHERE with <, >, BETWEEN ...: a slice of rows
    bool token_relation{false};  // WHERE token(...)
    bool named_markers{false};   // :name instead of ?
    // More than one partition may be written, so that a failure may leave a part behind: WHERE ...
    // IN, more than one child. Text alone cannot say more.
    bool may_be_several{false};

    // Markers are counted in textual order, which is bind order: USING included, each :name anew.
    // A child's indexes run on over the whole batch: its own begin at marker_first.
    std::uint16_t marker_count{0};
    std::uint16_t marker_first{0};
    std::optional<std::int64_t> timestamp_us;  // USING TIMESTAMP literal
    std::optional<std::uint16_t> timestamp_marker;
    std::optional<std::int32_t> ttl;  // USING TTL literal, seconds
    std::optional<std::uint16_t> ttl_marker;
    text_span ttl_text;                     // the literal or the marker
    std::optional<term_source> json_value;  // INSERT JSON's document

    // All calls that make it non-deterministic, in textual order. Empty if one of them was not
    // understood. A batch: those of its children too.
    std::vector<function_call> calls;

    std::vector<assignment> assignments;
    std::vector<key_relation> key_relations;

    batch_type batch{batch_type::logged};
    // BATCH: spans are offsets in the whole text. The batch's own flags from `conditional` on are
    // true if one child has them, except USING, which is the batch's own.
    std::vector<statement_facts> children;

    schema_object ddl_object{schema_object::none};
    schema_action ddl_action{schema_action::create};

    bool is_write() const noexcept
    {
        return kind == statement_kind::insert || kind == statement_kind::update ||
               kind == statement_kind::delete_ || kind == statement_kind::batch;
    }
};

}  // namespace dualwrite::policy
