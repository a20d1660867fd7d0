#include <dualwrite/replication/mutation.hpp>

#include <doctest/doctest.h>

using namespace dualwrite;
using namespace dualwrite::replication;

namespace {

byte_buffer payload_of(mutation_header header, std::string_view text, bytes_view values)
{
    header.text_size = static_cast<std::uint32_t>(text.size());
    byte_buffer out;
    out.append(encode(header));
    out.append(as_bytes(text));
    out.append(values);
    return out;
}

byte_buffer batch_of_two()
{
    byte_buffer children;
    append_child(
        children,
        {.prepared = true,
         .value_count = 2,
         .statement = 7,
         .text = {},
         .values = as_bytes("12345678")}
    );
    append_child(
        children,
        {.prepared = false,
         .value_count = 0,
         .statement = 0,
         .text = "DELETE FROM k.t WHERE a = 1",
         .values = {}}
    );
    return children;
}

}  // namespace

TEST_SUITE("replication/mutation")
{
    TEST_CASE("mutation: every field comes back")
    {
        mutation_header in;
        in.kind = mutation_kind::execute;
        in.flags = mutation_flags::several | mutation_flags::replay;
        in.batch_type = 1;
        in.consistency = 6;
        in.count = 3;
        in.writetime_us = 1'700'000'000'123'456;
        in.accepted_ms = 1'700'000'000'123;
        in.statement = 42;
        const auto bytes = payload_of(in, "text", as_bytes("values"));
        const auto out = parse_mutation(bytes.view());
        REQUIRE(out);
        CHECK(out->header.kind == in.kind);
        CHECK(out->header.flags == in.flags);
        CHECK(out->header.batch_type == 1);
        CHECK(out->header.consistency == 6);
        CHECK(out->header.count == 3);
        CHECK(out->header.writetime_us == in.writetime_us);
        CHECK(out->header.accepted_ms == in.accepted_ms);
        CHECK(out->header.statement == 42);
        CHECK(out->text == "text");
        CHECK(as_text(out->values) == "values");
        CHECK(out->has(mutation_flags::several));
        CHECK_FALSE(out->has(mutation_flags::has_ttl));
    }

    TEST_CASE("mutation: a payload that ends in the header or the text is refused")
    {
        mutation_header header;
        const auto bytes = payload_of(header, "text", {});
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            CAPTURE(size);
            CHECK_FALSE(parse_mutation(bytes.view().first(size)));
        }
        CHECK(parse_mutation(bytes.view()));
    }

    TEST_CASE("mutation: another format and unknown kinds are refused")
    {
        for (const int kind : {0, 5, 255}) {
            CAPTURE(kind);
            auto bytes = payload_of({}, {}, {});
            bytes.data()[1] = static_cast<std::byte>(kind);
            CHECK_FALSE(parse_mutation(bytes.view()));
        }
        auto bytes = payload_of({}, {}, {});
        bytes.data()[0] = std::byte{2};
        CHECK_FALSE(parse_mutation(bytes.view()));
    }

    TEST_CASE("mutation: the children of a batch come back in order")
    {
        const auto children = batch_of_two();
        mutation_header header;
        header.kind = mutation_kind::batch;
        header.count = 2;
        const auto bytes = payload_of(header, {}, children.view());
        const auto view = parse_mutation(bytes.view());
        REQUIRE(view);
        child_reader reader(*view);
        auto child = reader.next();
        REQUIRE((child && *child));
        CHECK((*child)->prepared);
        CHECK((*child)->statement == 7);
        CHECK((*child)->value_count == 2);
        CHECK(as_text((*child)->values) == "12345678");
        child = reader.next();
        REQUIRE((child && *child));
        CHECK_FALSE((*child)->prepared);
        CHECK((*child)->text == "DELETE FROM k.t WHERE a = 1");
        CHECK((*child)->values.empty());
        child = reader.next();
        REQUIRE(child);
        CHECK_FALSE(child->has_value());
    }

    TEST_CASE("mutation: a batch that is cut anywhere is refused, never read past its end")
    {
        const auto children = batch_of_two();
        mutation_header header;
        header.kind = mutation_kind::batch;
        header.count = 2;
        for (std::size_t size = 0; size < children.size(); ++size) {
            CAPTURE(size);
            const auto bytes = payload_of(header, {}, children.view().first(size));
            const auto view = parse_mutation(bytes.view());
            REQUIRE(view);
            child_reader reader(*view);
            auto child = reader.next();
            while (child && *child) child = reader.next();
            CHECK_FALSE(child);
        }
    }
}
