#include "command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <list>

#include "face.hpp"
#include "files.hpp"
#include "text.hpp"

namespace dualwrite::program {

namespace {

// One subcommand: its configuration, or files, and what CLI11 has read for it.
struct verb {
    const face_verb& shown;
    std::uint32_t command;  // 0: it works on files and has no keys
    conf_handle conf;
    std::map<std::string, std::vector<std::string>> values;  // by key
    CLI::App* app{nullptr};
    std::map<std::string, bool> switches;
    std::vector<std::string> paths;

    verb(const face_verb& of, std::uint32_t c) : shown(of), command(c)
    {
        if (command != 0) conf = new_conf(command);
    }

    void put_all(const char* key, const std::vector<std::string>& list)
    {
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto put = i == 0 ? dw_conf_set : dw_conf_add;
            check([&](dw_error* err) { return put(conf.get(), key, list[i].c_str(), err); });
        }
    }

    // What the command line says, over what the environment says. In this order, so that a file
    // which a flag names takes the place of the environment's.
    void apply()
    {
        for (const auto& entry : values) put_all(entry.first.c_str(), entry.second);
        check([&](dw_error* err) { return dw_conf_load_env(conf.get(), err); });
        check([&](dw_error* err) { return dw_conf_check(conf.get(), err); });
    }

