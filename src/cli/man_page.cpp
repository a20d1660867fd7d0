#include "face.hpp"

namespace dualwrite::program {

namespace {

// Text as roff takes it: no escapes of its own, dashes that can be copied, no macro at the begin.
std::string roff(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
            (out += "\\&") += c;
        else
            out += c;
    }
    return out;
}

std::string bold(std::string_view text)
{
    return "\\fB" + roff(text) + "\\fR";
}

std::string italic(std::string_view text)
{
    return "\\fI" + roff(text) + "\\fR";
}

std::string upper(std::string text)
{
    for (auto& c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
}

// Which of several verbs have the option; empty: all, or all that connect to clusters.
std::string verbs_of(const face& of, std::string_view option)
{
    std::string names;
    std::size_t lacking = 0;
    bool is_key = false;
    for (const auto& verb : of.verbs)
        for (const auto& key : verb.keys) is_key = is_key || option == key.name;
    for (const auto& verb : of.verbs) {
        bool has = false;
        bool connects = false;
        for (const auto& key : verb.keys) {
            has = has || option == key.name;
            connects = connects || std::string_view(key.name) == "target";
        }
        for (const auto& its : verb.switches) has = has || option == its.name;
        if (has)
            (names += names.empty() ? "" : ", ") += verb.name;
        else if (!is_key || connects)
            ++lacking;
    }
    return lacking == 0 ? "" : names;
}

void append_entry(std::string& out, const std::string& tag, const std::string& text)
{
    out += ".TP\n" + tag + "\n" + roff(text) + "\n";
}

void append_key(std::string& out, const face& of, const dw_key& key)
{
    std::string tag;
    if ((key.flags & DW_KEY_POSITIONAL) != 0) {
        auto name = upper(key.name);
        for (auto& c : name)
            if (c == '-') c = '_';
        tag = italic(name);
    } else {
        if (*key.short_name != '\0') tag = bold(std::string("-") + key.short_name) + ", ";
        tag += bold(std::string("--") + key.name) + " " + italic(key.value_name);
    }
    std::string text = key.help;
    if (*key.default_text != '\0') text += std::string(" Default: ") + key.default_text + ".";
    if ((key.flags & DW_KEY_LIST) != 0 && text.find("several times") == text.npos)
        text += " May be given several times.";
    if ((key.flags & DW_KEY_PLANNED) != 0)
        text += " Not yet in this version: accepted with its default only.";
    if (const auto verbs = verbs_of(of, key.name); !verbs.empty())
        text += " Only for " + verbs + ".";
    append_entry(out, tag, text);
}

// Every option once, in the order of the table, under the headings of its groups.
void append_options(std::string& out, const face& of)
{
    std::vector<const dw_key*> all;
    std::vector<std::string_view> groups;
    for (const auto& verb : of.verbs)
        for (const auto& key : verb.keys) {
            bool known = false;
            for (const auto* other : all)
                known = known || std::string_view(other->name) == key.name;
            if (known) continue;
            all.push_back(&key);
            bool has_group = false;
            for (const auto group : groups) has_group = has_group || group == key.group;
            if (!has_group) groups.emplace_back(key.group);
        }
    for (const auto group : groups) {
        out += ".SS " + roff(group) + "\n";
        for (const auto* key : all)
            if (group == key->group) append_key(out, of, *key);
    }
    out += ".SS Other\n";
    std::vector<std::string_view> shown;
    for (const auto& verb : of.verbs)
        for (const auto& its : verb.switches) {
            bool known = false;
            for (const auto name : shown) known = known || name == its.name;
            if (known) continue;
            shown.push_back(its.name);
            const auto dashed = its.short_name.empty() ? "" : bold("-" + its.short_name) + ", ";
            const auto verbs = verbs_of(of, its.name);
            append_entry(
                out,
                dashed + bold("--" + its.name),
                its.help + (verbs.empty() ? "" : " Only for " + verbs + ".")
            );
        }
}

}  // namespace

std::string man_page(const face& of)
{
    const std::string version = dw_version();
    std::string out = ".TH " + roff(upper(of.name)) + " 1 \"\" \"dualwrite " + version +
                      "\" \"User Commands\"\n.SH NAME\n" + roff(of.name) + " \\- " +
                      roff(of.title) + "\n.SH SYNOPSIS\n";
    for (const auto& verb : of.verbs) {
        const auto name = verb.name.empty() ? of.name : of.name + " " + verb.name;
        out += bold(name) + " " + roff(verb.usage) + "\n.br\n";
    }
    out += ".SH DESCRIPTION\n";
    for (const auto& verb : of.verbs) {
        if (verb.name.empty())
            out += roff(verb.about) + "\n";
        else
            append_entry(out, bold(verb.name), verb.about);
    }
    out += ".SH OPTIONS\n";
    append_options(out, of);
    out += ".SH NOTES\n";
    for (const auto& note : of.notes) out += ".PP\n" + roff(note) + "\n";
    out += ".SH EXIT STATUS\n";
    for (const auto& [code, meaning] : of.exits) append_entry(out, bold(code), meaning);
    const auto other = of.name == "dualwrite" ? "dualwrite-proxy" : "dualwrite";
    return out + ".SH SEE ALSO\n" + bold(other) + "(1)\n";
}

}  // namespace dualwrite::program
