#include <dualwrite/dualwrite.h>

#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "cli/console.hpp"
#include "cli/handles.hpp"
#include "cli/signals.hpp"
#include "cli/text.hpp"
#include "run.hpp"

using namespace dualwrite::program;

namespace {

constexpr auto usage = "Usage: dualwrite-proxy [--OPTION VALUE]... SOURCE TARGET\n";

void print_help(const dw_conf* conf)
{
    std::printf(
        "%s\n"
        "Relays CQL clients to the cluster SOURCE, unchanged, and sends each of their writes to "
        "the\n"
        "cluster TARGET as well, with the same write time. Clients only change address and port.\n"
        "%s\n"
        "  -h, --help                    This text.\n"
        "  --version                     The version.\n"
        "\n"
        "Each option is also an environment variable: DUALWRITE_PROXY_PORT for --proxy-port.\n"
        "Names may be shortened while they stay unique; --OPTION=VALUE and -p9042 work as well.\n"
        "\n"
        "SIGTERM and Ctrl-C drain: clients are let go, then what waits for the target is "
        "delivered,\n"
        "for at most --drain-limit. A second signal stops at once.\n"
        "Exit code: 0 all writes are delivered; 1 it failed, or some are left for the next start;\n"
        "255 wrong arguments.\n",
        usage,
        options_text(keys_of(conf)).c_str()
    );
}

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

int run_program(console& out, std::span<const std::string_view> words)
{
    const auto conf = new_conf(DW_COMMAND_PROXY);
    const auto given = read_arguments(keys_of(conf.get()), words);
    if (given.help) return print_help(conf.get()), 0;
    if (given.version) return std::printf("dualwrite-proxy %s\n", dw_version()), 0;
    for (const auto& warning : given.warnings) out.say(warning);
    if (!given.error.empty()) return print_usage(out, explain(conf.get(), given));
    try {
        check([&](dw_error* err) { return dw_conf_load_env(conf.get(), err); });
        apply(conf.get(), given);
        check([&](dw_error* err) { return dw_conf_check(conf.get(), err); });
    } catch (const call_error& error) {
        if (error.is_usage()) return print_usage(out, error.what());
        throw;
    }
    const signals asked;  // before any thread is there
    return run_proxy(out, conf.get(), asked);
}

}  // namespace

int main(int argc, char** argv)
{
    console out("dualwrite-proxy");
    try {
        const std::vector<std::string_view> words(argv + std::min(argc, 1), argv + argc);
        return run_program(out, words);
    } catch (const std::exception& error) {
        out.say(error.what());
        return 1;
    }
}
