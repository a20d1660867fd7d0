#include "progress.hpp"

#include <algorithm>

#include "text.hpp"

namespace dualwrite::program {

namespace {

// Rounded down: 100 % means that all is done.
std::string percent_text(double part)
{
    return std::to_string(static_cast<int>(std::clamp(part, 0.0, 1.0) * 100)) + " %";
}

std::string whole_text(double number)
{
    return grouped(static_cast<std::uint64_t>(std::max(number, 0.0)));
}

std::string findings_text(const dw_job_progress& p)
{
    return grouped(p.missing) + " missing at the target, " + grouped(p.extra) +
           " only at the target, " + grouped(p.differing) + " different";
}

}  // namespace

std::string progress_text(const std::string& verb, const dw_job_progress& progress)
{
    if (*progress.table == '\0') return verb + ": connecting and reading the schema";
    auto text = verb + ' ' + progress.table + "  " + percent_text(progress.done_fraction) + "  " +
                grouped(progress.rows) + " rows  " + whole_text(progress.rows_per_s) + " rows/s";
    if (progress.eta_s >= 0) text += "  ETA " + clock_text(progress.eta_s);
    text += "  ranges " + grouped(progress.ranges_done + progress.ranges_skipped) + '/' +
            grouped(progress.ranges_total);
    if (progress.ranges_failed != 0) text += ", " + grouped(progress.ranges_failed) + " failed";
    const auto found = progress.missing + progress.extra + progress.differing;
    if (found != 0) text += "  " + grouped(found) + " differences";
    return text;
}

std::string summary_text(const std::string& verb, const dw_job_progress& progress)
{
    auto text = verb + ": " + grouped(progress.rows) + " rows, " + grouped(progress.cells) +
                " cells, " + bytes_text(progress.bytes) + " in " + clock_text(progress.elapsed_s);
    if (progress.elapsed_s > 0)
        text +=
            " (" + whole_text(static_cast<double>(progress.rows) / progress.elapsed_s) + " rows/s)";
    text += "\nranges: " + grouped(progress.ranges_done) + " done, " +
            grouped(progress.ranges_skipped) + " done earlier, " + grouped(progress.ranges_failed) +
            " failed, of " + grouped(progress.ranges_total);
    if (verb == "validate")
        text += "\nrows: " + findings_text(progress) + "; " + grouped(progress.rechecked) +
                " were only lag";
    if (progress.repaired != 0) text += ", " + grouped(progress.repaired) + " were repaired";
    return text;
}

}  // namespace dualwrite::program
