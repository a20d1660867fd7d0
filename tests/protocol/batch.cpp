#include <dualwrite/protocol/request.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

byte_vector full_batch(std::uint8_t version)
{
    const auto text_child = bytes({0, 0, 0, 0, 2, 'q', '1', 0, 0});
    const auto id_child = bytes({1, 0, 3, 7, 8, 9, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 5});
    const auto flags = version >= 5 ? bytes({0, 0, 1, 0xb0}) : bytes({0x30});
    auto out = bytes({1, 0, 2}) + text_child + id_child + bytes({0, 4}) + flags + bytes({0, 8}) +
               bytes({0, 0, 0, 0, 0, 0, 0, 42});
    return version >= 5 ? out + bytes({0, 1, 'k', 0, 0, 0, 77}) : out;
}

}  // namespace

TEST_SUITE("protocol/batch")
{
    TEST_CASE("parse_batch: reads every field of every version")
    {
        for (const auto version : all_versions) {
            CAPTURE(version);
            const auto body = full_batch(version);
            const auto batch = parse_batch(body, version);
            REQUIRE(batch.has_value());
            CHECK(batch->type == batch_type::unlogged);
            CHECK(batch->consistency == consistency::quorum);
            CHECK(batch->serial_consistency == consistency::serial);
            CHECK(batch->timestamp_us == 42);
            CHECK(batch->flags_offset == 3 + 9 + 17 + 2);
            CHECK(batch->timestamp_offset == 3 + 9 + 17 + 2 + (version >= 5 ? 4 : 1) + 2);
            CHECK(batch->keyspace.has_value() == (version >= 5));
            if (version >= 5) {
                CHECK(batch->keyspace == "k");
                CHECK(batch->now_in_seconds == 77);
            }

            REQUIRE(batch->children.size() == 2);
            auto child = batch->children.begin();
            CHECK_FALSE(child->prepared);
            CHECK(child->text == "q1");
            CHECK(child->value_count == 0);
            ++child;
            CHECK(child->prepared);
            CHECK(hex(child->id) == "070809");
            CHECK(child->value_count == 2);
            CHECK(
                hex(child->values) == "ffffffff"
                                      "00000001"
                                      "05"
            );
            ++child;
            CHECK(child == batch->children.end());
        }
    }

    TEST_CASE("parse_batch: refuses every truncation")
    {
        for (const auto version : all_versions)
            check_every_truncation(full_batch(version), [&](bytes_view in) {
                return parse_batch(in, version);
            });
    }

    TEST_CASE("parse_batch: takes a batch of nothing")
    {
        const auto batch = parse_batch(bytes({0, 0, 0, 0, 1, 0}), 4);
        REQUIRE(batch.has_value());
        CHECK(batch->children.empty());
        CHECK(batch->children.begin() == batch->children.end());
        CHECK(batch->type == batch_type::logged);
    }

    TEST_CASE("parse_batch: refuses unknown types of batches and of statements")
    {
        for (int type = 0; type < 256; ++type) {
            CAPTURE(type);
            CHECK(parse_batch(bytes({type, 0, 0, 0, 1, 0}), 4).has_value() == (type <= 2));
        }
        for (int kind = 0; kind < 256; ++kind) {
            CAPTURE(kind);
            // Readable as a text of no bytes and as an id of no bytes followed by no values.
            const auto body = bytes({0, 0, 1, kind, 0, 0, 0, 0, 0, 0, 0, 1, 0});
            CHECK(parse_batch(body, 4).has_value() == (kind <= 1));
        }
    }

    TEST_CASE("parse_batch: refuses a count of statements that are not there")
    {
        CHECK(parse_batch(bytes({0, 0xff, 0xff, 0, 1, 0}), 4).error() == errc::malformed);
    }

    TEST_CASE("batch_children: can be walked again, and by a range-for")
    {
        const auto body = full_batch(4);
        const auto batch = parse_batch(body, 4);
        for (int walk = 0; walk < 2; ++walk) {
            std::size_t values = 0;
            for (const auto& child : batch->children) values += child.value_count;
            CHECK(values == 2);
        }
    }

    TEST_CASE("parse_batch: counts offsets from the beginning of a body with a custom payload")
    {
        const auto prefix = bytes({0, 1, 0, 1, 'k', 0xff, 0xff, 0xff, 0xff});
        const auto body = prefix + full_batch(4);
        const auto batch = parse_batch(body, 4, flag_custom_payload);
        REQUIRE(batch.has_value());
        CHECK(batch->flags_offset == prefix.size() + 31);
        CHECK(batch->timestamp_us == 42);
    }
}
