#pragma once

#include <dualwrite/engine/refresh.hpp>

#include <functional>
#include <vector>

// Takes the place of the engine's refresher in the tests of the proxy: remembers what it was asked
// and answers as it is told.

namespace dualwrite::test {

// What the refreshers of this process were asked since reset(). Threads: any.
std::vector<engine::refresh_key> refreshed();
bool wait_for_refreshes(std::size_t n, std::int64_t limit_ms = 20'000);
// Decides about each request; empty: done.
void set_refresh_script(std::function<engine::refresh_result(const engine::refresh_key&)> next);
void reset_refreshes();

}  // namespace dualwrite::test
