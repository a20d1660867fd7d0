#pragma once

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// Reads tests/policy/statements.txt; its head says what stands in it.

namespace dualwrite::policy {

struct corpus_row {
    std::string verdict;  // good, late, bad
    std::string cql;
    std::string facts;  // as describe() shows them
    std::size_t line{0};
};

inline std::string unescape(std::string_view text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        const char what = text[++i];
        if (what == 'x' && i + 2 < text.size()) {
            out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        } else {
            out += what == 'n' ? '\n' : what == 'r' ? '\r' : what == 't' ? '\t' : what;
        }
    }
    return out;
}

inline std::vector<corpus_row> read_corpus(const std::string& path)
{
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + path);
    std::vector<corpus_row> out;
    std::size_t number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (line.empty() || line.front() == '#') continue;
        const auto blank = line.find(' ');
        corpus_row row{line.substr(0, blank), unescape(line.substr(blank + 1)), {}, number};
        std::getline(in, line);
        ++number;
        if (!line.starts_with("    "))
            throw std::runtime_error(path + ":" + std::to_string(number) + ": no facts");
        row.facts = unescape(line.substr(4));
        out.push_back(std::move(row));
    }
    return out;
}

}  // namespace dualwrite::policy
