#include "transaction_marks.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using dualwrite::engine::transaction_marks;

namespace {

const std::vector<std::string> first{"1"};
const std::vector<std::string> second{"2"};
const auto one = transaction_marks::place_of("k.t", first);
const auto other = transaction_marks::place_of("k.t", second);
const auto whole = transaction_marks::place_of("k.t");
const auto elsewhere = transaction_marks::place_of("k.u", first);

// They are large.
struct fixture {
    std::unique_ptr<transaction_marks> made = std::make_unique<transaction_marks>();
    transaction_marks& marks = *made;
};

}  // namespace

TEST_SUITE_BEGIN("engine/transaction_marks");

TEST_CASE_FIXTURE(fixture, "transaction_marks: without transactions nothing is covered")
{
    CHECK_FALSE(marks.any());
    CHECK_FALSE(marks.has("k.t"));
    for (const auto time : {INT64_MIN, std::int64_t{0}, INT64_MAX})
        for (const auto place : {one, whole, transaction_marks::place{}})
            CHECK_FALSE(marks.covers(place, time));
    marks.set_floor(1000);
    CHECK_FALSE(marks.covers(one, 999));
    marks.expect();
    CHECK(marks.any());
    CHECK_FALSE(marks.has("k.t"));
}

TEST_CASE_FIXTURE(fixture, "transaction_marks: what is not above a transaction's time is covered")
{
    marks.executed(one, 1000);
    CHECK(marks.has("k.t"));
    CHECK_FALSE(marks.has("k.u"));
    CHECK(marks.covers(one, 1000));
    CHECK_FALSE(marks.covers(one, 1001));
    CHECK_FALSE(marks.covers(other, 5));
    CHECK_FALSE(marks.covers(elsewhere, 5));
    // A write that does not name its partition may be of that one.
    CHECK(marks.covers(whole, 1000));
    CHECK_FALSE(marks.covers(whole, 1001));
    marks.executed(one, 500);
    CHECK(marks.covers(one, 1000));
    // What has its time in its text stands for any: it is not above what an earlier run may have.
    CHECK(marks.covers(one, INT64_MIN));
    CHECK(marks.covers(other, INT64_MIN));
    CHECK_FALSE(marks.covers(elsewhere, INT64_MIN));
}

TEST_CASE_FIXTURE(fixture, "transaction_marks: one that does not name its partition is of all")
{
    marks.executed(whole, 1000);
    CHECK(marks.covers(one, 1000));
    CHECK(marks.covers(other, 1000));
    CHECK_FALSE(marks.covers(one, 1001));
    CHECK_FALSE(marks.covers(elsewhere, 5));
}

TEST_CASE_FIXTURE(fixture, "transaction_marks: one that may still come covers every time")
{
    marks.open(one);
    marks.open(one);
    CHECK(marks.has("k.t"));
    CHECK(marks.covers(one, INT64_MAX));
    CHECK(marks.covers(whole, INT64_MAX));
    CHECK_FALSE(marks.covers(other, 5));
    marks.close(one, 1000);
    CHECK(marks.covers(one, INT64_MAX));
    marks.close(one, 900);
    CHECK(marks.covers(one, 1000));
    CHECK_FALSE(marks.covers(one, 1001));
    CHECK_FALSE(marks.covers(whole, 1001));
}

TEST_CASE_FIXTURE(fixture, "transaction_marks: without the source's clock every time is covered")
{
    marks.executed(one, transaction_marks::unknown);
    CHECK(marks.covers(one, INT64_MAX));
    marks.executed(other, 50);
    marks.clock_known(1000);
    CHECK(marks.covers(one, 1000));
    CHECK_FALSE(marks.covers(one, 1001));
    CHECK_FALSE(marks.covers(whole, 1001));
    CHECK_FALSE(marks.covers(other, 51));
}

TEST_CASE_FIXTURE(fixture, "transaction_marks: an earlier run's have no partition any more")
{
    marks.set_floor(1000);
    marks.executed(one, 1);
    CHECK(marks.covers(other, 1000));
    CHECK_FALSE(marks.covers(other, 1001));
    CHECK_FALSE(marks.covers(elsewhere, 5));
}

TEST_CASE("transaction_marks: keys that read the same in a row are not the same")
{
    const std::vector<std::string> ab{"a", "b"};
    const std::vector<std::string> joined{"ab"};
    const std::vector<std::string> ba{"b", "a"};
    const auto place = [](const auto& key) {
        return transaction_marks::place_of("k.t", key).partition;
    };
    CHECK(place(ab) != place(joined));
    CHECK(place(ab) != place(ba));
    CHECK(place(ab) == place(std::vector<std::string>{"a", "b"}));
}

TEST_SUITE_END();