    command_line result()
    {
        if (command != 0) {
            apply();
            return {
                std::move(conf),
                command,
                switches["json"],
                switches["check"],
                switches["cql"],
                0,
                {}};
        }
        file_request request{shown.name, paths, {}};
        for (const auto& [name, given] : switches)
            if (given) request.switches.insert(name);
        return {nullptr, 0, false, false, false, 0, [request] { return run_on_files(request); }};
    }
};

std::uint32_t command_of(std::string_view name)
{
    if (name == "copy") return DW_COMMAND_COPY;
    if (name == "validate") return DW_COMMAND_VALIDATE;
    if (name == "check") return DW_COMMAND_CHECK;
    if (name == "runs") return DW_COMMAND_RUNS;
    if (name == "spool replay") return DW_COMMAND_REPLAY;
    if (name == "dead-letters retry") return DW_COMMAND_RETRY;
    return 0;
}

// CLI11 knows switches or options with a value, not both in one. Here a Boolean is a switch that
// may be followed by true or false: the two words are joined to --name=true, which it knows.
std::vector<std::string> join_booleans(int argc, const char* const* argv, const face& shown)
{
    const auto is_boolean = [&](std::string_view word) {
        for (const auto& v : shown.verbs)
            for (const auto& key : v.keys)
                if (key.type == DW_TYPE_BOOLEAN && word == std::string("--") + key.name)
                    return true;
        return false;
    };
    const auto is_value = [](std::string_view word) {
        for (const auto* known : {"true", "false", "yes", "no", "on", "off", "1", "0"})
            if (word == known) return true;
        return false;
    };
    std::vector<std::string> words;
    for (int i = 1; i < argc; ++i) {
        words.emplace_back(argv[i]);
        if (words.back() == "--")
            return words.insert(words.end(), argv + i + 1, argv + argc), words;
        if (i + 1 < argc && is_boolean(words.back()) && is_value(argv[i + 1]))
            words.back() += std::string("=") + argv[++i];
    }
    return words;
}

void add_key(verb& v, const dw_key& key)
{
    const bool positional = (key.flags & DW_KEY_POSITIONAL) != 0;
    const auto name = positional ? std::string(key.name) : std::string("--") + key.name;
    auto& values = v.values[key.name];
    CLI::Option* option = nullptr;
    if (key.type == DW_TYPE_BOOLEAN)
        option = v.app->add_flag_function(
            name,
            [&values](std::int64_t n) { values.assign(1, n > 0 ? "true" : "false"); },
            key.help
        );
    else
        // Without extra arguments: a positional would take the words of the next one.
        option = v.app->add_option(name, values, key.help)->expected(1)->allow_extra_args(false);
    if ((key.flags & DW_KEY_LIST) != 0) option->take_all();
    option->group(key.group);
}

// The subcommand `of`, below the one of its first word if it has two.
CLI::App* add_app(CLI::App& app, const face& shown, const face_verb& of)
{
    const auto space = of.name.find(' ');
    if (space == of.name.npos) return app.add_subcommand(of.name, of.about);
    const auto group = of.name.substr(0, space);
    CLI::App* parent = nullptr;
    for (auto* known : app.get_subcommands([](const CLI::App*) { return true; }))
        if (known->get_name() == group) parent = known;
    if (parent == nullptr) {
        parent = app.add_subcommand(group);
        parent->require_subcommand(1);
        const auto text = help_text(shown, group);
        parent->set_help_flag("-h,--help");
        parent->formatter_fn([text](const CLI::App*, std::string, CLI::AppFormatMode) {
            return text;
        });
    }
    return parent->add_subcommand(of.name.substr(space + 1), of.about);
}

void add_verb(CLI::App& app, verb& v, const face& shown)
{
    v.app = add_app(app, shown, v.shown);
    for (const auto& key : v.shown.keys) add_key(v, key);
    for (const auto& its : v.shown.switches)
        if (its.name != "help") v.app->add_flag("--" + its.name, v.switches[its.name], its.help);
    if (v.command == 0)
        v.app->add_option("STATE_DIR", v.paths)
            ->required()
            ->expected(static_cast<int>(paths_of(v.shown.name)));
    const auto text = help_text(shown, v.shown);
    v.app->set_help_flag("-h,--help");
    v.app->footer("");
    v.app->formatter_fn([text](const CLI::App*, std::string, CLI::AppFormatMode) { return text; });
}

int complain(const std::string& problem, const face& shown, const verb* of)
{
    std::string words;
    for (const auto& its : shown.verbs) (words += words.empty() ? "" : "|") += its.name;
    const auto name = of == nullptr ? std::string() : ' ' + of->shown.name;
    const auto usage = of == nullptr ? words + " ..." : of->shown.name + " " + of->shown.usage;
    std::fprintf(
        stderr,
        "dualwrite: %s\nUsage: dualwrite %s\nTry dualwrite%s --help for all options.\n",
        problem.c_str(),
        usage.c_str(),
        name.c_str()
    );
    return exit_usage;
}

command_line ended(int code)
{
    return {nullptr, 0, false, false, false, code, {}};
}

bool is_first_word(const face& shown, const std::string& word)
{
    const auto words = first_words(shown);
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

command_line read_command_line(int argc, const char* const* argv)
{
    const auto shown = jobs_face();
    if (print_document(shown, {argv + std::min(argc, 1), argv + argc})) return ended(0);
    CLI::App app("Live migration between Apache Cassandra clusters", "dualwrite");
    app.set_version_flag("--version", std::string("dualwrite ") + dw_version());
    app.require_subcommand(1);
    app.formatter_fn([&](const CLI::App*, std::string, CLI::AppFormatMode) {
        return help_text(shown);
    });
    std::list<verb> verbs;
    for (const auto& of : shown.verbs)
        add_verb(app, verbs.emplace_back(of, command_of(of.name)), shown);
    const std::string first = argc > 1 ? argv[1] : "-";
    if (!first.starts_with('-') && !is_first_word(shown, first))
        return ended(complain("there is no command " + first, shown, nullptr));
    const auto asked = [&]() -> verb* {
        for (auto& its : verbs)
            if (its.app->parsed()) return &its;
        return nullptr;
    };

    auto words = join_booleans(argc, argv, shown);
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    try {
        app.parse(std::move(words));
        return asked()->result();
    } catch (const CLI::ParseError& error) {
        // Success: help or version, which CLI11 prints itself.
        if (error.get_exit_code() == 0) return ended(app.exit(error));
        return ended(complain(error.what(), shown, asked()));
    } catch (const call_error& error) {
        if (!error.is_usage()) throw;
        return ended(complain(error.what(), shown, asked()));
    }
}

}  // namespace dualwrite::program
