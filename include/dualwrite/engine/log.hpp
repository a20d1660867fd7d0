#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace dualwrite::engine {

enum class log_level : std::uint8_t { debug, info, warning, error };

// Where the engine's words go. Called from any engine thread, so it must be thread-safe and must
// not block for long. Never receives bound values, credentials or full statements (I8).
using log_sink = std::function<void(log_level, std::string_view)>;

}
