#include <dualwrite/copy/mutation_batch.hpp>
#include <dualwrite/protocol/request.hpp>

#include <doctest/doctest.h>

#include "copy_support.hpp"

using namespace dualwrite;
using namespace dualwrite::copy;
using copy_support::cell;
using copy_support::mixed_table;

namespace {

using protocol::bound_value;

std::vector<bound_value> values_of(bytes_view raw)
{
    std::vector<bound_value> out;
    REQUIRE(protocol::for_each_value(raw, false, [&](auto, const bound_value& v) {
        out.push_back(v);
    }));
    return out;
}

struct fixture {
    copy_support::values v;
    table_model table = mixed_table();
    std::vector<bytes_view> keys{v.i32(1), v.i32(2)};
    prepared_write update;
    byte_buffer body;
    std::vector<ttl_patch> patches;

    fixture()
    {
        update.in_request = {
            make_update(table, false, writetime_in::request), as_bytes("id-request"), {}};
        update.in_text = {make_update(table, false, writetime_in::text), as_bytes("id-text"), {}};
    }

    void
    add(mutation_batch& batch,
        const std::vector<atom>& atoms,
        std::int64_t writetime_us,
        std::int64_t expiry_s = no_expiry)
    {
        std::vector<const atom*> pointers;
        for (const auto& a : atoms) pointers.push_back(&a);
        batch.add(table, update, keys, pointers, writetime_us, expiry_s, 1000);
    }
};

}  // namespace

TEST_SUITE("copy/write_statement")
{
    TEST_CASE("make_insert: keys and single cells, the write time where it is wanted")
    {
        const auto t = mixed_table();
        CHECK(
            make_insert(t, writetime_in::request).text ==
            "INSERT INTO ks.t (k, c, a, b) VALUES (?, ?, ?, ?) USING TTL ?"
        );
        CHECK(
            make_insert(t, writetime_in::text).text ==
            "INSERT INTO ks.t (k, c, a, b) VALUES (?, ?, ?, ?) USING TTL ? AND TIMESTAMP ?"
        );
    }

    TEST_CASE("make_update: cells are set, elements added, fields set one by one")
    {
        const auto t = mixed_table();
        const auto u = make_update(t, false, writetime_in::text);
        CHECK(
            u.text == "UPDATE ks.t USING TTL ? AND TIMESTAMP ? SET a = ?, b = ?, l = l + ?, "
                      "m = m + ?, u.x = ?, u.y = ? WHERE k = ? AND c = ?"
        );
        CHECK(u.markers.size() == 10);
        CHECK(
            make_update(t, true, writetime_in::request).text ==
            "UPDATE ks.t USING TTL ? SET s = ? WHERE k = ?"
        );
        const auto bare = copy_support::table_of({{"k", "partition_key", "int", 0}});
        CHECK(make_update(bare, false, writetime_in::request).text.empty());
        CHECK(make_update(bare, true, writetime_in::request).text.empty());
    }

    TEST_CASE("make_delete_cell and make_delete_row: always with a time of their own")
    {
        const auto t = mixed_table();
        const auto column = [&](std::string_view name) { return copy_support::column_of(t, name); };
        CHECK(
            make_delete_cell(t, column("a"), delete_scope::column, writetime_in::text).text ==
            "DELETE a FROM ks.t USING TIMESTAMP ? WHERE k = ? AND c = ?"
        );
        CHECK(
            make_delete_cell(t, column("s"), delete_scope::column, writetime_in::text).text ==
            "DELETE s FROM ks.t USING TIMESTAMP ? WHERE k = ?"
        );
        CHECK(
            make_delete_cell(t, column("m"), delete_scope::element, writetime_in::text).text ==
            "DELETE m[?] FROM ks.t USING TIMESTAMP ? WHERE k = ? AND c = ?"
        );
        CHECK(
            make_delete_cell(t, column("u"), delete_scope::field, writetime_in::request, 1).text ==
            "DELETE u.y FROM ks.t WHERE k = ? AND c = ?"
        );
        CHECK(
            make_delete_row(t, writetime_in::text).text ==
            "DELETE FROM ks.t USING TIMESTAMP ? WHERE k = ? AND c = ?"
        );
    }

    TEST_CASE("bind: what a group does not have is unset, elements become one collection")
    {
        fixture f;
        auto x = cell(f.table, "m", f.v.i32(1), 10);
        x.path = f.v.text("x");
        auto y = cell(f.table, "m", f.v.i32(2), 10);
        y.path = f.v.text("y");
        auto field = cell(f.table, "u", f.v.i32(9), 10);
        field.index = 1;
        const auto b = cell(f.table, "b", f.v.text("bee"), 10);
        const atom* atoms[] = {&b, &x, &y, &field};
        byte_buffer out;
        const auto statement = make_update(f.table, false, writetime_in::text);
        const auto at = value_binder::bind(f.table, statement, {f.keys, atoms, 77, 60}, out);
        const auto values = values_of(out.view());
        REQUIRE(values.size() == statement.markers.size());
        CHECK(load_be<std::int32_t>(out.data() + at.ttl) == 60);
        CHECK(load_be<std::int64_t>(out.data() + at.writetime) == 77);
        CHECK(values[2].is == bound_value::state::unset);  // a
        CHECK(as_text(values[3].bytes) == "bee");
        CHECK(values[4].is == bound_value::state::null);  // l: unset fails in Cassandra
        const auto map = f.v.elements({x.path, x.value, y.path, y.value}, true, 2);
        CHECK(equal(values[5].bytes, map));
        CHECK(values[6].is == bound_value::state::unset);  // u.x
        CHECK(equal(values[7].bytes, f.v.i32(9)));
        CHECK(equal(values[8].bytes, f.keys[0]));
        CHECK(equal(values[9].bytes, f.keys[1]));
    }
}

