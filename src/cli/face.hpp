#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "handles.hpp"

// What a program shows to people: one description, of which help, manual page and completion are
// made. The options come from the library's table.

namespace dualwrite::program {

// An option without a value that is no key.
struct face_switch {
    std::string name;        // "check"
    std::string short_name;  // "" if none
    std::string help;
};

// A subcommand, of one or two words; of a program without subcommands the one that has no name.
struct face_verb {
    std::string name;
    std::string usage;  // what follows the program's name
    std::string about;
    std::vector<dw_key> keys;
    std::vector<face_switch> switches;
};

struct face {
    std::string name;   // "dualwrite-proxy"
    std::string title;  // one line
    std::vector<face_verb> verbs;
    std::vector<std::string> notes;                          // paragraphs behind the options
    std::vector<std::pair<std::string, std::string>> exits;  // code, meaning
};

face proxy_face();
face jobs_face();

// Lines within 100 columns.
std::string help_text(const face& of, const face_verb& verb);
// Of a program with subcommands: which there are, or those that begin with the word `group`.
std::string help_text(const face& of, std::string_view group = {});
// Whether `verb` is one word and `group`, or begins with it.
bool belongs_to(const face_verb& verb, std::string_view group);
// First words of the subcommands, each once.
std::vector<std::string> first_words(const face& of);
// For man(1): roff with the macros of man(7).
std::string man_page(const face& of);
// `shell` is bash, zsh or fish; else empty.
std::string completion_script(const face& of, std::string_view shell);

// `--man-page` or `--completion SHELL` as the only words: prints it. False: something else is
// asked for.
bool print_document(const face& of, const std::vector<std::string_view>& words);

}  // namespace dualwrite::program
