// Runs a fuzz target without a fuzzer, so that every compiler builds and every test run uses it:
//
//   fuzz_x FILE...                        each file once, to look at a finding again
//   fuzz_x [--runs N] [--seed N]          N mutations of the built-in seeds
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>

#include "fuzz.hpp"

namespace {

using dualwrite::fuzz::seed;
using random_source = std::mt19937_64;

void run(const std::string& bytes)
{
    // A copy of exactly the size: a sanitizer sees every read past the end.
    const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::size_t below(random_source& random, std::size_t limit)
{
    return limit == 0 ? 0 : static_cast<std::size_t>(random() % limit);
}

void mutate_once(std::string& text, const std::vector<seed>& seeds, random_source& random)
{
    const auto at = below(random, text.size() + 1);
    const auto size = below(random, std::min<std::size_t>(text.size() - at, 16) + 1);
    constexpr std::string_view special("\x00\x01\x02\x7f\x80\xfe\xff", 7);
    switch (below(random, 7)) {
    case 0:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(random, 8)));
        break;
    case 1:
        if (at < text.size()) text[at] = special[below(random, special.size())];
        break;
    case 2:
        text.insert(at, 1, static_cast<char>(random()));
        break;
    case 3:
        text.erase(at, size);
        break;
    case 4:
        text.insert(below(random, text.size() + 1), text.substr(at, size));
        break;
    case 5:
        text.resize(at);
        break;
    default: {
        const auto& other = seeds[below(random, seeds.size())].bytes;
        text.replace(at, text.npos, other.substr(below(random, other.size() + 1)));
    }
    }
}

void run_mutations(std::uint64_t runs, std::uint64_t random_seed)
{
    auto seeds = dualwrite::fuzz::seeds_of(DW_FUZZ_TARGET);
    if (seeds.empty()) seeds.push_back({"empty", ""});
    for (const auto& s : seeds) run(s.bytes);
    random_source random(random_seed);
    for (std::uint64_t i = 0; i < runs; ++i) {
        auto text = seeds[below(random, seeds.size())].bytes;
        for (auto left = below(random, 6); left > 0; --left) mutate_once(text, seeds, random);
        run(text);
    }
    std::printf(
        "%s: %zu seeds, %llu mutations of random seed %llu\n",
        DW_FUZZ_TARGET,
        seeds.size(),
        static_cast<unsigned long long>(runs),
        static_cast<unsigned long long>(random_seed)
    );
}

std::uint64_t number(std::string_view text)
{
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size()) return value;
    std::fprintf(stderr, "not a number: %.*s\n", static_cast<int>(text.size()), text.data());
    std::exit(2);
}

}  // namespace

int main(int argc, char** argv)
{
    std::uint64_t runs = 20000, random_seed = 1;
    std::vector<std::string> files;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--runs" && i + 1 < argc)
            runs = number(argv[++i]);
        else if (argument == "--seed" && i + 1 < argc)
            random_seed = number(argv[++i]);
        else
            files.emplace_back(argument);
    }
    if (files.empty()) run_mutations(runs, random_seed);
    for (const auto& file : files) {
        std::ifstream in(file, std::ios::binary);
        if (!in) return std::fprintf(stderr, "cannot read %s\n", file.c_str()), 2;
        run({std::istreambuf_iterator<char>(in), {}});
    }
}
