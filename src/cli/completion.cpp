#include <functional>

#include "face.hpp"

namespace dualwrite::program {

namespace {

// What follows an option.
enum class follows { nothing, word, words, file, folder };

follows kind_of(const dw_key& key)
{
    const std::string_view value = key.value_name;
    if (key.type == DW_TYPE_BOOLEAN || key.type == DW_TYPE_CHOICE) return follows::words;
    if (value == "FILE") return follows::file;
    return value == "DIR" ? follows::folder : follows::word;
}

// "full|ca|none" with spaces between the words.
std::string words_of(const dw_key& key)
{
    std::string words = key.value_name;
    for (auto& c : words)
        if (c == '|') c = ' ';
    return words;
}

bool is_option(const dw_key& key)
{
    return (key.flags & (DW_KEY_POSITIONAL | DW_KEY_PLANNED)) == 0;
}

// In single quotes of a shell.
std::string quoted(std::string_view text)
{
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'')
            out += "'\\''";
        else
            out += c;
    }
    return out + "'";
}

// With a backslash before each of the special characters.
std::string escaped(std::string_view text, std::string_view special)
{
    std::string out;
    for (const char c : text) {
        if (special.find(c) != special.npos) out += '\\';
        out += c;
    }
    return out;
}

// A name of a shell function.
std::string function_of(const face& of)
{
    auto name = "_" + of.name;
    for (auto& c : name)
        if (c == '-') c = '_';
    return name;
}

std::string all_options(const face_verb& verb)
{
    std::string out;
    const auto add = [&](const std::string& name) { (out += out.empty() ? "--" : " --") += name; };
    for (const auto& key : verb.keys)
        if (is_option(key)) add(key.name);
    for (const auto& its : verb.switches) add(its.name);
    return out;
}

// The lines of a `case $previous in` for the options of one kind.
void append_case(std::string& out, const face_verb& verb, follows kind, const std::string& action)
{
    std::string names;
    for (const auto& key : verb.keys) {
        if (!is_option(key) || kind_of(key) != kind) continue;
        (names += names.empty() ? "--" : " | --") += key.name;
        if (*key.short_name != '\0') names += std::string(" | -") + key.short_name;
    }
    if (!names.empty()) out += "        " + names + ")\n            " + action + "\n";
}

void append_bash_verb(std::string& out, const face_verb& verb)
{
    out += "        case $previous in\n";
    for (const auto& key : verb.keys) {
        if (!is_option(key) || kind_of(key) != follows::words) continue;
        const auto short_name = *key.short_name == '\0' ? "" : std::string(" | -") + key.short_name;
        out += "        --" + std::string(key.name) + short_name +
               ")\n            COMPREPLY=($(compgen -W " + quoted(words_of(key)) +
               " -- \"$current\")); return ;;\n";
    }
    append_case(out, verb, follows::file, "COMPREPLY=($(compgen -f -- \"$current\")); return ;;");
    append_case(out, verb, follows::folder, "COMPREPLY=($(compgen -d -- \"$current\")); return ;;");
    append_case(out, verb, follows::word, "return ;;");
    out += "        esac\n"
           "        if [[ $current == -* ]]; then\n"
           "            COMPREPLY=($(compgen -W " +
           quoted(all_options(verb)) +
           " -- \"$current\"))\n"
           "        else\n";
    // Those that work on a proxy's files are given its directory.
    if (verb.name.find(' ') == verb.name.npos)
        out += "            COMPREPLY=($(compgen -A hostname -- \"$current\"))\n";
    else
        out += "            COMPREPLY=($(compgen -d -- \"$current\"))\n";
    out += "        fi\n";
}

// The second words of the subcommands that begin with `group`; empty: it is a subcommand itself.
std::string second_words(const face& of, const std::string& group)
{
    std::string out;
    for (const auto& verb : of.verbs)
        if (verb.name.starts_with(group + " "))
            (out += out.empty() ? "" : " ") += verb.name.substr(group.size() + 1);
    return out;
}

std::string joined(const std::vector<std::string>& words)
{
    std::string out;
    for (const auto& word : words) (out += out.empty() ? "" : " ") += word;
    return out;
}

std::string bash_script(const face& of)
{
    const auto function = function_of(of);
    std::string out = "# bash completion for " + of.name + "\n" + function +
                      "() {\n"
                      "    local current=${COMP_WORDS[COMP_CWORD]}\n"
                      "    local previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                      "    # --option=value comes as three words\n"
                      "    if [[ $current == = ]]; then\n"
                      "        current=\n"
                      "    elif [[ $previous == = ]]; then\n"
                      "        previous=${COMP_WORDS[COMP_CWORD-2]}\n"
                      "    fi\n"
                      "    COMPREPLY=()\n";
    const bool several = !of.verbs.front().name.empty();
    if (!several) {
        append_bash_verb(out, of.verbs.front());
        return out + "}\ncomplete -F " + function + " " + of.name + "\n";
    }
    for (const auto& group : first_words(of))
        if (const auto seconds = second_words(of, group); !seconds.empty())
            out += "    if [[ $COMP_CWORD == 2 && ${COMP_WORDS[1]} == " + group +
                   " ]]; then\n        COMPREPLY=($(compgen -W " + quoted(seconds + " --help") +
                   " -- \"$current\"))\n        return\n    fi\n";
    out += "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]} \" in\n";
    for (const auto& verb : of.verbs) {
        out += "    " + quoted(verb.name + " ") + "*)\n";
        append_bash_verb(out, verb);
        out += "        ;;\n";
    }
    out += "    *)\n        COMPREPLY=($(compgen -W " +
           quoted(joined(first_words(of)) + " --help --version") +
           " -- \"$current\"))\n        ;;\n";
    return out + "    esac\n}\ncomplete -F " + function + " " + of.name + "\n";
}

