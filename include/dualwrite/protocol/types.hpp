#pragma once

#include <dualwrite/protocol/cql_type.hpp>
#include <dualwrite/protocol/type_parse.hpp>
