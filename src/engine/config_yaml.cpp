#include "config_yaml.hpp"

#include <dualwrite/base/error.hpp>

#include <nlohmann/json.hpp>

#include <yaml.h>

namespace dualwrite::engine {

namespace {

// libyaml's parser, one event at a time.
class event_reader {
public:
    explicit event_reader(std::string_view text)
    {
        if (yaml_parser_initialize(&parser_) == 0) throw std::bad_alloc();
        yaml_parser_set_input_string(
            &parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size()
        );
    }
    ~event_reader()
    {
        drop();
        yaml_parser_delete(&parser_);
    }
    event_reader(const event_reader&) = delete;

    // False: the text is no YAML; see problem().
    bool next()
    {
        drop();
        has_event_ = yaml_parser_parse(&parser_, &event_) != 0;
        if (!has_event_ && parser_.error == YAML_MEMORY_ERROR) throw std::bad_alloc();
        return has_event_;
    }

    yaml_event_type_t type() const noexcept { return event_.type; }
    std::size_t line() const noexcept
    {
        return (has_event_ ? event_.start_mark : parser_.problem_mark).line + 1;
    }
    std::string problem() const
    {
        return parser_.problem == nullptr ? "not YAML" : std::string(parser_.problem);
    }
    std::string text() const
    {
        const auto& scalar = event_.data.scalar;
        return {reinterpret_cast<const char*>(scalar.value), scalar.length};
    }
    // Nothing, ~ or null, without quotes.
    bool is_null() const
    {
        if (type() != YAML_SCALAR_EVENT) return false;
        if (event_.data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return false;
        const auto word = text();
        return word.empty() || word == "~" || word == "null" || word == "Null" || word == "NULL";
    }

private:
    void drop()
    {
        if (has_event_) yaml_event_delete(&event_);
        has_event_ = false;
    }

    yaml_parser_t parser_{};
    yaml_event_t event_{};
    bool has_event_{false};
};

class file_reader {
public:
    explicit file_reader(std::string_view text) : events_(text) {}

    result<std::vector<yaml_entry>> run(std::string& why, std::size_t& line)
    {
        if (read_stream()) return std::move(entries_);
        why = why_;
        line = events_.line();
        return fail(errc::invalid_argument);
    }

private:
    bool refuse(std::string what) { return why_ = std::move(what), false; }
    bool next() { return events_.next() || refuse(events_.problem()); }

    bool read_stream()
    {
        if (!next() || !next()) return false;  // the stream's start, and what it begins with
        if (events_.type() == YAML_STREAM_END_EVENT) return true;
        if (!next()) return false;
        if (events_.type() == YAML_MAPPING_START_EVENT) {
            if (!read_entries()) return false;
        } else if (!events_.is_null()) {
            return refuse("not a list of `key: value`");
        }
        if (!next() || !next()) return false;
        return events_.type() == YAML_STREAM_END_EVENT ||
               refuse("a second document; there can be one only");
    }

    bool read_entries()
    {
        for (;;) {
            if (!next()) return false;
            if (events_.type() == YAML_MAPPING_END_EVENT) return true;
            if (events_.type() != YAML_SCALAR_EVENT) return refuse("a key that is no word");
            yaml_entry entry{.key = events_.text(), .values = {}, .line = events_.line()};
            if (!next()) return false;
            if (events_.is_null()) continue;
            if (!read_value(entry)) return false;
            entries_.push_back(std::move(entry));
        }
    }

    bool read_value(yaml_entry& into)
    {
        switch (events_.type()) {
        case YAML_SCALAR_EVENT:
            into.values.push_back(events_.text());
            return true;
        case YAML_SEQUENCE_START_EVENT:
            return read_sequence(into);
        case YAML_MAPPING_START_EVENT:
            return read_mapping(into);
        default:
            return refuse("anchors and aliases are not known here");
        }
    }

    bool read_scalar(const std::string& key)
    {
        if (!next()) return false;
        return events_.type() == YAML_SCALAR_EVENT || events_.type() == YAML_SEQUENCE_END_EVENT ||
               events_.type() == YAML_MAPPING_END_EVENT ||
               refuse(key + ": its parts must be plain values");
    }

    bool read_sequence(yaml_entry& into)
    {
        for (;;) {
            if (!read_scalar(into.key)) return false;
            if (events_.type() == YAML_SEQUENCE_END_EVENT) return true;
            into.values.push_back(events_.text());
        }
    }

    bool read_mapping(yaml_entry& into)
    {
        auto object = nlohmann::json::object();
        for (;;) {
            if (!read_scalar(into.key)) return false;
            if (events_.type() == YAML_MAPPING_END_EVENT) break;
            const auto name = events_.text();
            if (!read_scalar(into.key)) return false;
            if (!object.emplace(name, events_.text()).second)
                return refuse(into.key + ": " + name + " is there twice");
        }
        into.values.push_back(object.dump());
        return true;
    }

    event_reader events_;
    std::vector<yaml_entry> entries_;
    std::string why_;
};

}  // namespace

result<std::vector<yaml_entry>>
parse_yaml(std::string_view text, std::string& why, std::size_t& line)
{
    return file_reader(text).run(why, line);
}

}  // namespace dualwrite::engine
