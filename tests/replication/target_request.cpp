#include <dualwrite/replication/target_request.hpp>

#include <doctest/doctest.h>

#include <array>
#include <map>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::replication;
using protocol::opcode;
using test::values;

namespace {

constexpr std::int64_t accepted_ms = 1'700'000'000'900;
constexpr std::array<std::uint8_t, 2> versions{4, 5};
constexpr std::int64_t writetime_us = 1'700'000'000'123'456;

struct mutation {
    mutation_header header;
    byte_buffer bytes;

    mutation(mutation_header h, std::string_view text, bytes_view raw) : header(h)
    {
        header.accepted_ms = accepted_ms;
        header.text_size = static_cast<std::uint32_t>(text.size());
        bytes.append(encode(header));
        bytes.append(as_bytes(text));
        bytes.append(raw);
    }
    mutation_view view() const { return *parse_mutation(bytes.view()); }
};

mutation_header header_of(mutation_kind kind, std::uint16_t count, std::uint8_t flags = 0)
{
    mutation_header out;
    out.kind = kind;
    out.count = count;
    out.flags = flags;
    out.consistency = static_cast<std::uint16_t>(protocol::consistency::quorum);
    out.writetime_us = writetime_us;
    return out;
}

mutation query(std::string_view cql, const values& v, std::uint8_t flags = 0)
{
    return {header_of(mutation_kind::query, v.count(), flags), cql, v.view()};
}

mutation execute(std::uint32_t statement, const values& v, std::uint8_t flags = 0)
{
    auto header = header_of(mutation_kind::execute, v.count(), flags);
    header.statement = statement;
    return {header, {}, v.view()};
}

// The statements that the target has prepared, by the log's id.
class target {
public:
    void prepare(std::uint32_t log_id, std::string_view cql, std::string_view id)
    {
        auto& its = prepared_[log_id];
        its.statement = make_statement({}, cql, {});
        its.id = id;
    }

    opcode make(const mutation& m, std::uint8_t version, std::int64_t late_s = 0)
    {
        body.clear();
        const auto op = append_target_body(
            body,
            m.view(),
            {version, accepted_ms + late_s * 1000},
            [this](std::uint32_t id) {
                const auto& its = prepared_.at(id);
                return prepared_at{&its.statement, as_bytes(its.id), as_bytes("metadata")};
            }
        );
        REQUIRE(op);
        return *op;
    }

