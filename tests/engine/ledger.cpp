#include "../../src/engine/ledger.hpp"

#include <dualwrite/engine/job.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "../support/temporary_folder.hpp"

using namespace dualwrite;
using namespace dualwrite::engine;
using dualwrite::test::temporary_folder;
using nlohmann::json;

namespace {

const ledger_identity identity{"source cluster", "target cluster", "shop"};

// The ledger that a plan has made, and reports of the jobs that were given parts of it.
struct planned {
    temporary_folder folder;
    copy_options options;
    std::string why;

    planned()
    {
        options.source.host = "a";
        options.target.host = "b";
        options.keyspace = "shop";
        options.state_dir = folder.path();
        auto made = open();
        REQUIRE(made->begin_table({"carts", "1", "2"}, why));
    }

    std::unique_ptr<ledger> open()
    {
        auto opened =
            ledger::open(folder.path() + "/copy-a_9042-b_9042-shop.sqlite", identity, false, why);
        REQUIRE_MESSAGE(opened, why);
        return *std::move(opened);
    }
    result<void> merge(const json& report) { return job::merge(options, report.dump(), why); }
    std::vector<copy::token_range> done()
    {
        auto found = open()->done_of("carts", why);
        REQUIRE(found);
        return found->ranges();
    }
};

json report(const json& done, const json& failed = json::array())
{
    return {
        {"job", "copy"},
        {"keyspace", "shop"},
        {"tables", {{{"table", "carts"}, {"done", done}}}},
        {"failed_ranges", failed}};
}

copy::token_range range(std::int64_t start, std::int64_t end)
{
    return {{start}, {end}};
}

}  // namespace

TEST_SUITE_BEGIN("engine/ledger");

TEST_CASE("merge: what others have done is added, however often it is said")
{
    planned its;
    const auto first = report({{0, 10, 5, 15}, {20, 30, 1, 1}});
    for (int i = 0; i < 2; ++i) REQUIRE_MESSAGE(its.merge(first), its.why);
    CHECK(its.done() == std::vector{range(0, 10), range(20, 30)});
    REQUIRE(its.merge(report({{5, 25, 9, 9}})));
    CHECK(its.done() == std::vector{range(0, 30)});
    // Still a ledger that a copy accepts: no range is in it twice.
    CHECK(its.open()->begin_table({"carts", "1", "2"}, its.why));
}

TEST_CASE("merge: failed ranges are kept until they are done")
{
    planned its;
    const json failed{{{"table", "carts"}, {"start", 0}, {"end", 10}, {"error", "too slow"}}};
    REQUIRE(its.merge(report(json::array(), failed)));
    REQUIRE(its.open()->failed().size() == 1);
    CHECK(its.open()->failed()[0].error == "too slow");
    REQUIRE(its.merge(report({{0, 10, 1, 1}})));
    CHECK(its.open()->failed().empty());
}

TEST_CASE("merge: what is no report of this copy is refused, and nothing of it is kept")
{
    planned its;
    auto other = report({{0, 10, 1, 1}});
    other["keyspace"] = "bank";
    auto validation = report({{0, 10, 1, 1}});
    validation["job"] = "validate";
    for (const auto& text :
         {std::string(),
          std::string("{"),
          std::string("[]"),
          other.dump(),
          validation.dump(),
          report({{10, 0, 1, 1}}).dump(),
          report({{0, 10}}).dump(),
          report({"x"}).dump()}) {
        its.why.clear();
        CHECK(
            job::merge(its.options, text, its.why).error() ==
            make_error_code(errc::invalid_argument)
        );
        CHECK_FALSE(its.why.empty());
    }
    CHECK(its.done().empty());
}

TEST_CASE("merge: needs the ledger that the plan has made, free and undamaged")
{
    planned its;
    {
        const auto held = its.open();
        CHECK(its.merge(report({{0, 10, 1, 1}})).error() == make_error_code(errc::spool_locked));
    }
    its.options.keyspace = "other";
    auto of_other = report({{0, 10, 1, 1}});
    of_other["keyspace"] = "other";
    CHECK(its.merge(of_other).error() == make_error_code(errc::ledger_mismatch));
    CHECK(its.why.find("the plan of a copy makes it") != std::string::npos);
}

TEST_SUITE_END();
