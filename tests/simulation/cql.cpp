#include "cql.hpp"

#include <cctype>
#include <map>
#include <utility>

namespace sim {

namespace {

class parser {
public:
    explicit parser(std::string_view text) : text_(text) { advance(); }

    cql_statement statement()
    {
        if (is("BEGIN")) return batch();
        return one();
    }

private:
    cql_statement batch()
    {
        cql_statement out;
        out.what = cql_statement::kind::batch;
        expect("BEGIN");
        if (!take("UNLOGGED")) take("COUNTER");
        expect("BATCH");
        using_clause(out);
        while (!take("APPLY")) {
            out.children.push_back(one());
            take(";");
        }
        expect("BATCH");
        out.markers = markers_;
        return out;
    }

    cql_statement one()
    {
        cql_statement out;
        if (take("INSERT"))
            insert(out);
        else if (take("UPDATE"))
            update(out);
        else if (take("DELETE"))
            erase(out);
        else if (take("SELECT"))
            select(out);
        else
            throw cql_error{"no statement begins with " + word_};
        out.markers = markers_;
        return out;
    }

    void insert(cql_statement& out)
    {
        out.what = cql_statement::kind::insert;
        expect("INTO");
        name_table(out);
        expect("(");
        do {
            out.assignments.push_back({identifier(), assignment::kind::set, {}, {}});
        } while (take(","));
        expect(")");
        expect("VALUES");
        expect("(");
        for (std::size_t i = 0; i < out.assignments.size(); ++i) {
            if (i != 0) expect(",");
            out.assignments[i].value = read_term();
        }
        expect(")");
        if (take("IF")) {
            expect("NOT");
            expect("EXISTS");
            out.cas = cql_statement::conditional::if_not_exists;
        }
        using_clause(out);
    }

    void update(cql_statement& out)
    {
        out.what = cql_statement::kind::update;
        name_table(out);
        using_clause(out);
        expect("SET");
        do {
            out.assignments.push_back(assign());
        } while (take(","));
        where_clause(out);
        if_clause(out);
    }

    assignment assign()
    {
        assignment out{identifier(), assignment::kind::set, {}, {}};
        if (take("[")) {
            out.what = assignment::kind::element;
            out.index = read_term();
            expect("]");
        }
        expect("=");
        if (out.what == assignment::kind::set && is_identifier() && word_ == out.column) {
            advance();
            out.what = take("+") ? assignment::kind::add : assignment::kind::subtract;
            if (out.what == assignment::kind::subtract) expect("-");
            out.value = read_term();
            return out;
        }
        out.value = read_term();
        if (out.what == assignment::kind::set && take("+")) {
            if (identifier() != out.column) throw cql_error{"another column"};
            out.what = assignment::kind::prepend;
        }
        return out;
    }

    void erase(cql_statement& out)
    {
        out.what = cql_statement::kind::erase;
        while (!take("FROM")) {
            take(",");
            deletion one{identifier(), {}};
            if (take("[")) {
                one.element = read_term();
                expect("]");
            }
            out.deletions.push_back(std::move(one));
        }
        name_table(out);
        using_clause(out);
        where_clause(out);
        if_clause(out);
    }

    void select(cql_statement& out)
    {
        out.what = cql_statement::kind::select;
        do {
            auto what = selection::kind::value;
            if (take("WRITETIME")) what = selection::kind::writetime;
            if (take("TTL")) what = selection::kind::ttl;
            if (what != selection::kind::value) expect("(");
            out.selected.push_back({identifier(), what});
            if (what != selection::kind::value) expect(")");
        } while (take(","));
        expect("FROM");
        name_table(out);
        if (is("WHERE")) where_clause(out);
        if (take("LIMIT")) read_term();
    }

    void name_table(cql_statement& out)
    {
        out.table = identifier();
        if (take(".")) out.keyspace = std::exchange(out.table, identifier());
    }

    void using_clause(cql_statement& out)
    {
        if (!take("USING")) return;
        do {
            if (take("TTL"))
                out.ttl = read_term();
            else if (take("TIMESTAMP"))
                out.timestamp = read_term();
            else
                throw cql_error{"USING what"};
        } while (take("AND"));
    }

    void where_clause(cql_statement& out)
    {
        expect("WHERE");
        do {
            out.where.push_back(compare());
        } while (take("AND"));
    }

