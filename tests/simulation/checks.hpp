#pragma once

#include <string>

#include "database.hpp"
#include "simulation.hpp"

namespace sim {

// What must hold when everything is delivered; empty: it does. `starts`: of the proxy.
std::string check_all(
    const scenario& s,
    const database& source,
    const database& target,
    std::int64_t now_s,
    std::uint64_t starts
);

}  // namespace sim
