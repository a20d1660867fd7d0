#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "planted.hpp"
#include "simulation.hpp"

// Each planted bug has to be caught within its seeds. With the name of one: its story.

namespace {

struct planted {
    const char* name;
    std::uint64_t seeds;
};

constexpr planted bugs[] = {
#include "planted_table.hpp"
};

// The seed that catches it; 0: none.
std::uint64_t caught_by(std::uint64_t seeds, std::string& problem)
{
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        problem = sim::run(sim::make_scenario(seed)).problem;
        if (problem.empty()) continue;
        // Some fail without it, too.
        const auto bug = std::exchange(sim::planted_bug, 0);
        const auto fails_anyway = !sim::run(sim::make_scenario(seed)).problem.empty();
        sim::planted_bug = bug;
        if (!fails_anyway) return seed;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv)
{
    int missed = 0;
    for (const auto& bug : bugs) {
        sim::planted_bug = static_cast<int>(&bug - bugs) + 1;
        const bool one = argc > 1;
        if (one && std::strcmp(argv[1], bug.name) != 0) continue;
        std::string problem;
        const auto seed = caught_by(bug.seeds, problem);
        missed += seed == 0 ? 1 : 0;
        if (seed == 0)
            std::printf(
                "%s: NOT CAUGHT by %llu seeds\n",
                bug.name,
                static_cast<unsigned long long>(bug.seeds)
            );
        else
            std::printf(
                "%s: caught by seed %llu: %s\n",
                bug.name,
                static_cast<unsigned long long>(seed),
                problem.substr(0, 100).c_str()
            );
        std::fflush(stdout);
        if (!one || seed == 0) continue;
        for (const auto& line : sim::run(sim::shrink(sim::make_scenario(seed)), true).story)
            std::printf("%s\n", line.c_str());
    }
    return missed == 0 ? 0 : 1;
}
