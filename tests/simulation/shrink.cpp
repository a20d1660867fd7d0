#include <algorithm>
#include <utility>

#include "simulation.hpp"

namespace sim {

namespace {

// Runs smaller scenarios. What is left out moves everything behind it to another time, so each is
// tried with some different delays.
class shrinker {
public:
    shrinker(scenario s, int runs_max) : smallest_(std::move(s)), left_(runs_max)
    {
        kind_ = kind_of(run(smallest_).problem);
    }

    // True: it fails in the same way, and is the smallest now.
    bool take(scenario smaller)
    {
        for (std::uint64_t luck = 0; luck < 6 && left_ > 0; ++luck, --left_) {
            smaller.luck = luck;
            if (kind_of(run(smaller).problem) != kind_) continue;
            smallest_ = std::move(smaller);
            return true;
        }
        return false;
    }

    // Leaves out ever smaller parts as long as the rest fails.
    template <class Part> void leave_out(std::vector<Part> scenario::*part)
    {
        for (auto size = std::max<std::size_t>((smallest_.*part).size() / 2, 1); size > 0;
             size /= 2)
            for (std::size_t at = 0; at < (smallest_.*part).size() && left_ > 0;) {
                auto smaller = smallest_;
                auto& list = smaller.*part;
                const auto end = std::min(at + size, list.size());
                list.erase(
                    list.begin() + static_cast<std::ptrdiff_t>(at),
                    list.begin() + static_cast<std::ptrdiff_t>(end)
                );
                if (!take(std::move(smaller))) at += size;
            }
    }

    const scenario& smallest() const noexcept { return smallest_; }

private:
    // Up to the first details.
    static std::string kind_of(const std::string& problem)
    {
        return problem.substr(0, problem.find_first_of("0123456789:("));
    }

    scenario smallest_;
    int left_;
    std::string kind_;
};

}  // namespace

scenario shrink(scenario s, int runs_max)
{
    shrinker one(std::move(s), runs_max);
    // Twice: fewer faults may need fewer operations, and the other way round.
    for (int round = 0; round < 2; ++round) {
        one.leave_out(&scenario::faults);
        one.leave_out(&scenario::operations);
        for (const auto quiet : {&scenario::source, &scenario::target}) {
            auto calm = one.smallest();
            if (std::exchange((calm.*quiet).error_per_mille, 0) != 0) one.take(std::move(calm));
        }
        auto calm = one.smallest();
        calm.network.cut_per_mille = calm.network.partial_write_per_mille = 0;
        one.take(std::move(calm));
    }
    return one.smallest();
}

}  // namespace sim
