#pragma once

#include <dualwrite/engine/spool_dictionary.hpp>
#include <dualwrite/replication/mutation.hpp>

#include <string>

#include "dead_letter.hpp"

// Writes of a spool outside a proxy.

namespace dualwrite::engine {

// A write with its statements and values, as a dead letter has them.
dead_letter letter_of(const replication::mutation_view& m, const spool_dictionary& statements);

// The folder `spool` of a state directory that is there; else `why` says what is wrong.
result<std::string> find_spool(const std::string& state_dir, std::string& why);

}  // namespace dualwrite::engine
