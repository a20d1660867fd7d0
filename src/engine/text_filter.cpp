#include "text_filter.hpp"

#include <dualwrite/base/error.hpp>

#include <memory>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace dualwrite::engine {

namespace {

struct code_free {
    void operator()(pcre2_code* code) const noexcept { pcre2_code_free(code); }
};
struct match_free {
    void operator()(pcre2_match_data* data) const noexcept { pcre2_match_data_free(data); }
};

// A pattern whose matching explodes must not hold up the loop: past this the text counts as one
// that does not match, so that the write is replicated.
constexpr std::uint32_t match_limit = 100'000;

class full_match {
public:
    explicit full_match(std::shared_ptr<pcre2_code> code)
        : code_(std::move(code)),
          context_(pcre2_match_context_create(nullptr), pcre2_match_context_free)
    {
        pcre2_set_match_limit(context_.get(), match_limit);
    }

    bool operator()(std::string_view text) const
    {
        const std::unique_ptr<pcre2_match_data, match_free> data(
            pcre2_match_data_create_from_pattern(code_.get(), nullptr)
        );
        const auto got = pcre2_match(
            code_.get(),
            reinterpret_cast<PCRE2_SPTR>(text.data()),
            text.size(),
            0,
            PCRE2_ANCHORED | PCRE2_ENDANCHORED,
            data.get(),
            context_.get()
        );
        return got >= 0;
    }

private:
    std::shared_ptr<pcre2_code> code_;  // never changed after compiling, so shared
    std::shared_ptr<pcre2_match_context> context_;
};

}  // namespace

result<std::function<bool(std::string_view)>>
make_text_filter(const std::string& pattern, std::string& why)
{
    int code = 0;
    std::size_t offset = 0;
    std::shared_ptr<pcre2_code> compiled(
        pcre2_compile(
            reinterpret_cast<PCRE2_SPTR>(pattern.data()),
            pattern.size(),
            PCRE2_UTF | PCRE2_MATCH_INVALID_UTF,
            &code,
            &offset,
            nullptr
        ),
        code_free{}
    );
    if (!compiled) {
        unsigned char text[256] = "";
        pcre2_get_error_message(code, text, sizeof text);
        why = "the pattern is wrong at its character " + std::to_string(offset + 1) + ": " +
              reinterpret_cast<const char*>(text);
        return fail(errc::invalid_argument);
    }
    return std::function<bool(std::string_view)>(full_match(std::move(compiled)));
}

}  // namespace dualwrite::engine
