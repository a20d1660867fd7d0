#pragma once

#include <dualwrite/engine/check.hpp>

namespace dualwrite::engine {

// What a node tells anybody: OPTIONS, then STARTUP as far as its demand for credentials. Fills in
// `side`; its `failure` says why that was not possible. Blocking, some seconds at most.
void say_hello(const endpoint& to, const std::string& name, check_side& side);

}  // namespace dualwrite::engine
