#include "face.hpp"

#include <cstdio>

#include "text.hpp"

namespace dualwrite::program {

namespace {

const face_switch help_switch{"help", "h", "This text."};
const face_switch version_switch{"version", "", "The version."};
const face_switch check_switch{
    "check",
    "",
    "Connects to both sides, says what it sees there and what would not work, and starts nothing."};

constexpr auto made_documents = "With the one argument --man-page it prints its manual page; with "
                                "--completion and one of bash, "
                                "zsh, fish what that shell needs to complete its command line.";

face_verb job_verb(std::uint32_t command, std::string name, std::string about)
{
    face_verb verb;
    verb.usage = "SOURCE[:PORT] TARGET[:PORT] --keyspace NAME [--OPTION VALUE]...";
    verb.keys = keys_of(new_conf(command).get());
    // An option that does not work yet has no place among those of a job.
    std::erase_if(verb.keys, [](const auto& key) { return (key.flags & DW_KEY_PLANNED) != 0; });
    verb.switches = {
        {"json", "", "Prints the report as JSON on standard output."}, check_switch, help_switch};
    verb.name = std::move(name);
    verb.about = std::move(about);
    return verb;
}

void append_switch(std::string& out, const face_switch& its)
{
    const auto dashed = its.short_name.empty() ? "" : "-" + its.short_name + ", ";
    append_entry(out, "  " + dashed + "--" + its.name, its.help);
}

}  // namespace

face proxy_face()
{
    face_verb verb;
    verb.usage = "[--OPTION VALUE]... SOURCE TARGET";
    verb.about = "Relays CQL clients to the cluster SOURCE, unchanged, and sends each of their "
                 "writes to the cluster TARGET as well, with the same write time. Clients only "
                 "change address and port.";
    verb.keys = keys_of(new_conf(DW_COMMAND_PROXY).get());
    verb.switches = {check_switch, help_switch, version_switch};
    face out;
    out.name = "dualwrite-proxy";
    out.title = "relays CQL clients and writes to two clusters";
    out.verbs.push_back(std::move(verb));
    out.notes = {
        "Each option is also an environment variable, DUALWRITE_PROXY_PORT for --proxy-port, and a "
        "line of the YAML file that --config names, `proxy-port: 9042`. Flags win over the "
        "environment, the environment over the file.",
        "Names may be shortened while they stay unique; --OPTION=VALUE and -p9042 work as well.",
        "SIGTERM and Ctrl-C drain: clients are let go, then what waits for the target is "
        "delivered, for at most --drain-limit. A second signal stops at once.",
        made_documents};
    out.exits = {
        {"0", "All writes are delivered. With --check: it would work."},
        {"1", "It failed, or some writes are left for the next start. With --check: it would not."},
        {"255", "Wrong arguments."}};
    return out;
}

face jobs_face()
{
    face out;
    out.name = "dualwrite";
    out.title = "copies and compares Apache Cassandra clusters";
    out.verbs = {
        job_verb(
            DW_COMMAND_COPY,
            "copy",
            "Copies rows that were written before the proxy ran, with their write times and expiry."
        ),
        job_verb(
            DW_COMMAND_VALIDATE,
            "validate",
            "Compares both clusters: values, write times and expiry of every cell, in both "
            "directions."
        )};
    out.notes = {
        "Each option is also an environment variable, DUALWRITE_KEYSPACE for --keyspace, and a "
        "line of the YAML file that --config names, `keyspace: shop`. Flags win over the "
        "environment, the environment over the file.",
        "Ctrl-C ends it cleanly; the same command continues where it was.",
        made_documents};
    out.exits = {
        {"0", "Complete; of validate: equal. With --check: it would work."},
        {"1", "Of validate: there are differences."},
        {"2", "Failed, or not complete. With --check: it would not work."},
        {"130, 143", "Ended by Ctrl-C, by SIGTERM."},
        {"255", "Wrong arguments."}};
    return out;
}

std::string help_text(const face& of, const face_verb& verb)
{
    const auto name = verb.name.empty() ? of.name : of.name + " " + verb.name;
    auto out = "Usage: " + name + " " + verb.usage + "\n\n";
    append_paragraph(out, verb.about);
    out += options_text(verb.keys) + '\n';
    for (const auto& its : verb.switches) append_switch(out, its);
    for (const auto& note : of.notes) append_paragraph(out += '\n', note);
    out += "\nExit code\n";
    for (const auto& [code, meaning] : of.exits) append_entry(out, "  " + code, meaning);
    return out;
}

std::string help_text(const face& of)
{
    std::string out = "Usage: " + of.name + " COMMAND ...\n\n" + of.name + " " + of.title + ".\n\n";
    for (const auto& verb : of.verbs) append_entry(out, "  " + verb.name, verb.about);
    out += '\n';
    append_switch(out, help_switch);
    append_switch(out, version_switch);
    out += '\n';
    append_paragraph(out, of.name + " COMMAND --help lists the options of a command.");
    return out;
}

bool print_document(const face& of, const std::vector<std::string_view>& words)
{
    if (words.size() == 1 && words[0] == "--man-page")
        return std::fputs(man_page(of).c_str(), stdout), true;
    if (words.size() != 2 || words[0] != "--completion") return false;
    const auto script = completion_script(of, words[1]);
    if (script.empty()) return false;
    return std::fputs(script.c_str(), stdout), true;
}

}  // namespace dualwrite::program
