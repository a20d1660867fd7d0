#include "arguments.hpp"

#include <algorithm>
#include <optional>

namespace dualwrite::program {

namespace {

bool same_folded(char a, char b) noexcept
{
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return lower(a) == lower(b);
}

bool equals(std::string_view a, std::string_view b) noexcept
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_folded);
}

bool begins(std::string_view text, std::string_view prefix) noexcept
{
    return text.size() >= prefix.size() && equals(text.substr(0, prefix.size()), prefix);
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) noexcept
{
    return std::any_of(words.begin(), words.end(), [&](auto word) { return equals(word, text); });
}

// Enclosing double quotes: what a shell script has quoted twice.
std::string_view unquoted(std::string_view value) noexcept
{
    const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
    return quoted ? value.substr(1, value.size() - 2) : value;
}

// Options that are no keys.
constexpr dw_key builtin(const char* name, const char* short_name, std::uint32_t flags)
{
    dw_key key = DW_KEY_INIT;
    key.type = DW_TYPE_BOOLEAN;
    key.flags = flags;
    key.name = name;
    key.short_name = short_name;
    return key;
}
constexpr dw_key help_option = builtin("help", "h", DW_KEY_DOCUMENTED);
constexpr dw_key version_option = builtin("version", "", DW_KEY_DOCUMENTED);
constexpr dw_key check_option = builtin("check", "", 0);

class reader {
public:
    reader(std::span<const dw_key> keys, std::span<const std::string_view> words) : words_(words)
    {
        for (const auto& key : keys)
            ((key.flags & DW_KEY_POSITIONAL) != 0 ? positionals_ : options_).push_back(key);
        options_.push_back(help_option);
        options_.push_back(version_option);
        options_.push_back(check_option);
    }

    arguments run()
    {
        bool options_end = false;
        while (next_ < words_.size() && out_.error.empty()) {
            const auto word = words_[next_++];
            if (!options_end && word == "--")
                options_end = true;
            else if (!options_end && word.size() > 1 && word.front() == '-')
                option(word);
            else
                positional(word);
        }
        return std::move(out_);
    }

private:
    struct match {
        const dw_key* key{nullptr};             // none or the one
        std::vector<std::string> ambiguous;     // names, if there are several
        std::optional<std::string_view> value;  // what is joined to the name
    };

    match find(std::string_view word) const
    {
        return word.starts_with("--") ? find_long(word.substr(2)) : find_short(word.substr(1));
    }

    // NAME or NAME=VALUE. A new option does not take a prefix away from a documented one.
    match find_long(std::string_view text) const
    {
        match found;
        const auto equal = text.find('=');
        const auto name = text.substr(0, equal);
        if (equal != text.npos) found.value = text.substr(equal + 1);
        std::vector<const dw_key*> candidates;
        for (const auto& option : options_) {
            if (equals(option.name, name)) return found.key = &option, found;
            if (!name.empty() && begins(option.name, name)) candidates.push_back(&option);
        }
        std::vector<const dw_key*> documented;
        std::copy_if(
            candidates.begin(),
            candidates.end(),
            std::back_inserter(documented),
            [](const auto* key) { return (key->flags & DW_KEY_DOCUMENTED) != 0; }
        );
        if (candidates.size() > 1 && !documented.empty()) candidates = documented;
        if (candidates.size() == 1) found.key = candidates.front();
        if (candidates.size() > 1)
            for (const auto* key : candidates) found.ambiguous.emplace_back(key->name);
        return found;
    }

    // N, NVALUE or N=VALUE; the longest name counts, so that -mp is not -m with a value.
    match find_short(std::string_view text) const
    {
        match found;
        std::size_t longest = 0;
        for (const auto& option : options_) {
            const std::string_view name = option.short_name;
            if (name.size() <= longest || !text.starts_with(name)) continue;
            longest = name.size();
            found.key = &option;
        }
        if (found.key == nullptr || text.size() == longest) return found;
        found.value = text.substr(text[longest] == '=' ? longest + 1 : longest);
        return found;
    }

