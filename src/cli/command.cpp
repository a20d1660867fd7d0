#include "command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "face.hpp"
#include "text.hpp"

namespace dualwrite::program {

namespace {

// One subcommand: its configuration and what CLI11 has read for it.
struct verb {
    std::uint32_t command;
    conf_handle conf;
    std::vector<dw_key> keys;
    std::map<std::string, std::vector<std::string>> values;  // by key
    CLI::App* app{nullptr};
    bool json{false};
    bool check_only{false};

    explicit verb(std::uint32_t c) : command(c), conf(new_conf(c)), keys(keys_of(conf.get())) {}

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
};

// CLI11 knows switches or options with a value, not both in one. Here a Boolean is a switch that
// may be followed by true or false: the two words are joined to --name=true, which it knows.
std::vector<std::string>
join_booleans(int argc, const char* const* argv, const std::vector<const verb*>& verbs)
{
    const auto is_boolean = [&](std::string_view word) {
        for (const auto* v : verbs)
            for (const auto& key : v->keys)
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

void add_verb(CLI::App& app, verb& v, const face& shown, const face_verb& of)
{
    v.app = app.add_subcommand(of.name, of.about);
    for (const auto& key : v.keys)
        if ((key.flags & DW_KEY_PLANNED) == 0) add_key(v, key);
    v.app->add_flag("--json", v.json, "Print the report as JSON on standard output.");
    v.app->add_flag("--check", v.check_only, "Connect to both sides and say what would not work.");
    const auto text = help_text(shown, of);
    v.app->set_help_flag("-h,--help");
    v.app->footer("");
    v.app->formatter_fn([text](const CLI::App*, std::string, CLI::AppFormatMode) { return text; });
}

int complain(const std::string& problem, const CLI::App* verb_app)
{
    const auto name = verb_app == nullptr ? std::string() : ' ' + verb_app->get_name();
    std::fprintf(
        stderr,
        "dualwrite: %s\n"
        "Usage: dualwrite %s SOURCE[:PORT] TARGET[:PORT] --keyspace NAME [--OPTION VALUE]...\n"
        "Try dualwrite%s --help for all options.\n",
        problem.c_str(),
        verb_app == nullptr ? "copy|validate" : verb_app->get_name().c_str(),
        name.c_str()
    );
    return exit_usage;
}

}  // namespace

command_line read_command_line(int argc, const char* const* argv)
{
    const auto shown = jobs_face();
    if (print_document(shown, {argv + std::min(argc, 1), argv + argc}))
        return {nullptr, 0, false, false, 0};
    CLI::App app("Live migration between Apache Cassandra clusters", "dualwrite");
    app.set_version_flag("--version", std::string("dualwrite ") + dw_version());
    app.require_subcommand(1);
    app.formatter_fn([&](const CLI::App*, std::string, CLI::AppFormatMode) {
        return help_text(shown);
    });
    verb copy(DW_COMMAND_COPY);
    verb validate(DW_COMMAND_VALIDATE);
    add_verb(app, copy, shown, shown.verbs[0]);
    add_verb(app, validate, shown, shown.verbs[1]);
    const std::string first = argc > 1 ? argv[1] : "-";
    if (!first.starts_with('-') && first != "copy" && first != "validate")
        return {nullptr, 0, false, false, complain("there is no command " + first, nullptr)};
    const auto asked = [&]() -> verb* {
        return copy.app->parsed() ? &copy : validate.app->parsed() ? &validate : nullptr;
    };

    auto words = join_booleans(argc, argv, {&copy, &validate});
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    try {
        app.parse(std::move(words));
        asked()->apply();
    } catch (const CLI::ParseError& error) {
        // Success: help or version, which CLI11 prints itself.
        if (error.get_exit_code() == 0) return {nullptr, 0, false, false, app.exit(error)};
        return {nullptr, 0, false, false, complain(error.what(), asked() ? asked()->app : nullptr)};
    } catch (const call_error& error) {
        if (!error.is_usage()) throw;
        return {nullptr, 0, false, false, complain(error.what(), asked()->app)};
    }
    auto* chosen = asked();
    return {std::move(chosen->conf), chosen->command, chosen->json, chosen->check_only, 0};
}

}  // namespace dualwrite::program
