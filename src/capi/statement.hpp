#pragma once

#include <dualwrite/policy/statement_facts.hpp>

#include "live.hpp"

struct dw_statement {
    dualwrite::policy::statement_facts facts;
    dualwrite::capi::live alive{};
};
