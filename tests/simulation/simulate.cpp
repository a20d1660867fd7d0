#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>

#include "simulation.hpp"

// simulate [--first SEED] [--count N] [--failures N] [--story SEED]:
// docs/testing.md.

namespace {

void tell(const sim::scenario& s)
{
    const auto out = sim::run(s, true);
    for (const auto& line : out.story) std::printf("%s\n", line.c_str());
}

int fail_with_story(sim::scenario s, const std::string& problem)
{
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(s.seed), problem.c_str());
    std::printf("its shortest story:\n");
    tell(sim::shrink(std::move(s)));
    return 1;
}

}  // namespace

int main(int argc, char** argv)
{
    std::uint64_t first = 1;
    std::uint64_t count = 10'000;
    std::uint64_t failures_max = 1;
    std::uint64_t failures = 0;
    bool story = false;
    for (int i = 1; i + 1 < argc; i += 2) {
        const auto value = std::strtoull(argv[i + 1], nullptr, 10);
        if (std::strcmp(argv[i], "--first") == 0) first = value;
        if (std::strcmp(argv[i], "--count") == 0) count = value;
        if (std::strcmp(argv[i], "--failures") == 0) failures_max = value;
        if (std::strcmp(argv[i], "--story") == 0) {
            first = value;
            story = true;
        }
    }
    if (story) {
        tell(sim::make_scenario(first));
        return 0;
    }
    const auto begin = std::clock();
    for (auto seed = first; seed < first + count; ++seed) {
        const auto out = sim::run(sim::make_scenario(seed));
        if (out.passed()) continue;
        if (++failures == failures_max)
            return fail_with_story(sim::make_scenario(seed), out.problem);
        std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), out.problem.c_str());
    }
    const auto seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    std::printf(
        "%llu seeds passed, %llu failed, %.0f a second\n",
        static_cast<unsigned long long>(count - failures),
        static_cast<unsigned long long>(failures),
        static_cast<double>(count) / seconds
    );
    return failures == 0 ? 0 : 1;
}
