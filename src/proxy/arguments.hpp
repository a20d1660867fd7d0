#pragma once

#include <dualwrite/dualwrite.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

// The documented command line: that of the Java tool, whose reader is Vert.x's. A reader of its own
// because no usual one knows this grammar: two-letter short names (-mp), Booleans with a value of
// their own (--wait false), names by unique prefix and in any case, lists that take the words
// behind them, a word with a dash as a value where no option has that name.
//
// Differences, all in docs/cli.md: an unknown option and a surplus word are errors, not positionals
// or nothing; so is a repeated option that is no list.

namespace dualwrite::program {

struct setting {
    std::string key;
    std::string value;
    bool first;  // false: one more value of a list
};

struct arguments {
    std::vector<setting> settings;  // positionals too, under their keys
    bool help{false};
    bool version{false};
    bool check{false};
    std::vector<std::string> warnings;
    std::string error;    // empty: none
    std::string unknown;  // with an error: the long name that no option has
};

// `words` without the program's name. Values are not judged, except that a Boolean which is no word
// for true counts as false, as documented, with a warning where it is no word for false either.
arguments read_arguments(std::span<const dw_key> keys, std::span<const std::string_view> words);

}  // namespace dualwrite::program
