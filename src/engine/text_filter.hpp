#pragma once

#include <dualwrite/base/result.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace dualwrite::engine {

// A predicate that is true for texts that `pattern` matches as a whole, with the syntax and the
// rules of java.util.regex as far as PCRE2 has them: case counts, and a dot matches no line end. On
// failure `why` says where the pattern is wrong. The predicate may be called by one thread at a
// time; copies are independent.
result<std::function<bool(std::string_view)>>
make_text_filter(const std::string& pattern, std::string& why);

}  // namespace dualwrite::engine
