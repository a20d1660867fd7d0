#include <dualwrite/protocol/types.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

cql_type native(type_id id)
{
    return {.id = id};
}

cql_type address_udt()
{
    return {
        .id = type_id::udt,
        .keyspace = "ks",
        .name = "address",
        .parameters = {native(type_id::text), native(type_id::int_)},
        .field_names = {"street", "Zip Code"}};
}

std::optional<cql_type> resolve(std::string_view name)
{
    auto type = address_udt();
    if (name != "address" && name != "My \"Type\"") return std::nullopt;
    type.name = name;
    return type;
}

// A type inside `depth` - 1 lists.
byte_vector nested_lists(int depth)
{
    byte_buffer out;
    for (int i = 1; i < depth; ++i) append_short(out, 0x20);
    append_short(out, 0x09);
    return copy(out.view());
}

}  // namespace

TEST_SUITE("protocol/types")
{
    TEST_CASE("parse_type: reads every native number and refuses all others below 256")
    {
        int known = 0;
        for (int id = 1; id < 256; ++id) {
            CAPTURE(id);
            const auto type = parse_type(bytes({0, id}));
            if (type) {
                ++known;
                CHECK(static_cast<int>(type->id) == id);
                CHECK_FALSE(native_type_text(type->id).empty());
            } else {
                CHECK(type.error() == errc::malformed);
            }
        }
        CHECK(known == 20);
        // Our own number for vectors is nothing that a server may send.
        CHECK(parse_type(bytes({0xff, 0})).error() == errc::malformed);
    }

    TEST_CASE("parse_type: reads collections, tuples and UDTs, and refuses each truncation")
    {
        const auto wire =
            bytes({0, 0x21, 0, 0x0d, 0, 0x31, 0, 2, 0, 0x22, 0, 9, 0, 0x30}) +
            bytes({0, 2, 'k', 's', 0, 1, 'u', 0, 2, 0, 1, 'a', 0, 0x0d, 0, 1, 'b', 0, 0x20, 0, 3});
        const auto type = parse_type(wire);
        REQUIRE(type.has_value());
        CHECK(to_text(*type) == "map<text, tuple<set<int>, u>>");
        const auto& udt = type->parameters[1].parameters[1];
        CHECK(udt.keyspace == "ks");
        CHECK(udt.field_names == std::vector<std::string>{"a", "b"});
        CHECK(to_text(udt.parameters[1]) == "list<blob>");
        check_every_truncation(wire, [](bytes_view in) { return parse_type(in); });

        byte_buffer again;
        append_type(again, *type);
        CHECK(equal(again.view(), wire));
    }

    TEST_CASE("parse_type: takes types as deep as the limit and refuses one level more")
    {
        CHECK(parse_type(nested_lists(type_depth_max)).has_value());
        CHECK(parse_type(nested_lists(type_depth_max + 1)).error() == errc::malformed);
        CHECK(parse_type(nested_lists(100000)).error() == errc::malformed);
    }

    TEST_CASE("parse_type: sees the CQL type behind the name of a class")
    {
        const auto of_class = [](std::string_view name) {
            byte_buffer wire;
            append_short(wire, 0);
            append_string(wire, name);
            return to_text(*parse_type(wire.view()));
        };
        CHECK(of_class("org.apache.cassandra.db.marshal.DurationType") == "duration");
        CHECK(
            of_class("org.apache.cassandra.db.marshal.VectorType"
                     "(org.apache.cassandra.db.marshal.FloatType , 3)") == "vector<float, 3>"
        );
        CHECK(
            of_class("org.apache.cassandra.db.marshal.MapType(org.apache.cassandra.db.marshal."
                     "UTF8Type,org.apache.cassandra.db.marshal.FrozenType(org.apache.cassandra.db."
                     "marshal.TupleType(org.apache.cassandra.db.marshal.Int32Type,org.apache."
                     "cassandra.db.marshal.SimpleDateType)))"
            ) == "map<text, frozen<tuple<int, date>>>"
        );
        CHECK(of_class("ReversedType(TimeUUIDType)") == "timeuuid");
        CHECK(
            of_class("UserType(ks,61646472657373,6e616d65:UTF8Type,7a6970:Int32Type)") == "address"
        );
        CHECK(of_class("com.example.OwnType") == "'com.example.OwnType'");
    }

    TEST_CASE("type_of_class: keeps every name that it does not understand as a custom type")
    {
        for (const std::string_view name :
             {"",
              "ListType",
              "ListType(",
              "ListType()",
              "ListType(Int32Type",
              "ListType(Int32Type))",
              "ListType(Int32Type,Int32Type)",
              "MapType(Int32Type)",
              "VectorType(FloatType)",
              "VectorType(FloatType,x)",
              "VectorType(FloatType,0)",
              "VectorType(FloatType,99999999999)",
              "UserType(ks,6g)",
              "UserType(ks,616)",
              "UserType(ks,61,62)",
              "Int32Type(",
              "Int32Type x",
              "CompositeType(Int32Type)",
              "TupleType(Foo)"}) {
            CAPTURE(name);
            const auto type = type_of_class(name);
            CHECK(type.id == type_id::custom);
            CHECK(type.custom_class == name);
        }
        std::string deep;
        for (int i = 0; i < 100000; ++i) deep += "ListType(";
        CHECK(type_of_class(deep).id == type_id::custom);
    }

    TEST_CASE("append_type: writes vectors and custom types by their class, to be read back equal")
    {
        for (const std::string_view text :
             {"vector<float, 3>",
              "vector<vector<text, 2>, 4>",
              "'com.example.OwnType'",
              "map<text, vector<frozen<list<int>>, 9>>",
              "list<vector<address, 2>>"}) {
            CAPTURE(text);
            const auto type = parse_type_text(text, resolve);
            REQUIRE(type.has_value());
            byte_buffer wire;
            append_type(wire, *type);
            const auto again = parse_type(wire.view());
            REQUIRE(again.has_value());
            CHECK(*again == *type);
        }
    }

    TEST_CASE("parse_type_text: is the inverse of to_text")
    {
        for (const std::string_view text :
             {"ascii",
              "bigint",
              "blob",
              "boolean",
              "counter",
              "decimal",
              "double",
              "float",
              "int",
              "timestamp",
              "uuid",
              "text",
              "varint",
              "timeuuid",
              "inet",
              "date",
              "time",
              "smallint",
              "tinyint",
              "duration",
              "list<int>",
              "set<text>",
              "map<text, blob>",
              "frozen<list<int>>",
              "map<text, frozen<set<int>>>",
              "frozen<tuple<int, text, frozen<list<int>>>>",
              "tuple<int>",
              "address",
              "frozen<address>",
              "list<frozen<address>>",
              "\"My \"\"Type\"\"\"",
              "vector<float, 1536>",
              "'org.apache.cassandra.db.marshal.EmptyType'"}) {
            CAPTURE(text);
            const auto type = parse_type_text(text, resolve);
            REQUIRE(type.has_value());
            CHECK(to_text(*type) == text);
        }
        CHECK(to_text(*parse_type_text("varchar")) == "text");
        CHECK(to_text(*parse_type_text(" map< text ,int > ")) == "map<text, int>");
        CHECK(
            parse_type_text("empty")->custom_class == "org.apache.cassandra.db.marshal.EmptyType"
        );
    }

    TEST_CASE("to_text: quotes a UDT that has the name of a native type")
    {
        const auto type = parse_type_text("\"blob\"", [](std::string_view name) {
            return std::optional<cql_type>({.id = type_id::udt, .name = std::string(name)});
        });
        REQUIRE(type.has_value());
        CHECK(type->id == type_id::udt);
        CHECK(to_text(*type) == "\"blob\"");
        CHECK(to_text({.id = type_id::udt, .name = "empty"}) == "\"empty\"");
    }

    TEST_CASE("parse_type_text: knows what is frozen, and so what has cells of its own")
    {
        CHECK(is_multi_cell(*parse_type_text("list<int>")));
        CHECK(is_multi_cell(*parse_type_text("map<text, frozen<list<int>>>")));
        CHECK(is_multi_cell(*parse_type_text("address", resolve)));
        CHECK_FALSE(is_multi_cell(*parse_type_text("frozen<map<text, int>>")));
        CHECK_FALSE(is_multi_cell(*parse_type_text("frozen<address>", resolve)));
        CHECK_FALSE(is_multi_cell(*parse_type_text("tuple<int, int>")));
        CHECK_FALSE(is_multi_cell(*parse_type_text("vector<int, 2>")));
        CHECK_FALSE(is_multi_cell(*parse_type_text("text")));
        CHECK(parse_type_text("map<text, frozen<list<int>>>")->parameters[1].frozen);
    }

    TEST_CASE("parse_type_text: refuses what is no type, and names that nobody resolves")
    {
        for (const std::string_view text :
             {"",
              " ",
              "list",
              "list<>",
              "list<int",
              "list<int>>",
              "list<int, int>",
              "map<int>",
              "map<int, int, int>",
              "tuple<>",
              "vector<float>",
              "vector<float, 0>",
              "vector<float, x>",
              "vector<float, 3, 4>",
              "frozen<>",
              "frozen<int, int>",
              "foo<int>",
              "'abc",
              "\"abc",
              "int int",
              "int,",
              "<int>",
              "frozen<list<int>",
              "vector<float, 99999999999>"}) {
            CAPTURE(text);
            const auto type = parse_type_text(text, resolve);
            REQUIRE_FALSE(type.has_value());
        }
        CHECK(parse_type_text("address").error() == errc::unsupported);
        CHECK(parse_type_text("list<frozen<other>>", resolve).error() == errc::unsupported);
        CHECK(parse_type_text("list<", resolve).error() == errc::invalid_argument);
        std::string deep;
        for (int i = 0; i < 100000; ++i) deep += "list<";
        CHECK(parse_type_text(deep).error() == errc::invalid_argument);
    }

    TEST_CASE("append_identifier: quotes what would mean something else without quotes")
    {
        const auto identifier = [](std::string_view name) {
            std::string out;
            append_identifier(out, name);
            return out;
        };
        CHECK(identifier("users") == "users");
        CHECK(identifier("a_1") == "a_1");
        CHECK(identifier("Users") == "\"Users\"");
        CHECK(identifier("1a") == "\"1a\"");
        CHECK(identifier("_a") == "\"_a\"");
        CHECK(identifier("a b") == "\"a b\"");
        CHECK(identifier("say \"hi\"") == "\"say \"\"hi\"\"\"");
        CHECK(identifier("") == "\"\"");
        CHECK(identifier("select") == "\"select\"");
        CHECK(identifier("with") == "\"with\"");
    }
}