void append_zsh_key(std::string& out, const dw_key& key)
{
    if ((key.flags & DW_KEY_PLANNED) != 0) return;
    if ((key.flags & DW_KEY_POSITIONAL) != 0) {
        out += " \\\n        " + quoted(":" + std::string(key.name) + ":_hosts");
        return;
    }
    const std::string long_name = std::string("--") + key.name;
    const bool list = (key.flags & DW_KEY_LIST) != 0;
    std::string action;
    switch (kind_of(key)) {
    case follows::words:
        action = "(" + words_of(key) + ")";
        break;
    case follows::file:
        action = "_files";
        break;
    case follows::folder:
        action = "_files -/";
        break;
    default:
        action = " ";
    }
    std::string name = quoted(list ? "*" + long_name : long_name);
    if (*key.short_name != '\0') {
        const auto short_name = std::string("-") + key.short_name;
        name = quoted("(" + short_name + " " + long_name + ")") + "{" + short_name + "," +
               long_name + "}";
    }
    constexpr std::string_view special = "[]:\\";  // to _arguments
    out += " \\\n        " + name +
           quoted("[" + escaped(key.help, special) + "]:" + key.value_name + ":" + action);
}

void append_zsh_verb(std::string& out, const face_verb& verb)
{
    out += "    _arguments";
    for (const auto& key : verb.keys) append_zsh_key(out, key);
    for (const auto& its : verb.switches)
        out += " \\\n        " + quoted("--" + its.name + "[" + its.help + "]");
    out += "\n";
}

// Offers the words; behind one of them the case of the same name goes on.
std::string zsh_words(const std::string& words)
{
    return "    _arguments -C '1:command:(" + words +
           ")' '*::option:->rest'\n"
           "    [[ $state == rest ]] || return\n"
           "    case $line[1] in\n";
}

std::string zsh_script(const face& of)
{
    const auto function = function_of(of);
    std::string out = "#compdef " + of.name + "\n" + function + "() {\n";
    if (of.verbs.front().name.empty()) {
        append_zsh_verb(out, of.verbs.front());
    } else {
        out += "    local line state\n" + zsh_words(joined(first_words(of)));
        for (const auto& word : first_words(of)) {
            const auto seconds = second_words(of, word);
            out += "    " + word + ")\n";
            if (!seconds.empty()) out += zsh_words(seconds);
            for (const auto& verb : of.verbs) {
                if (!belongs_to(verb, word)) continue;
                if (!seconds.empty()) out += "    " + verb.name.substr(word.size() + 1) + ")\n";
                append_zsh_verb(out, verb);
                if (!seconds.empty()) out += "    ;;\n";
            }
            out += seconds.empty() ? "    ;;\n" : "    esac\n    ;;\n";
        }
        out += "    esac\n";
    }
    return out + "}\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n    " + function +
           " \"$@\"\nelse\n    compdef " + function + " " + of.name + "\nfi\n";
}

// The condition that all words of a subcommand are there.
std::string fish_seen(const std::string& name)
{
    const auto space = name.find(' ');
    const std::string seen = "__fish_seen_subcommand_from ";
    if (space == name.npos) return seen + name;
    return seen + name.substr(0, space) + "; and " + seen + name.substr(space + 1);
}

void append_fish_words(std::string& out, const face& of)
{
    if (of.verbs.front().name.empty()) return;
    const auto words = joined(first_words(of));
    const auto add = [&](const std::string& when, const std::string& word, const auto& about) {
        out += "complete -c " + of.name + " -f -n " + quoted(when) + " -a " + word + " -d " +
               quoted(about) + "\n";
    };
    std::string last;
    for (const auto& verb : of.verbs) {
        const auto first = verb.name.substr(0, verb.name.find(' '));
        const auto seconds = second_words(of, first);
        const std::string none = "not __fish_seen_subcommand_from ";
        if (first != last)
            add(none + words, first, seconds.empty() ? verb.about : "one of " + seconds);
        last = first;
        if (!seconds.empty())
            add("__fish_seen_subcommand_from " + first + "; and " + none + seconds,
                verb.name.substr(first.size() + 1),
                verb.about);
    }
}

std::string fish_script(const face& of)
{
    std::string out = "# fish completion for " + of.name + "\n";
    append_fish_words(out, of);
    for (const auto& verb : of.verbs) {
        const auto when = verb.name.empty() ? std::string() : " -n " + quoted(fish_seen(verb.name));
        for (const auto& key : verb.keys) {
            if (!is_option(key)) continue;
            const std::string_view short_name = key.short_name;
            out += "complete -c " + of.name + when + " -l " + key.name;
            if (!short_name.empty())
                out += (short_name.size() == 1 ? " -s " : " -o ") + std::string(short_name);
            const auto kind = kind_of(key);
            out += kind == follows::file || kind == follows::folder ? " -r -F" : " -x";
            if (kind == follows::words) out += " -a " + quoted(words_of(key));
            out += " -d " + quoted(escaped(key.help, "\\")) + "\n";
        }
        for (const auto& its : verb.switches)
            out += "complete -c " + of.name + when + " -f -l " + its.name + " -d " +
                   quoted(its.help) + "\n";
    }
    return out;
}

}  // namespace

std::string completion_script(const face& of, std::string_view shell)
{
    if (shell == "bash") return bash_script(of);
    if (shell == "zsh") return zsh_script(of);
    return shell == "fish" ? fish_script(of) : "";
}

}  // namespace dualwrite::program
