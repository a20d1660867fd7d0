#include <dualwrite/dualwrite.h>

#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "cli/console.hpp"
#include "cli/face.hpp"
#include "cli/handles.hpp"
#include "cli/signals.hpp"
#include "cli/text.hpp"
#include "run.hpp"

using namespace dualwrite::program;

namespace {

constexpr auto usage = "Usage: dualwrite-proxy [--OPTION VALUE]... SOURCE TARGET\n";

int print_usage(console& out, std::string_view problem)
{
    out.say(problem);
    std::fputs(usage, stderr);
    std::fputs("Try dualwrite-proxy --help for all options.\n", stderr);
    return exit_usage;
}

void apply(dw_conf* conf, const arguments& given)
{
    for (const auto& its : given.settings) {
        const auto put = its.first ? dw_conf_set : dw_conf_add;
        check([&](dw_error* err) { return put(conf, its.key.c_str(), its.value.c_str(), err); });
    }
}

// The library knows which option was meant.
std::string explain(const dw_conf* conf, const arguments& given)
{
    if (given.unknown.empty()) return given.error;
    try {
        get(conf, given.unknown.c_str());
    } catch (const call_error& error) {
        return error.what();
    }
    return given.error;
}

int run_program(console& out, char** argv, std::span<const std::string_view> words)
{
    const auto shown = proxy_face();
    if (print_document(shown, {words.begin(), words.end()})) return 0;
    const auto conf = new_conf(DW_COMMAND_PROXY);
    const auto given = read_arguments(keys_of(conf.get()), words);
    if (given.help) return std::fputs(help_text(shown, shown.verbs.front()).c_str(), stdout), 0;
    if (given.version) return std::printf("dualwrite-proxy %s\n", dw_version()), 0;
    for (const auto& warning : given.warnings) out.say(warning);
    if (!given.error.empty()) return print_usage(out, explain(conf.get(), given));
    try {
        // In this order, so that a file which a flag names takes the place of the environment's.
        apply(conf.get(), given);
        check([&](dw_error* err) { return dw_conf_load_env(conf.get(), err); });
        check([&](dw_error* err) { return dw_conf_check(conf.get(), err); });
    } catch (const call_error& error) {
        if (error.is_usage()) return print_usage(out, error.what());
        throw;
    }
    if (given.check) return print_check(conf.get(), DW_REPORT_TEXT) == 0 ? 0 : 1;
    const signals asked({SIGUSR2});  // before any thread is there
    return run_proxy(out, conf.get(), asked, argv);
}

}  // namespace

int main(int argc, char** argv)
{
    console out("dualwrite-proxy");
    try {
        const std::vector<std::string_view> words(argv + std::min(argc, 1), argv + argc);
        return run_program(out, argv, words);
    } catch (const std::exception& error) {
        out.say(error.what());
        return 1;
    }
}
