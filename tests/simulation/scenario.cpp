#include <algorithm>

#include "simulation.hpp"

namespace sim {

namespace {

constexpr std::int64_t second_us = 1'000'000;

std::int64_t one_of(random_source& random, std::initializer_list<std::int64_t> from)
{
    return from.begin()[random.below(static_cast<std::int64_t>(from.size()))];
}

void choose_faults(random_source& random, scenario& s)
{
    using kind = fault::kind;
    const auto count = random.below(5);
    for (std::int64_t i = 0; i < count; ++i) {
        fault f;
        f.what = static_cast<kind>(random.below(9));
        f.at_us = random.between(100'000, 5 * second_us);
        f.for_us = random.chance(300) ? random.between(second_us, 12 * second_us)
                                      : random.between(20'000, 1'500'000);
        f.detail = random.between(1, 40);
        // A request of version 4 that stands in a silent network expires later by as much.
        if (s.source.version_max < 5 || s.target.version_max < 5)
            f.for_us = std::min<std::int64_t>(f.for_us, 900'000);
        // Without a sync the loss of power is not what the proxy promises to survive.
        if (f.what == kind::power_loss &&
            s.process.durable == dualwrite::engine::durability::process)
            f.what = kind::kill;
        // Version 4 derives the expiry from the clocks of the clusters, which are right.
        if (f.what == kind::clock_back && (s.source.version_max < 5 || s.target.version_max < 5))
            f.what = kind::target_silent;
        if (f.what == kind::clock_back) f.detail = random.between(1'000, 30 * second_us);
        s.faults.push_back(f);
    }
}

void choose_workload(random_source& random, workload_settings& w)
{
    w.clients = static_cast<std::size_t>(random.between(1, 3));
    w.operations = static_cast<std::size_t>(random.between(3, 25));
    w.pause_max_us = one_of(random, {2'000, 50'000, 400'000});
    const auto kind = random.below(10);
    w.replayed = kind < 7 || kind == 9;
    w.transactions = kind == 4 || kind == 7;
    w.lists = kind == 6 || kind == 5;
    w.counters = kind >= 8;
    w.ttls = random.chance(700);
    w.client_times = random.chance(500);
}

}  // namespace

scenario make_scenario(std::uint64_t seed)
{
    random_source random(seed * 2 + 1);
    scenario s;
    s.seed = seed;
    s.source.port = 1;
    s.target.port = 2;
    s.client_version = random.chance(600) ? 5 : 4;
    s.source.version_max = s.client_version;
    s.target.version_max = random.chance(700) ? 5 : 4;
    s.target.asks_to_wait = random.chance(300);
    s.process.wait = random.chance(400);
    s.process.durable = random.chance(400) ? dualwrite::engine::durability::fsync
                                           : dualwrite::engine::durability::process;
    if (random.chance(500)) s.source.error_per_mille = one_of(random, {20, 100, 300});
    if (random.chance(500)) s.target.error_per_mille = one_of(random, {20, 200, 600});
    if (random.chance(400)) s.network.cut_per_mille = one_of(random, {2, 20, 60});
    if (random.chance(400)) s.network.partial_write_per_mille = one_of(random, {50, 500});
    s.network.delay_max_us = one_of(random, {100, 2'000, 50'000});
    s.target.work_max_us = one_of(random, {100, 3'000, 60'000});

    workload_settings w;
    choose_workload(random, w);
    s.operations = make_workload(random, w, 1'700'000'000'000'000);
    choose_faults(random, s);
    // Another run of the proxy knows only the transactions that it sees itself, and those that
    // wait: docs/semantics.md has the exception.
    const bool restarts = std::any_of(s.faults.begin(), s.faults.end(), [](const fault& f) {
        return f.what == fault::kind::kill || f.what == fault::kind::power_loss ||
               f.what == fault::kind::write_error;
    });
    for (auto& op : s.operations)
        if (restarts && op.steps.front().text.find("ks.mixed") != std::string::npos)
            op.time_us.reset();
    return s;
}

std::string describe(const fault& f)
{
    static const char* const names[] = {
        "the target goes down",
        "the target restarts, and forgets its prepared statements",
        "the target does not answer",
        "the source goes down",
        "the source does not answer",
        "kill -9 of the proxy",
        "loss of power at the proxy",
        "the proxy's disk fails once",
        "the proxy's wall clock is set back"};
    std::string out = names[static_cast<int>(f.what)];
    if (f.what == fault::kind::clock_back) return out + " by " + std::to_string(f.detail) + " us";
    if (f.what == fault::kind::kill || f.what == fault::kind::power_loss)
        out += ", " + std::to_string(f.detail) + " calls later";
    return out + ", for " + std::to_string(f.for_us) + " us";
}

}  // namespace sim
