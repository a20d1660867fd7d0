// A live proxy between two fake clusters, for tests of what its metrics port shows. Prints the port
// and does what standard input says, a word a line: `stall`, `resume`, `refuse`, `away`, `stop`.
// Writes to three tables go on all the time. With the argument `refuse` the target has refused one
// for good when the port is printed.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;

namespace {

// About 100 writes a second, on a connection of its own, until it is told to end.
void write_on(proxy_rig& rig, const std::atomic<bool>& ending)
{
    const std::string tables[] = {"shop.orders", "shop.carts", "crm.people"};
    auto client = rig.client();
    for (int i = 0; !ending.load(); ++i) {
        const auto& table = tables[i % 7 < 4 ? 0 : i % 7 < 6 ? 1 : 2];
        (void)client.query("INSERT INTO " + table + " (a) VALUES (" + std::to_string(i) + ")");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

// As an application does when its source is away.
void write_again_and_again(proxy_rig& rig, const std::atomic<bool>& ending)
{
    while (!ending.load()) {
        try {
            write_on(rig, ending);
        } catch (const wire_error&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
    }
}

void obey(proxy_rig& rig, const std::string& word)
{
    using protocol::error_code;
    if (word == "stall")
        rig.target.set_script([](const seen_request&) { return reply::held(); });
    else if (word == "resume") {
        rig.target.set_script({});
        rig.target.answer_held();
    } else if (word == "refuse")
        rig.target.set_script([](const seen_request& r) {
            return r.begins_with("INSERT INTO crm")
                       ? reply::error(error_code::invalid, "no such table")
                       : reply::normal();
        });
    else if (word == "away")
        rig.source.down();
}

}  // namespace

int main(int argc, char** argv)
{
    proxy_rig rig;
    for (const auto* table : {"orders", "carts"})
        for (auto* side : {&rig.source, &rig.target}) side->add_table("shop", table);
    for (auto* side : {&rig.source, &rig.target}) side->add_table("crm", "people");
    rig.options.metrics = true;
    rig.options.metrics_port = 0;
    rig.options.source.identifier = "old ring";
    rig.options.target.identifier = "new ring";
    rig.options.patience.refusal_ms = 500;
    rig.start();
    std::atomic<bool> ending{false};
    std::thread writer([&] { write_again_and_again(rig, ending); });
    if (argc > 1) {
        obey(rig, argv[1]);
        if (!eventually([&] { return rig.number("dead_letters") > 0; })) return 1;
    }
    std::printf("%d\n", rig.running().metrics_port());
    std::fflush(stdout);
    for (std::string word; std::getline(std::cin, word) && word != "stop";) obey(rig, word);
    ending.store(true);
    writer.join();
    return 0;
}