    void if_clause(cql_statement& out)
    {
        if (!take("IF")) return;
        if (take("EXISTS")) {
            out.cas = cql_statement::conditional::if_exists;
            return;
        }
        out.cas = cql_statement::conditional::if_values;
        do {
            out.ifs.push_back(compare());
        } while (take("AND"));
    }

    condition compare()
    {
        condition out;
        out.column = identifier();
        out.op = word_;
        advance();
        if ((out.op == "<" || out.op == ">") && take("=")) out.op += '=';
        out.value = read_term();
        return out;
    }

    term read_term()
    {
        term out;
        if (take("?")) {
            out.what = term::kind::marker;
            out.marker = markers_++;
        } else if (take("NULL")) {
            out.what = term::kind::null;
        } else if (is_text_) {
            out.what = term::kind::text;
            out.text = word_;
            advance();
        } else if (take("[")) {
            items(out, "]", term::kind::list);
        } else if (take("{")) {
            items(out, "}", term::kind::set);
        } else if (is_number()) {
            out.what = term::kind::number;
            out.number = std::stoll(word_);
            advance();
        } else {
            out.what = term::kind::call;
            out.text = identifier();
            expect("(");
            items(out, ")", term::kind::call);
        }
        return out;
    }

    void items(term& out, std::string_view end, term::kind what)
    {
        out.what = what;
        while (!take(end)) {
            take(",");
            out.items.push_back(read_term());
            if (!take(":")) continue;
            out.what = term::kind::map;
            out.items.push_back(read_term());
        }
    }

    bool is_number() const
    {
        return !word_.empty() && (std::isdigit(static_cast<unsigned char>(word_.back())) != 0) &&
               (std::isdigit(static_cast<unsigned char>(word_[0])) != 0 || word_[0] == '-');
    }
    bool is_identifier() const
    {
        return !is_text_ && !word_.empty() &&
               (std::isalpha(static_cast<unsigned char>(word_[0])) != 0);
    }
    std::string identifier()
    {
        if (!is_identifier()) throw cql_error{"a name was expected, not " + word_};
        auto out = word_;
        advance();
        return out;
    }

    bool is(std::string_view wanted) const
    {
        if (is_text_ || word_.size() != wanted.size()) return false;
        for (std::size_t i = 0; i < wanted.size(); ++i)
            if (std::toupper(static_cast<unsigned char>(word_[i])) != wanted[i]) return false;
        return true;
    }
    bool take(std::string_view wanted)
    {
        if (!is(wanted)) return false;
        advance();
        return true;
    }
    void expect(std::string_view wanted)
    {
        if (!take(wanted)) throw cql_error{std::string(wanted) + " was expected, not " + word_};
    }

    void skip_blanks()
    {
        for (;;) {
            while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0)
                ++at_;
            if (text_.substr(at_, 2) != "/*") return;
            const auto end = text_.find("*/", at_ + 2);
            if (end == std::string_view::npos) throw cql_error{"a comment does not end"};
            at_ = end + 2;
        }
    }

    void advance()
    {
        skip_blanks();
        word_.clear();
        is_text_ = false;
        if (at_ == text_.size()) return;
        const auto is_word = [&](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
        };
        if (text_[at_] == '\'') {
            is_text_ = true;
            for (++at_; at_ < text_.size() && text_[at_] != '\''; ++at_) word_ += text_[at_];
            ++at_;
            return;
        }
        const bool negative = text_[at_] == '-' && at_ + 1 < text_.size() &&
                              std::isdigit(static_cast<unsigned char>(text_[at_ + 1])) != 0;
        word_ += text_[at_++];
        if (!negative && !is_word(word_[0])) return;
        while (at_ < text_.size() && is_word(text_[at_])) word_ += text_[at_++];
    }

    std::string_view text_;
    std::size_t at_{0};
    std::string word_;
    bool is_text_{false};
    int markers_{0};
};

}  // namespace

cql_statement parse_cql(std::string_view text)
{
    return parser(text).statement();
}

std::shared_ptr<const cql_statement> parsed(const std::string& text)
{
    static thread_local std::map<std::string, std::shared_ptr<const cql_statement>> known;
    const auto found = known.find(text);
    if (found != known.end()) return found->second;
    if (known.size() > 10'000) known.clear();
    auto made = std::make_shared<const cql_statement>(parse_cql(text));
    known.emplace(text, made);
    return made;
}

}  // namespace sim
