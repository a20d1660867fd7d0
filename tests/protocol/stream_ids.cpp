#include <dualwrite/protocol/stream_ids.hpp>

#include <set>

#include "support.hpp"

using namespace dualwrite::protocol;

TEST_SUITE("protocol/stream_ids")
{
    TEST_CASE("stream_ids: gives every id once, lowest first, and then none")
    {
        for (const auto count :
             std::initializer_list<std::size_t>{1, 2, 63, 64, 65, 128, 1000, 32768}) {
            CAPTURE(count);
            stream_ids ids(count);
            for (std::size_t i = 0; i < count; ++i) REQUIRE(ids.take() == static_cast<int>(i));
            CHECK_FALSE(ids.take().has_value());
            CHECK(ids.in_use() == count);
        }
    }

    TEST_CASE("stream_ids: gives back ids in any order and reuses the lowest")
    {
        stream_ids ids(200);
        for (int i = 0; i < 200; ++i) ids.take();
        for (const auto id : std::initializer_list<std::int16_t>{150, 3, 64, 199})
            CHECK(ids.give_back(id));
        CHECK(ids.in_use() == 196);
        for (const int id : {3, 64, 150, 199}) CHECK(ids.take() == id);
        CHECK_FALSE(ids.take().has_value());
    }

    TEST_CASE("stream_ids: says no to an id that is not in use")
    {
        stream_ids ids(65);
        CHECK_FALSE(ids.give_back(0));
        CHECK(ids.take() == 0);
        CHECK(ids.is_in_use(0));
        CHECK(ids.give_back(0));
        CHECK_FALSE(ids.give_back(0));
        CHECK_FALSE(ids.is_in_use(0));
        for (const int id : {-1, -32768, 65, 127, 32767}) {
            CHECK_FALSE(ids.is_in_use(static_cast<std::int16_t>(id)));
            CHECK_FALSE(ids.give_back(static_cast<std::int16_t>(id)));
        }
        CHECK(ids.in_use() == 0);
    }

    TEST_CASE("stream_ids: behaves like a set of numbers over a long random run")
    {
        stream_ids ids(300);
        std::set<int> free, used;
        for (int i = 0; i < 300; ++i) free.insert(i);
        std::uint32_t seed = 7;
        for (int step = 0; step < 20000; ++step) {
            seed = seed * 1664525 + 1013904223;
            if ((seed >> 16) % 2 == 0) {
                const auto id = ids.take();
                REQUIRE(id.has_value() == !free.empty());
                if (!id) continue;
                REQUIRE(*id == *free.begin());
                free.erase(*id);
                used.insert(*id);
            } else {
                const auto id = static_cast<int>((seed >> 20) % 300);
                REQUIRE(ids.give_back(static_cast<std::int16_t>(id)) == (used.erase(id) == 1));
                free.insert(id);
            }
            REQUIRE(ids.in_use() == used.size());
        }
    }
}
