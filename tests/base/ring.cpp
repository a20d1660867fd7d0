#include <dualwrite/base/ring.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <memory>
#include <random>
#include <string>

using namespace dualwrite;

TEST_SUITE_BEGIN("base/ring");

TEST_CASE("ring: gives back what was pushed, in order, however it grows and wraps")
{
    std::mt19937 random(20);
    ring<std::string> tested;
    std::deque<std::string> model;
    for (int step = 0; step < 20'000; ++step) {
        // More is pushed than popped in the first half, the other way round in the second.
        if (random() % 100 < (step < 10'000 ? 55u : 45u)) {
            model.push_back(std::to_string(step) + std::string(random() % 40, 'x'));
            tested.push(model.back());
        } else if (!model.empty()) {
            REQUIRE(tested.front() == model.front());
            REQUIRE(tested.pop() == model.front());
            model.pop_front();
        }
        REQUIRE(tested.size() == model.size());
        REQUIRE(tested.empty() == model.empty());
        if (model.empty()) continue;
        const auto i = random() % model.size();
        REQUIRE(tested[i] == model[i]);
    }
}

TEST_CASE("ring: keeps the place of the first element when it grows in the middle of a wrap")
{
    ring<int> tested;
    for (int i = 0; i < 16; ++i) tested.push(i);
    for (int i = 0; i < 10; ++i) CHECK(tested.pop() == i);
    for (int i = 16; i < 40; ++i) tested.push(i);
    REQUIRE(tested.size() == 30);
    for (int i = 10; i < 40; ++i) CHECK(tested.pop() == i);
    CHECK(tested.empty());
}

TEST_CASE("ring: what is popped leaves nothing behind that it owned")
{
    ring<std::shared_ptr<int>> tested;
    const auto owned = std::make_shared<int>(7);
    for (int i = 0; i < 20; ++i) tested.push(owned);
    for (int i = 0; i < 20; ++i) (void)tested.pop();
    CHECK(owned.use_count() == 1);
}

TEST_CASE("ring: is empty after clear() and can be used again")
{
    ring<int> tested;
    for (int i = 0; i < 5; ++i) tested.push(i);
    tested.clear();
    CHECK(tested.empty());
    tested.push(9);
    CHECK(tested.front() == 9);
    CHECK(tested.size() == 1);
}

TEST_SUITE_END();
