#pragma once

#include <chrono>
#include <cstdint>

namespace dualwrite::test {

// Of a monotonic clock.
inline std::int64_t now_ms()
{
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

// Since 1970.
inline std::int64_t wall_ms()
{
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace dualwrite::test
