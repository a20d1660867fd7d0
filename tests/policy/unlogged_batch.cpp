#include <dualwrite/policy/statement.hpp>
#include <dualwrite/policy/unlogged_batch.hpp>

#include <doctest/doctest.h>

using namespace dualwrite::policy;

TEST_SUITE("policy/unlogged_batch")
{
    TEST_CASE("as_unlogged: a logged batch keeps everything but that")
    {
        CHECK(
            as_unlogged("BEGIN BATCH USING TIMESTAMP 5 DELETE FROM t WHERE a = 'BATCH' APPLY BATCH"
            ) ==
            "BEGIN UNLOGGED BATCH USING TIMESTAMP 5 DELETE FROM t WHERE a = 'BATCH' APPLY BATCH"
        );
        CHECK(
            as_unlogged("/* BEGIN */ begin -- BATCH\n Logged batch DELETE FROM t APPLY BATCH") ==
            "/* BEGIN */ begin -- BATCH\n UNLOGGED batch DELETE FROM t APPLY BATCH"
        );
        const auto made =
            as_unlogged("BEGIN BATCH INSERT INTO k.t (a) VALUES (?) APPLY BATCH").value();
        CHECK(classify(made).batch == batch_type::unlogged);
    }

    TEST_CASE("as_unlogged: nothing else is changed")
    {
        for (const auto* text :
             {"BEGIN UNLOGGED BATCH DELETE FROM t WHERE a = 1 APPLY BATCH",
              "BEGIN COUNTER BATCH UPDATE t SET c = c + 1 WHERE a = 1 APPLY BATCH",
              "INSERT INTO batch (a) VALUES ('BEGIN BATCH')",
              "BEGIN",
              ""})
            CHECK_FALSE(as_unlogged(text));
    }

    TEST_CASE("refuses_logged_batch: by what the services say, not by what they say of others")
    {
        CHECK(refuses_logged_batch("Logged batches are not supported by the service yet. Please "
                                   "use unlogged batches instead."));
        CHECK(refuses_logged_batch("Only UNLOGGED Batches are supported at this time."));
        CHECK_FALSE(refuses_logged_batch("Batch too large"));
        CHECK_FALSE(refuses_logged_batch("user u is not logged in"));
        CHECK_FALSE(refuses_logged_batch(""));
    }
}
