#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster.hpp"
#include "process.hpp"
#include "workload.hpp"

namespace sim {

// Something that goes wrong at a time.
struct fault {
    enum class kind : std::uint8_t {
        target_down,     // connections break, none is taken
        target_restart,  // the same, and its prepared statements are gone
        target_silent,   // takes what is sent and says nothing
        source_down,
        source_silent,
        kill,         // kill -9 of the proxy
        power_loss,   // of its machine
        write_error,  // the disk fails once: the proxy ends by itself
        clock_back,   // the wall clock of the proxy is set back
    };
    fault::kind what{kind::kill};
    std::int64_t at_us{0};  // from the beginning
    std::int64_t for_us{0};
    std::int64_t detail{0};  // calls until the end; microseconds of the clock
};
std::string describe(const fault& f);

// All that one seed decides before anything runs.
struct scenario {
    std::uint64_t seed{0};
    std::uint64_t luck{0};  // of what happens while it runs
    std::uint8_t client_version{5};
    process_settings process;
    cluster_settings source;
    cluster_settings target;
    network_settings network;
    std::vector<operation> operations;
    std::vector<fault> faults;
};
scenario make_scenario(std::uint64_t seed);

struct verdict {
    std::string problem;  // empty: all is as it must be
    std::vector<std::string> story;
    std::uint64_t events{0};
    std::int64_t simulated_us{0};
    std::uint64_t hash{0};  // of all that happened: the same for the same scenario
    bool passed() const noexcept { return problem.empty(); }
};
verdict run(scenario s, bool tell = false);

// The smallest scenario found that fails with this seed: fewer operations, fewer faults.
scenario shrink(scenario s, int runs_max = 3000);

}  // namespace sim
