#pragma once

#include <dualwrite/dualwrite.h>

#include <string>

namespace dualwrite::program {

// One line: what is done, how fast, how long it still takes. `verb` is "copy" or "validate".
std::string progress_text(const std::string& verb, const dw_job_progress& progress);

// The end in a few lines for people.
std::string summary_text(const std::string& verb, const dw_job_progress& progress);

}  // namespace dualwrite::program
