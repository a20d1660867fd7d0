#include <dualwrite/engine/runs.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/engine/ledger.hpp"
#include "../../src/engine/run_record.hpp"

using namespace dualwrite;
using namespace dualwrite::engine;

namespace {

class folder {
public:
    folder() : path_(std::filesystem::temp_directory_path() / "dualwrite-runs-XXXXXX")
    {
        auto name = path_.string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~folder() { std::filesystem::remove_all(path_); }
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

run_info copy_of(const std::string& folder, const std::string& keyspace)
{
    run_info run;
    run.job = "copy";
    run.source = "s:9042";
    run.target = "t:9042";
    run.keyspace = keyspace;
    run.folder = folder;
    run.ledger = "copy-" + keyspace + ".sqlite";
    return run;
}

std::vector<run_info> listed(const std::string& folder)
{
    std::string why;
    auto runs = list_runs(folder, why);
    INFO(why);
    REQUIRE(runs);
    return *runs;
}

void end(run_record& record, const std::string& state, const std::string& error = {})
{
    run_info run;
    run.state = state;
    run.error = error;
    run.rows = 12;
    run.ranges_done = 3;
    run.ranges_failed = 1;
    run.differences = 5;
    std::string why;
    REQUIRE(record.end(run, why));
}

std::unique_ptr<run_record> begin(const run_info& run)
{
    std::string why;
    auto record = run_record::begin(run, why);
    INFO(why);
    REQUIRE(record);
    return record;
}

}  // namespace

TEST_SUITE("engine/runs")
{
    TEST_CASE("list_runs: a run from its beginning to its end, also in a folder below")
    {
        const folder at;
        const auto below = at.path() + "/copy-shop";
        auto record = begin(copy_of(below, "shop"));
        auto runs = listed(at.path());
        REQUIRE(runs.size() == 1);
        CHECK(runs[0].state == "running");
        CHECK(runs[0].ended_ms == 0);
        CHECK(count_unfinished(runs) == 0);
        end(*record, "failed", "range (0, 5]: no answer");
        runs = listed(at.path());
        REQUIRE(runs.size() == 1);
        CHECK(runs[0].state == "failed");
        CHECK(runs[0].error == "range (0, 5]: no answer");
        CHECK(runs[0].rows == 12);
        CHECK(runs[0].ranges_failed == 1);
        CHECK(runs[0].ended_ms >= runs[0].started_ms);
        CHECK(runs[0].folder == below);
        CHECK(count_unfinished(runs) == 1);
        // The next run makes up for it.
        end(*begin(copy_of(below, "shop")), "succeeded");
        runs = listed(below);
        CHECK(runs.size() == 2);
        CHECK(count_unfinished(runs) == 0);
        // A validation that found differences has ended as it should.
        auto validation = copy_of(below, "shop");
        validation.job = "validate";
        end(*begin(validation), "different");
        CHECK(count_unfinished(listed(below)) == 0);
    }

    TEST_CASE("list_runs: a run whose process was killed is interrupted")
    {
        const folder at;
        const auto child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            std::string why;
            const auto record = run_record::begin(copy_of(at.path(), "shop"), why);
            ::kill(::getpid(), SIGKILL);
        }
        // As a zombie it has ended, and its number is still taken.
        siginfo_t info{};
        REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
        CHECK(listed(at.path()).at(0).state == "interrupted");
        REQUIRE(::waitpid(child, nullptr, 0) == child);
        CHECK(listed(at.path()).at(0).state == "interrupted");
        CHECK(count_unfinished(listed(at.path())) == 1);
    }

    TEST_CASE("list_runs: the newest run of a ledger shows its tables and failed ranges")
    {
        const folder at;
        end(*begin(copy_of(at.path(), "shop")), "failed");
        end(*begin(copy_of(at.path(), "shop")), "failed");
        std::string why;
        {
            auto opened = ledger::open(
                at.path() + "/copy-shop.sqlite", ledger_identity{"S", "T", "shop"}, false, why
            );
            REQUIRE(opened);
            REQUIRE((*opened)->begin_table({"a", "1", "2"}, why));
            REQUIRE((*opened)->begin_table({"b", "1", "2"}, why));
            const copy::token_range half{copy::token_min, {0}};
            const copy::token_range rest{{0}, copy::token_max};
            REQUIRE((*opened)->record_done("a", {half, 10, 20}));
            REQUIRE((*opened)->record_done("a", {rest, 1, 2}));
            REQUIRE((*opened)->record_done("b", {half, 7, 7}));
            REQUIRE((*opened)->record_failed({"b", {{0}, {5}}, "no answer"}));
        }
        const auto runs = listed(at.path());
        REQUIRE(runs.size() == 2);
        CHECK(runs[0].tables.empty());
        REQUIRE(runs[1].tables.size() == 2);
        CHECK(runs[1].tables[0].done_fraction == 1);
        CHECK(runs[1].tables[0].rows == 11);
        CHECK(runs[1].tables[1].done_fraction == doctest::Approx(0.5));
        REQUIRE(runs[1].tables[1].failed.size() == 1);
        CHECK(runs[1].tables[1].failed[0].range.end.value == 5);
        const auto text = runs_text(runs);
        CHECK(text.find("    a  100.0 %, 2 ranges, 11 rows, 22 cells\n") != text.npos);
        CHECK(
            text.find("    b   50.0 %, 1 ranges, 7 rows, 7 cells, 1 ranges failed\n") != text.npos
        );
        CHECK(text.find("(0, 5]: no answer\n") != text.npos);
        CHECK(text.ends_with("1 not complete; the same command continues a copy where it was\n"));
        const auto json = runs_json(runs);
        CHECK(
            json.find(R"("failed_ranges":[{"end":5,"error":"no answer","start":0}])") != json.npos
        );
        CHECK(json.find(R"("unfinished":1)") != json.npos);
        // Without the file of runs, the ledger is all that is known.
        std::filesystem::remove(at.path() + "/runs.db");
        const auto alone = listed(at.path());
        REQUIRE(alone.size() == 1);
        CHECK(alone[0].state == "unknown");
        CHECK(alone[0].source == "S");
        CHECK(alone[0].started_ms > 0);
        CHECK(alone[0].tables.size() == 2);
    }

    TEST_CASE("list_runs: an empty folder has none; what is missing or damaged is said")
    {
        const folder at;
        CHECK(listed(at.path()).empty());
        std::string why;
        CHECK_FALSE(list_runs(at.path() + "/nothing", why));
        CHECK(why.find("is no directory") != why.npos);
        std::ofstream(at.path() + "/runs.db") << "no database at all, but long enough for one";
        CHECK_FALSE(list_runs(at.path(), why));
        CHECK(why.find("cannot read " + at.path() + "/runs.db") == 0);
        std::string other;
        CHECK(run_record::begin(copy_of(at.path(), "shop"), other) == nullptr);
        CHECK(other.find("is not written down") != other.npos);
    }
}
