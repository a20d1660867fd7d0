#include <dualwrite/protocol/primitives.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

TEST_SUITE("protocol/primitives")
{
    TEST_CASE("reader: reads integers big-endian and knows where it stands")
    {
        const auto in = bytes({1, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfd, 0, 0, 0, 1, 0, 0, 0, 2, 9});
        reader r(in);
        CHECK(*r.byte_() == 1);
        CHECK(*r.short_() == 0xfffe);
        CHECK(*r.int_() == -3);
        CHECK(*r.long_() == 0x100000002);
        CHECK(r.position() == 15);
        CHECK(hex(r.remaining()) == "09");
        CHECK(r.short_().error() == errc::malformed);
        // Failed once is failed for ever: no later field may be read from the wrong place.
        CHECK(r.byte_().error() == errc::malformed);
    }

    TEST_CASE("reader: reads what the append functions wrote")
    {
        byte_buffer out;
        append_string(out, "ks");
        append_long_string(out, "SELECT 1");
        append_uuid(out, {std::byte{1}, std::byte{2}});
        append_string_list(out, string_list{"a", "", "ccc"});
        append_bytes(out, as_bytes("xy"));
        append_bytes(out, std::nullopt);
        append_bytes(out, bytes_view{});
        append_short_bytes(out, as_bytes("id"));
        append_string_map(out, {{"k", "v"}, {"", ""}});
        append_string_multimap(out, {{"m", {"1", "2"}}, {"n", {}}});
        append_consistency(out, consistency::local_one);

        const auto copied = copy(out.view());
        reader r(copied);
        CHECK(*r.string() == "ks");
        CHECK(*r.long_string() == "SELECT 1");
        CHECK((*r.uuid())[1] == std::byte{2});
        CHECK(*r.string_list() == string_list{"a", "", "ccc"});
        CHECK(as_text(**r.bytes()) == "xy");
        CHECK_FALSE(r.bytes()->has_value());
        const auto empty = *r.bytes();
        REQUIRE(empty.has_value());
        CHECK(empty->empty());
        CHECK(as_text(*r.short_bytes()) == "id");
        CHECK(*r.string_map() == string_map{{"k", "v"}, {"", ""}});
        CHECK(*r.string_multimap() == string_multimap{{"m", {"1", "2"}}, {"n", {}}});
        CHECK(*r.consistency() == consistency::local_one);
        CHECK(r.remaining().empty());
    }

    TEST_CASE("reader: tells a null value, an unset one and an empty one apart")
    {
        byte_buffer out;
        append_value(out, bound_value::null());
        append_value(out, bound_value::unset());
        append_value(out, bound_value::of({}));
        append_value(out, bound_value::of(as_bytes("x")));
        CHECK(
            hex(out.view()) == "ffffffff"
                               "fffffffe"
                               "00000000"
                               "00000001"
                               "78"
        );
        reader r(out.view());
        CHECK(r.value()->is == bound_value::state::null);
        CHECK(r.value()->is == bound_value::state::unset);
        const auto empty = *r.value();
        CHECK(empty.is == bound_value::state::present);
        CHECK(empty.bytes.empty());
        CHECK(as_text(r.value()->bytes) == "x");
    }

    TEST_CASE("reader: refuses the sizes that a notation does not allow")
    {
        const auto minus_three = bytes({0xff, 0xff, 0xff, 0xfd});
        CHECK(reader(minus_three).value().error() == errc::malformed);
        CHECK_FALSE(reader(minus_three).bytes()->has_value());  // any negative size is null here
        CHECK(reader(bytes({0xff, 0xff, 0xff, 0xff})).long_string().error() == errc::malformed);
        CHECK(reader(bytes({0x7f, 0xff, 0xff, 0xff, 1})).bytes().error() == errc::malformed);
        CHECK(reader(bytes({0x7f, 0xff, 0xff, 0xff, 1})).value().error() == errc::malformed);
        CHECK(reader(bytes({0, 11})).consistency().error() == errc::malformed);
        CHECK(reader(bytes({0, 10})).consistency().has_value());
    }

    TEST_CASE("reader: refuses a count of items that are not there")
    {
        CHECK(reader(bytes({0xff, 0xff, 0, 0})).string_list().error() == errc::malformed);
        CHECK(reader(bytes({0xff, 0xff, 0, 0})).string_map().error() == errc::malformed);
        CHECK(reader(bytes({0xff, 0xff, 0, 0})).string_multimap().error() == errc::malformed);
    }

    TEST_CASE("reader: reads addresses of both families and refuses other sizes")
    {
        inet_value address{.address_size = 16, .port = 9042};
        address.address[15] = std::byte{1};
        byte_buffer out;
        append_inet(out, address);
        CHECK(
            hex(out.view()) == "10"
                               "00000000000000000000000000000001"
                               "00002352"
        );
        CHECK(*reader(out.view()).inet() == address);
        CHECK(hex(reader(bytes({4, 127, 0, 0, 1, 0, 0, 0, 5})).inet()->view()) == "7f000001");
        CHECK(reader(bytes({4, 127, 0, 0, 1})).inet_address()->address_size == 4);
        for (const int size : {0, 3, 5, 15, 17, 255})
            CHECK(reader(bytes({size}) + noise(300)).inet().error() == errc::malformed);
    }

    TEST_CASE("reader: every notation refuses each of its truncations")
    {
        byte_buffer out;
        const auto check = [&](auto append, auto read) {
            out.clear();
            append();
            check_every_truncation(out.view(), [&](bytes_view in) {
                reader r(in);
                return read(r);
            });
        };
        check([&] { append_string(out, "abc"); }, [](reader& r) { return r.string(); });
        check([&] { append_long_string(out, "abc"); }, [](reader& r) { return r.long_string(); });
        check([&] { append_uuid(out, {}); }, [](reader& r) { return r.uuid(); });
        check([&] { append_bytes(out, as_bytes("a")); }, [](reader& r) { return r.bytes(); });
        check(
            [&] { append_value(out, bound_value::of(as_bytes("a"))); },
            [](reader& r) { return r.value(); }
        );
        check(
            [&] { append_short_bytes(out, as_bytes("a")); },
            [](reader& r) { return r.short_bytes(); }
        );
        check([&] { append_inet(out, {}); }, [](reader& r) { return r.inet(); });
        check(
            [&] {
                append_string_list(out, string_list{"a", "b"});
            },
            [](reader& r) { return r.string_list(); }
        );
        check(
            [&] {
                append_string_map(out, {{"a", "b"}});
            },
            [](reader& r) { return r.string_map(); }
        );
        check(
            [&] {
                append_string_multimap(out, {{"a", {"b", "c"}}});
            },
            [](reader& r) { return r.string_multimap(); }
        );
        check([&] { append_long(out, 1); }, [](reader& r) { return r.long_(); });
    }

    TEST_CASE("cursor: gives zeros and empty views past the end and remembers it")
    {
        const auto in = bytes({1, 2, 3});
        cursor c(in);
        CHECK(c.int_() == 0);
        CHECK_FALSE(c.ok());
        CHECK(c.byte_() == 0);
        CHECK(c.string().empty());
        CHECK(c.raw(0).empty());
        CHECK(c.position() == 0);
        CHECK(c.uuid_() == uuid_value{});
        CHECK(c.strings().empty());
    }
}
