#include "cli/text.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "cli/progress.hpp"

using namespace dualwrite::program;

TEST_SUITE("cli/text")
{
    TEST_CASE("grouped: puts a comma before each three digits")
    {
        CHECK(grouped(0) == "0");
        CHECK(grouped(999) == "999");
        CHECK(grouped(1000) == "1,000");
        CHECK(grouped(18'446'744'073'709'551'615u) == "18,446,744,073,709,551,615");
    }

    TEST_CASE("bytes_text: takes the largest unit below the number")
    {
        CHECK(bytes_text(0) == "0 B");
        CHECK(bytes_text(1023) == "1023 B");
        CHECK(bytes_text(1024) == "1.0 KiB");
        CHECK(bytes_text(std::uint64_t{3} << 40) == "3.0 TiB");
        CHECK(bytes_text(UINT64_MAX) == "16.0 EiB");
    }

    TEST_CASE("clock_text: shows hours only where there are some")
    {
        CHECK(clock_text(0) == "0:00");
        CHECK(clock_text(-1) == "0:00");
        CHECK(clock_text(59.6) == "1:00");
        CHECK(clock_text(75) == "1:15");
        CHECK(clock_text(4000) == "1:06:40");
    }

    TEST_CASE("options_text: shows every key once, lines within 100 columns")
    {
        for (const auto command : {DW_COMMAND_PROXY, DW_COMMAND_COPY, DW_COMMAND_VALIDATE}) {
            const auto conf = new_conf(command);
            const auto keys = keys_of(conf.get());
            const auto text = options_text(keys);
            for (const auto& key : keys) {
                if ((key.flags & DW_KEY_POSITIONAL) != 0) continue;
                CAPTURE(key.name);
                CHECK(text.find(std::string("--") + key.name) != text.npos);
            }
            std::size_t column = 0;
            for (const char c : text) {
                column = c == '\n' ? 0 : column + 1;
                CHECK(column <= 100);
            }
        }
    }

    TEST_CASE("settings_text: hides secrets")
    {
        const auto conf = new_conf(DW_COMMAND_PROXY);
        dw_conf_set(conf.get(), "target-password", "Xyzzy", nullptr);
        bool shown = false;
        for (const auto& line : settings_text(conf.get())) {
            CHECK(line.find("Xyzzy") == line.npos);
            shown |= line == "target-password : ********";
        }
        CHECK(shown);
    }

    TEST_CASE("progress_text: shows what is done, how fast, how long it takes")
    {
        dw_job_progress p = DW_JOB_PROGRESS_INIT;
        CHECK(progress_text("copy", p) == "copy: connecting and reading the schema");
        std::copy_n("ks.t", 5, p.table);
        p.rows = 25'000;
        p.done_fraction = 0.999;
        p.rows_per_s = 2500.7;
        p.eta_s = 30;
        p.ranges_total = 64;
        p.ranges_done = 16;
        CHECK(
            progress_text("copy", p) ==
            "copy ks.t  99 %  25,000 rows  2,500 rows/s  ETA 0:30  ranges 16/64"
        );
        p.ranges_skipped = 32;
        p.ranges_failed = 1;
        p.missing = 2;
        CHECK(
            progress_text("validate", p) ==
            "validate ks.t  99 %  25,000 rows  2,500 rows/s  ETA 0:30  ranges 48/64, 1 failed  "
            "2 differences"
        );
    }

    TEST_CASE("summary_text: validation tells what it found")
    {
        dw_job_progress p = DW_JOB_PROGRESS_INIT;
        p.rows = 1000;
        p.cells = 3000;
        p.bytes = 2048;
        p.elapsed_s = 2;
        p.missing = 1;
        p.ranges_total = p.ranges_done = 4;
        CHECK(
            summary_text("copy", p) ==
            "copy: 1,000 rows, 3,000 cells, 2.0 KiB in 0:02 (500 rows/s)\n"
            "ranges: 4 done, 0 done earlier, 0 failed, of 4"
        );
        CHECK(summary_text("validate", p)
                  .ends_with("\nrows: 1 missing at the target, 0 only at the target, 0 different; "
                             "0 were only lag"));
    }
}
