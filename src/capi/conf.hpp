#pragma once

#include <dualwrite/dualwrite.h>
#include <dualwrite/engine/config.hpp>

#include "live.hpp"

struct dw_conf {
    dualwrite::engine::config values;
    dw_log_fn log{nullptr};
    void* log_user{nullptr};
    dualwrite::capi::live alive{};
};

namespace dualwrite::capi {

// What the engine logs to: the callback that is in force now, from the level that is asked for.
engine::log_sink log_sink_of(const dw_conf& conf);

}  // namespace dualwrite::capi