    void option(std::string_view word)
    {
        const auto found = find(word);
        if (!found.ambiguous.empty()) return ambiguous(word, found.ambiguous);
        if (found.key == nullptr) return unknown(word);
        const std::string_view name = found.key->name;
        if (auto* asked = switch_of(name); asked != nullptr) {
            *asked = true;
            return;
        }
        if (found.value) return take(*found.key, *found.value);
        if (next_ == words_.size() || is_option(words_[next_])) {
            out_.error = "The option '" + std::string(name) + "' requires a value: --" +
                         std::string(name) + ' ' + found.key->value_name;
            return;
        }
        take(*found.key, words_[next_++]);
        // The Java tool's lists take the words behind them, SOURCE and TARGET if they come there.
        constexpr auto greedy = DW_KEY_LIST | DW_KEY_DOCUMENTED;
        while ((found.key->flags & greedy) == greedy && next_ < words_.size() &&
               !is_option(words_[next_]))
            take(*found.key, words_[next_++]);
    }

    // nullptr: it takes a value.
    bool* switch_of(std::string_view name) noexcept
    {
        if (name == "help") return &out_.help;
        if (name == "version") return &out_.version;
        return name == "check" ? &out_.check : nullptr;
    }

    bool is_option(std::string_view word) const
    {
        if (word.size() < 2 || word.front() != '-') return false;
        if (word == "--") return true;
        const auto found = find(word);
        return found.key != nullptr || !found.ambiguous.empty();
    }

    void take(const dw_key& key, std::string_view value)
    {
        value = unquoted(value);
        const bool seen =
            std::any_of(out_.settings.begin(), out_.settings.end(), [&](const auto& s) {
                return s.key == key.name;
            });
        if (seen && (key.flags & DW_KEY_LIST) == 0) {
            out_.error = "The option '" + std::string(key.name) + "' is given twice";
            return;
        }
        if (key.type == DW_TYPE_BOOLEAN) value = boolean(key, value);
        out_.settings.push_back({key.name, std::string(value), !seen});
    }

    std::string_view boolean(const dw_key& key, std::string_view value)
    {
        if (is_one_of(value, {"true", "yes", "on", "1"})) return "true";
        if (!is_one_of(value, {"false", "no", "off", "0"}))
            out_.warnings.push_back(
                "--" + std::string(key.name) + " takes true or false; '" + std::string(value) +
                "' counts as false"
            );
        return "false";
    }

    void positional(std::string_view word)
    {
        if (positionals_taken_ < positionals_.size()) {
            out_.settings.push_back(
                {positionals_[positionals_taken_++].name, std::string(word), true}
            );
            return;
        }
        out_.error =
            "unexpected argument '" + std::string(word) + "': SOURCE and TARGET are given already";
    }

    void ambiguous(std::string_view word, const std::vector<std::string>& names)
    {
        std::string list;
        for (const auto& name : names) (list += list.empty() ? "" : ", ") += name;
        out_.error = "Ambiguous argument in command line: '" +
                     std::string(word.substr(0, word.find('='))) + "' matches [" + list + "]";
    }

    // Which name was meant, the library says.
    void unknown(std::string_view word)
    {
        const auto name = word.substr(0, word.find('='));
        out_.error = "unknown option '" + std::string(name) + "'";
        if (name.starts_with("--")) out_.unknown = name.substr(2);
    }

    std::span<const std::string_view> words_;
    std::vector<dw_key> options_;
    std::vector<dw_key> positionals_;
    std::size_t next_{0};
    std::size_t positionals_taken_{0};
    arguments out_;
};

}  // namespace

arguments read_arguments(std::span<const dw_key> keys, std::span<const std::string_view> words)
{
    return reader(keys, words).run();
}

}  // namespace dualwrite::program
