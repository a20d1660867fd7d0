#pragma once

#include <dualwrite/base/result.hpp>

#include <string>

// Files that options name. `flag` is for the sentence in `why`: "--config: cannot read ...".

namespace dualwrite::engine {

// An empty path is fine: nothing was named.
result<void> check_readable(const std::string& flag, const std::string& path, std::string& why);
// The whole file, at most `size_max` bytes.
result<std::string> read_text_file(
    const std::string& flag, const std::string& path, std::size_t size_max, std::string& why
);

}  // namespace dualwrite::engine