    byte_buffer body;

private:
    struct entry {
        replication::statement statement;
        std::string id;
    };
    std::map<std::uint32_t, entry> prepared_;
};

struct seen {
    std::string text;
    protocol::query_parameters parameters;
};

seen as_query(const target& at, std::uint8_t version)
{
    const auto parsed = protocol::parse_query(at.body.view(), version);
    REQUIRE(parsed);
    return {std::string(parsed->text), parsed->parameters};
}

protocol::execute_view as_execute(const target& at, std::uint8_t version)
{
    const auto parsed = protocol::parse_execute(at.body.view(), version);
    REQUIRE(parsed);
    return *parsed;
}

values every_kind()
{
    return values().of(7).null().unset().of("").of(std::string(70'000, 'x'));
}

}  // namespace

TEST_SUITE_BEGIN("replication/target_request");

TEST_CASE("target_request: a query keeps text, values, consistency and write time bit for bit")
{
    for (const auto version : versions) {
        CAPTURE(version);
        target at;
        const auto v = every_kind();
        CHECK(at.make(query("INSERT INTO k.t (a) VALUES (?)", v), version) == opcode::query);
        const auto [text, parameters] = as_query(at, version);
        CHECK(text == "INSERT INTO k.t (a) VALUES (?)");
        CHECK(parameters.consistency == protocol::consistency::quorum);
        CHECK(parameters.timestamp_us == writetime_us);
        CHECK(parameters.value_count == 5);
        CHECK(equal(parameters.values, v.view()));
        CHECK_FALSE(parameters.named_values);
        CHECK_FALSE(parameters.keyspace);
    }
}

TEST_CASE("target_request: an execution uses the target's own prepared id")
{
    for (const auto version : versions) {
        CAPTURE(version);
        target at;
        at.prepare(3, "INSERT INTO k.t (a) VALUES (?)", "target's id");
        const auto v = every_kind();
        CHECK(at.make(execute(3, v), version) == opcode::execute);
        const auto got = as_execute(at, version);
        CHECK(as_text(got.id) == "target's id");
        CHECK(as_text(got.result_metadata_id) == (version >= 5 ? "metadata" : ""));
        CHECK(got.parameters.timestamp_us == writetime_us);
        CHECK(equal(got.parameters.values, v.view()));
    }
}

TEST_CASE("target_request: named values keep their names")
{
    target at;
    const auto v = values().named("b", 1).named("a", 2);
    (void
    )at.make(query("INSERT INTO k.t (a, b) VALUES (:a, :b)", v, mutation_flags::named_values), 4);
    const auto got = as_query(at, 4);
    CHECK(got.parameters.named_values);
    CHECK(got.parameters.value_count == 2);
    CHECK(equal(got.parameters.values, v.view()));
}

TEST_CASE("target_request: a write time in the text stays alone")
{
    target at;
    auto m = query("INSERT INTO k.t (a) VALUES (1) USING TIMESTAMP 5", {});
    m.header.writetime_us = writetime_in_text;
    const mutation again(m.header, "INSERT INTO k.t (a) VALUES (1) USING TIMESTAMP 5", {});
    (void)at.make(again, 4);
    CHECK_FALSE(as_query(at, 4).parameters.timestamp_us);
}

TEST_CASE("target_request: version 5 is told the second of acceptance, older ones are not")
{
    target at;
    const auto m =
        query("INSERT INTO k.t (a) VALUES (1) USING TTL 100", {}, mutation_flags::has_ttl);
    (void)at.make(m, 5, 50);
    CHECK(as_query(at, 5).parameters.now_in_seconds == 1'700'000'000);
    CHECK(as_query(at, 5).text == "INSERT INTO k.t (a) VALUES (1) USING TTL 100");
    (void)at.make(m, 4, 50);
    CHECK_FALSE(as_query(at, 4).parameters.now_in_seconds);
}

TEST_CASE("target_request: version 4 gets a literal TTL less the time that has passed")
{
    struct row {
        std::int64_t late_s;
        std::string_view ttl;
    };
    target at;
    const auto m =
        query("INSERT INTO k.t (a) VALUES (1) USING TTL 100", {}, mutation_flags::has_ttl);
    for (const auto& [late_s, ttl] :
         {row{0, "100"}, {1, "99"}, {99, "1"}, {100, "1"}, {9999, "1"}, {-5, "100"}}) {
        const auto& its_late_s = late_s;  // Clang 14 captures no binding
        CAPTURE(its_late_s);
        (void)at.make(m, 4, late_s);
        CHECK(
            as_query(at, 4).text == "INSERT INTO k.t (a) VALUES (1) USING TTL " + std::string(ttl)
        );
    }
}

TEST_CASE("target_request: version 4 gets a bound TTL less the time that has passed")
{
    const auto cql = "INSERT INTO k.t (a, b) VALUES (?, ?) USING TTL ?";
    const auto v = [](std::int32_t ttl) { return values().of(7).unset().of(ttl); };
    target at;
    at.prepare(0, cql, "id");
    (void)at.make(query(cql, v(100), mutation_flags::has_ttl), 4, 30);
    CHECK(equal(as_query(at, 4).parameters.values, v(70).view()));
    CHECK(at.make(execute(0, v(100), mutation_flags::has_ttl), 4, 30) == opcode::execute);
    CHECK(equal(as_execute(at, 4).parameters.values, v(70).view()));
    CHECK(as_text(as_execute(at, 4).id) == "id");
    (void)at.make(execute(0, v(0), mutation_flags::has_ttl), 4, 30);
    CHECK(equal(as_execute(at, 4).parameters.values, v(0).view()));
    (void)at.make(execute(0, v(100), mutation_flags::has_ttl), 4, 5000);
    CHECK(equal(as_execute(at, 4).parameters.values, v(1).view()));
}

TEST_CASE("target_request: named values do not keep a TTL from being shortened")
{
    target at;
    const auto flags =
        static_cast<std::uint8_t>(mutation_flags::has_ttl | mutation_flags::named_values);
    const auto literal = "INSERT INTO k.t (a) VALUES (:a) USING TTL 100";
    (void)at.make(query(literal, values().named("a", 1), flags), 4, 30);
    CHECK(as_query(at, 4).text == "INSERT INTO k.t (a) VALUES (:a) USING TTL 70");
    CHECK(equal(as_query(at, 4).parameters.values, values().named("a", 1).view()));

    const auto bound = "INSERT INTO k.t (a) VALUES (:a) USING TTL :l";
    (void)at.make(query(bound, values().named("l", 100).named("a", 100), flags), 4, 30);
    const auto got = as_query(at, 4);
    CHECK(got.parameters.named_values);
    CHECK(equal(got.parameters.values, values().named("l", 70).named("a", 100).view()));
}

TEST_CASE("target_request: a prepared literal TTL that is late goes as text")
{
    target at;
    at.prepare(0, "INSERT INTO k.t (a) VALUES (?) USING TTL 100", "id");
    const auto m = execute(0, values().of(7), mutation_flags::has_ttl);
    CHECK(at.make(m, 4, 0) == opcode::execute);
    CHECK(at.make(m, 5, 30) == opcode::execute);
    REQUIRE(at.make(m, 4, 30) == opcode::query);
    const auto got = as_query(at, 4);
    CHECK(got.text == "INSERT INTO k.t (a) VALUES (?) USING TTL 70");
    CHECK(equal(got.parameters.values, values().of(7).view()));
    CHECK(got.parameters.timestamp_us == writetime_us);
}

TEST_CASE("target_request: a statement without TTL is never late")
{
    target at;
    at.prepare(0, "INSERT INTO k.t (a, b) VALUES (?, ?)", "id");
    const auto v = values().of(100).of(100);
    CHECK(at.make(execute(0, v), 4, 30) == opcode::execute);
    CHECK(equal(as_execute(at, 4).parameters.values, v.view()));
}

TEST_CASE("target_request: a change of the schema has no write time and no values")
{
    for (const auto version : versions) {
        target at;
        mutation_header header;
        header.kind = mutation_kind::schema;
        CHECK(at.make({header, "DROP TABLE k.t", {}}, version) == opcode::query);
        const auto got = as_query(at, version);
        CHECK(got.text == "DROP TABLE k.t");
        CHECK_FALSE(got.parameters.timestamp_us);
        CHECK_FALSE(got.parameters.now_in_seconds);
        CHECK(got.parameters.value_count == 0);
    }
}

TEST_SUITE_END();

namespace {

mutation batch(std::initializer_list<mutation_child> children, std::uint8_t flags = 0)
{
    byte_buffer raw;
    for (const auto& child : children) append_child(raw, child);
    auto header =
        header_of(mutation_kind::batch, static_cast<std::uint16_t>(children.size()), flags);
    header.batch_type = 1;
    return {header, {}, raw.view()};
}

mutation_child prepared_child(std::uint32_t statement, const values& v)
{
    return {
        .prepared = true,
        .value_count = v.count(),
        .statement = statement,
        .text = {},
        .values = v.view()};
}

mutation_child text_child(std::string_view text, const values& v)
{
    return {
        .prepared = false,
        .value_count = v.count(),
        .statement = 0,
        .text = text,
        .values = v.view()};
}

}  // namespace

TEST_SUITE_BEGIN("replication/target_request");

TEST_CASE("target_request: a batch keeps its type, order, values and one write time")
{
    for (const auto version : versions) {
        CAPTURE(version);
        target at;
        at.prepare(0, "INSERT INTO k.t (a) VALUES (?)", "first");
        at.prepare(9, "DELETE FROM k.t WHERE a = ?", "second");
        const auto v = every_kind();
        const auto one = values().of(1);
        const auto m = batch(
            {prepared_child(9, one),
             text_child("DELETE FROM k.t WHERE a = 1", {}),
             prepared_child(0, v),
             text_child("INSERT INTO k.t (a) VALUES (?)", one)}
        );
        CHECK(at.make(m, version) == opcode::batch);
        const auto got = protocol::parse_batch(at.body.view(), version);
        REQUIRE(got);
        CHECK(got->type == protocol::batch_type::unlogged);
        CHECK(got->timestamp_us == writetime_us);
        CHECK(got->consistency == protocol::consistency::quorum);
        CHECK(got->now_in_seconds.has_value() == (version >= 5));
        REQUIRE(got->children.size() == 4);
        auto child = got->children.begin();
        CHECK(as_text(child->id) == "second");
        CHECK(equal(child->values, one.view()));
        ++child;
        CHECK(child->text == "DELETE FROM k.t WHERE a = 1");
        CHECK(child->value_count == 0);
        ++child;
        CHECK(as_text(child->id) == "first");
        CHECK(child->value_count == 5);
        CHECK(equal(child->values, v.view()));
        ++child;
        CHECK_FALSE(child->prepared);
        CHECK(equal(child->values, one.view()));
    }
}

TEST_CASE("target_request: each child of a late batch has its own TTL shortened")
{
    target at;
    at.prepare(0, "INSERT INTO k.t (a) VALUES (?) USING TTL ?", "bound");
    at.prepare(1, "INSERT INTO k.t (a) VALUES (?) USING TTL 100", "literal");
    at.prepare(2, "INSERT INTO k.t (a) VALUES (?)", "none");
    const auto bound = values().of(7).of(100);
    const auto other = values().of(7);
    const auto m = batch(
        {prepared_child(0, bound),
         prepared_child(1, other),
         prepared_child(2, other),
         text_child("INSERT INTO k.t (a) VALUES (1) USING TTL 5", {})},
        mutation_flags::has_ttl
    );
    REQUIRE(at.make(m, 4, 30) == opcode::batch);
    const auto got = protocol::parse_batch(at.body.view(), 4);
    REQUIRE(got);
    auto child = got->children.begin();
    CHECK(as_text(child->id) == "bound");
    CHECK(equal(child->values, values().of(7).of(70).view()));
    ++child;
    CHECK_FALSE(child->prepared);
    CHECK(child->text == "INSERT INTO k.t (a) VALUES (?) USING TTL 70");
    CHECK(equal(child->values, other.view()));
    ++child;
    CHECK(as_text(child->id) == "none");
    ++child;
    CHECK(child->text == "INSERT INTO k.t (a) VALUES (1) USING TTL 1");
}

TEST_CASE("target_request: damaged children of a batch are an error, not a shorter batch")
{
    const auto m = batch(
        {text_child("DELETE FROM k.t WHERE a = 1", {}),
         text_child("DELETE FROM k.t WHERE a = 2", {})}
    );
    for (std::size_t size = mutation_header_size; size < m.bytes.size(); ++size) {
        CAPTURE(size);
        const auto view = parse_mutation(m.bytes.view().first(size));
        REQUIRE(view);
        byte_buffer body;
        CHECK_FALSE(append_target_body(body, *view, {4, accepted_ms}, [](std::uint32_t) {
            return prepared_at{};
        }));
    }
}

TEST_SUITE_END();
