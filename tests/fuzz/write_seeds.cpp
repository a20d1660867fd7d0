// Writes the built-in seeds to DIRECTORY/<target>/<name>, where libFuzzer takes them as a corpus.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "fuzz.hpp"

int main(int argc, char** argv)
{
    if (argc != 2) return std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]), 2;
    for (const auto target : dualwrite::fuzz::targets_with_seeds()) {
        const auto folder = std::filesystem::path(argv[1]) / target;
        std::filesystem::create_directories(folder);
        for (const auto& seed : dualwrite::fuzz::seeds_of(target)) {
            std::ofstream out(folder / seed.name, std::ios::binary);
            if (!(out << seed.bytes)) return std::fprintf(stderr, "cannot write\n"), 1;
        }
    }
}
