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

const face_switch json_switch{"json", "", "Prints JSON on standard output."};

face_verb check_verb()
{
    face_verb verb;
    verb.name = "check";
    verb.usage = "SOURCE[:PORT] TARGET[:PORT] [--keyspace NAME [--table NAME]...] [--json]";
    verb.about = "Looks at both clusters before a migration: versions, clocks, schemas and what "
                 "the target does with old write times, which it tries in a table of its own. "
                 "Prints the statements that make what the target lacks.";
    verb.keys = keys_of(new_conf(DW_COMMAND_CHECK).get());
    verb.switches = {
        json_switch,
        {"cql", "", "Prints only the statements that make at the target what it lacks."},
        help_switch};
    return verb;
}

face_verb runs_verb()
{
    face_verb verb;
    verb.name = "runs";
    verb.usage = "[--state-dir DIR] [--json]";
    verb.about =
        "Lists the copies and validations that ran under a state directory and those right "
        "under it: how they ended, what is done of each table, which ranges failed.";
    verb.keys = keys_of(new_conf(DW_COMMAND_RUNS).get());
    verb.switches = {json_switch, help_switch};
    return verb;
}

// Those of a proxy without clients. Its state directory comes first, without a name; the source is
// an option like the others.
face_verb delivery_verb(std::uint32_t command, std::string name, std::string about)
{
    face_verb verb;
    verb.usage = "STATE_DIR TARGET[:PORT] --source HOST[:PORT] [--OPTION VALUE]...";
    for (auto key : keys_of(new_conf(command).get())) {
        const std::string_view key_name = key.name;
        if (key_name == "source") key.flags &= ~std::uint32_t{DW_KEY_POSITIONAL};
        if (key_name == "state-dir") {
            key.flags |= DW_KEY_POSITIONAL;
            key.help = "The state directory of the proxy.";
            verb.keys.insert(verb.keys.begin(), key);
        } else {
            verb.keys.push_back(key);
        }
    }
    verb.switches = {check_switch, help_switch};
    verb.name = std::move(name);
    verb.about = std::move(about);
    return verb;
}

// One that has no keys: it works on files.
face_verb
file_verb(std::string name, std::string usage, std::string about, std::vector<face_switch> switches)
{
    switches.push_back(help_switch);
    return {std::move(name), std::move(usage), std::move(about), {}, std::move(switches)};
}

void add_spool_verbs(face& to)
{
    to.verbs.push_back(file_verb(
        "spool inspect",
        "STATE_DIR [--json] [--show-values]",
        "Shows what the spool of a proxy holds: logs, records, writes that wait by table, their "
        "age, torn ends and damage by file and byte. Changes nothing, also while the proxy runs.",
        {json_switch,
         {"show-values",
          "",
          "Prints each write that waits first, one JSON object a line, with its values."}}
    ));
    to.verbs.push_back(delivery_verb(
        DW_COMMAND_REPLAY,
        "spool replay",
        "Delivers the writes that wait in the spool of a proxy that does not run. It can be ended "
        "at any time; the next replay, or the proxy, continues."
    ));
    to.verbs.push_back(file_verb(
        "spool salvage",
        "STATE_DIR NEW_STATE_DIR [--json]",
        "Copies every write that can be verified out of a damaged spool into a new state "
        "directory, and lists what is lost by file, bytes and numbers. Changes nothing in the old "
        "one.",
        {json_switch}
    ));
}

void add_letter_verbs(face& to)
{
    const face_switch all_switch{"all", "", "Those that a retry has applied, too."};
    to.verbs.push_back(file_verb(
        "dead-letters list",
        "STATE_DIR [--all] [--json]",
        "Lists the writes that the target refused for good, with time, table and reason, and "
        "counts them by reason. Shows no values. May run beside the proxy.",
        {all_switch, json_switch}
    ));
    to.verbs.push_back(file_verb(
        "dead-letters export",
        "STATE_DIR [--all]",
        "Prints them as lines of JSON with all values, and as CQL where that says the same.",
        {all_switch}
    ));
    to.verbs.push_back(delivery_verb(
        DW_COMMAND_RETRY,
        "dead-letters retry",
        "Delivers them again, with their write times, after the target was mended. Those that it "
        "takes are marked, the others stay. May run beside the proxy."
    ));
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
    out.title = "copies and compares Apache Cassandra clusters, and looks after spools";
    out.verbs = {
        check_verb(),
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
    out.verbs.push_back(runs_verb());
    add_spool_verbs(out);
    add_letter_verbs(out);
    out.notes = {
        "Each option is also an environment variable, DUALWRITE_KEYSPACE for --keyspace, and a "
        "line of the YAML file that --config names, `keyspace: shop`. Flags win over the "
        "environment, the environment over the file.",
        "Ctrl-C ends it cleanly; the same command continues where it was.",
        made_documents};
    out.exits = {
        {"0",
         "Complete; of check: nothing stands in the way; of validate: equal; of spool inspect: "
         "sound; of spool salvage: nothing was "
         "lost. With --check: it would work."},
        {"1",
         "Of check: there are problems; of runs: a job is not complete; of validate: there are "
         "differences; of spool inspect: "
         "there is damage; of spool salvage: "
         "writes were lost; of spool replay: dead letters were added; of dead-letters list and "
         "retry: some are open."},
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

bool belongs_to(const face_verb& verb, std::string_view group)
{
    return verb.name.starts_with(group) &&
           (verb.name.size() == group.size() || verb.name[group.size()] == ' ');
}

std::vector<std::string> first_words(const face& of)
{
    std::vector<std::string> words;
    for (const auto& verb : of.verbs) {
        auto word = verb.name.substr(0, verb.name.find(' '));
        if (words.empty() || words.back() != word) words.push_back(std::move(word));
    }
    return words;
}

std::string help_text(const face& of, std::string_view group)
{
    const auto name = group.empty() ? of.name : of.name + " " + std::string(group);
    std::string out = "Usage: " + name + " COMMAND ...\n\n" + of.name + " " + of.title + ".\n\n";
    for (const auto& verb : of.verbs)
        if (group.empty() || belongs_to(verb, group))
            append_entry(out, "  " + verb.name, verb.about);
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
