#pragma once

#include <dualwrite/base/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

// Every target keeps one promise about any input: it aborts where the promise is broken.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace dualwrite::fuzz {

inline void check(bool holds)
{
    if (!holds) std::abort();
}

// Takes choices from the front of the input and leaves the rest as data.
class input {
public:
    input(const std::uint8_t* data, std::size_t size) noexcept
        : in_(reinterpret_cast<const std::byte*>(data), size)
    {
    }

    std::uint8_t byte() noexcept
    {
        if (in_.empty()) return 0;
        const auto first = std::to_integer<std::uint8_t>(in_[0]);
        in_ = in_.subspan(1);
        return first;
    }
    std::uint8_t version() noexcept { return static_cast<std::uint8_t>(3 + byte() % 3); }
    bytes_view rest() const noexcept { return in_; }

private:
    bytes_view in_;
};

struct seed {
    std::string name;
    std::string bytes;
};

// What the mutations of a target begin with; see seeds.cpp.
std::vector<seed> seeds_of(std::string_view target);
std::vector<std::string_view> targets_with_seeds();
std::vector<seed> keystore_seeds();

}  // namespace dualwrite::fuzz