TEST_SUITE("copy/mutation_batch")
{
    TEST_CASE("finish: one statement is an EXECUTE with its time in the request")
    {
        for (const auto version : {std::uint8_t{4}, std::uint8_t{5}}) {
            CAPTURE(version);
            fixture f;
            mutation_batch batch(version, protocol::consistency::quorum);
            f.add(batch, {cell(f.table, "a", f.v.text("x"), 42)}, 42, 1060);
            CHECK(batch.finish(1000, f.body, f.patches) == protocol::opcode::execute);
            CHECK(batch.empty());

            const auto request = protocol::parse_execute(f.body.view(), version);
            REQUIRE(request);
            CHECK(as_text(request->id) == "id-request");
            CHECK(request->parameters.timestamp_us == 42);
            CHECK(request->parameters.consistency == protocol::consistency::quorum);
            CHECK(request->parameters.now_in_seconds.has_value() == (version == 5));
            const auto values = values_of(request->parameters.values);
            CHECK(values.size() == f.update.in_request.statement.markers.size());
            CHECK(equal(values[0].bytes, f.v.i32(60)));
            CHECK(as_text(values[1].bytes) == "x");
        }
    }

    TEST_CASE("finish: statements of one time share it, of several times carry it in the text")
    {
        for (const bool same : {true, false}) {
            CAPTURE(same);
            fixture f;
            mutation_batch batch(5, protocol::consistency::one);
            f.add(batch, {cell(f.table, "a", f.v.text("x"), 42)}, 42);
            f.add(batch, {cell(f.table, "b", f.v.text("y"), 43)}, same ? 42 : 43, 2000);
            CHECK(batch.finish(1000, f.body, f.patches) == protocol::opcode::batch);
            const auto request = protocol::parse_batch(f.body.view(), 5);
            REQUIRE(request);
            CHECK(request->type == protocol::batch_type::unlogged);
            CHECK(request->children.size() == 2);
            CHECK(request->timestamp_us.has_value() == same);
            CHECK(request->now_in_seconds == 1000);
            for (const auto& child : request->children) {
                CHECK(as_text(child.id) == (same ? "id-request" : "id-text"));
                const auto& form = same ? f.update.in_request : f.update.in_text;
                CHECK(values_of(child.values).size() == form.statement.markers.size());
            }
        }
    }

    TEST_CASE("finish: a deletion alone has nothing but its key, and its time in the request")
    {
        fixture f;
        f.update.in_request.statement = make_delete_row(f.table, writetime_in::request);
        f.update.in_text.statement = make_delete_row(f.table, writetime_in::text);
        mutation_batch batch(4, protocol::consistency::one);
        f.add(batch, {}, 42);
        CHECK(batch.finish(1000, f.body, f.patches) == protocol::opcode::execute);
        const auto request = protocol::parse_execute(f.body.view(), 4);
        REQUIRE(request);
        CHECK(request->parameters.timestamp_us == 42);
        CHECK(values_of(request->parameters.values).size() == 2);
        CHECK(f.patches.empty());
    }

    TEST_CASE("patch_ttls: finds every TTL of a request, in each of its forms")
    {
        for (const auto version : {std::uint8_t{4}, std::uint8_t{5}})
            for (const int statements : {1, 2})
                for (const bool same : {true, false}) {
                    CAPTURE(version);
                    CAPTURE(statements);
                    CAPTURE(same);
                    fixture f;
                    mutation_batch batch(version, protocol::consistency::one);
                    for (int i = 0; i < statements; ++i)
                        f.add(
                            batch, {cell(f.table, "a", f.v.text("x"), 1)}, same ? 1 : i, 5000 + i
                        );
                    batch.finish(1000, f.body, f.patches);
                    REQUIRE(f.patches.size() == static_cast<std::size_t>(statements));
                    patch_ttls(f.body, f.patches, 4000);
                    for (int i = 0; i < statements; ++i) {
                        const auto at = f.patches[static_cast<std::size_t>(i)].at;
                        CHECK(load_be<std::int32_t>(f.body.data() + at - 4) == 4);
                        CHECK(load_be<std::int32_t>(f.body.data() + at) == 1000 + i);
                    }
                }
    }

    TEST_CASE("patch_ttls: what lives for ever has no patch and a TTL of 0")
    {
        fixture f;
        mutation_batch batch(4, protocol::consistency::one);
        f.add(batch, {cell(f.table, "a", f.v.text("x"), 1)}, 1);
        batch.finish(1000, f.body, f.patches);
        CHECK(f.patches.empty());
        const auto request = protocol::parse_execute(f.body.view(), 4);
        CHECK(equal(values_of(request->parameters.values)[0].bytes, f.v.i32(0)));
    }

    TEST_CASE("ttl_for: an expired cell is written with a second to live, never with none")
    {
        CHECK(ttl_for(no_expiry, 5) == 0);
        CHECK(ttl_for(5, 5) == 1);
        CHECK(ttl_for(1, 1'000'000) == 1);
        CHECK(ttl_for(1'000'000'000'000, 0) == ttl_max_s);
    }
}
