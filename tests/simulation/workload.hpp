#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "database.hpp"
#include "random.hpp"

namespace sim {

// One statement with its values; a value's bytes stand for an int unless it says otherwise.
struct write_step {
    std::string text;  // with markers
    std::vector<bound> values;
};

// What one client asks for at one time, and what it was told.
struct operation {
    std::size_t number{0};
    std::size_t client{0};
    std::int64_t pause_us{0};       // after the one before
    std::vector<write_step> steps;  // several: a BATCH
    enum class form : std::uint8_t { prepared, values, text } how{form::prepared};
    bool logged{true};
    bool counter{false};
    bool transaction{false};
    std::optional<std::int64_t> time_us;  // of the client
    bool time_in_text{false};
    std::vector<std::int64_t> numbers;  // that it writes, each of them once in a run

    enum class state : std::uint8_t { waiting, sent, done, refused, lost } what{state::waiting};
    std::int64_t sent_us{0};
    std::int64_t ended_us{0};
    std::uint32_t error{0};
    bool applied{true};  // a transaction
};

struct workload_settings {
    std::size_t clients{2};
    std::size_t operations{40};  // of each
    std::int64_t pause_max_us{200'000};
    bool replayed{true};  // tables that are replayed only
    bool transactions{false};
    bool lists{false};
    bool counters{false};
    bool ttls{true};
    bool client_times{true};
};

std::vector<operation>
make_workload(random_source& random, const workload_settings& settings, std::int64_t begin_us);
// For stories: "client 1: UPDATE ... [1, null] (prepared)".
std::string describe(const operation& op);
// The statement with its values as literals.
std::string in_text(const write_step& step);

}  // namespace sim
