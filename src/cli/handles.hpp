#pragma once

#include <dualwrite/dualwrite.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// dualwrite.h for the two programs: owners for its handles, exceptions for its errors.

namespace dualwrite::program {

struct release {
    void operator()(dw_conf* conf) const noexcept { dw_conf_free(&conf); }
    void operator()(dw_proxy* proxy) const noexcept { dw_proxy_free(&proxy); }
    void operator()(dw_job* job) const noexcept { dw_job_free(&job); }
    void operator()(char* text) const noexcept { dw_free(text); }
};
using conf_handle = std::unique_ptr<dw_conf, release>;
using proxy_handle = std::unique_ptr<dw_proxy, release>;
using job_handle = std::unique_ptr<dw_job, release>;
using text_handle = std::unique_ptr<char, release>;

// A call of dualwrite.h failed: its code and its sentence for people.
class call_error : public std::runtime_error {
public:
    call_error(int code, const char* text) : std::runtime_error(text), code_(code) {}
    int code() const noexcept { return code_; }
    // What the user wrote is wrong, rather than the world.
    bool is_usage() const noexcept { return code_ == DW_E_CONFIG || code_ == DW_E_UNSUPPORTED; }

private:
    int code_;
};

// Returns what `call` did if that is no failure: DW_OK or DW_NOT_YET.
template <class Call> int check(Call&& call)
{
    dw_error err = DW_ERROR_INIT;
    const int code = call(&err);
    if (code < 0) throw call_error(code, err.message);
    return code;
}

inline conf_handle new_conf(std::uint32_t command)
{
    dw_conf* conf = nullptr;
    check([&](dw_error* err) { return dw_conf_new(&conf, command, err); });
    return conf_handle(conf);
}

inline std::string get(const dw_conf* conf, const char* key)
{
    char* value = nullptr;
    check([&](dw_error* err) { return dw_conf_get(conf, key, &value, err); });
    return text_handle(value).get();
}

// Looks at both sides and prints what it found. Returns how many things would not work.
inline std::size_t print_check(const dw_conf* conf, std::uint32_t format)
{
    std::size_t problems = 0;
    char* report = nullptr;
    check([&](dw_error* err) { return dw_conf_try(conf, format, &problems, &report, err); });
    const text_handle text(report);
    std::fputs(text.get(), stdout);
    if (format == DW_REPORT_JSON) std::fputc('\n', stdout);
    return problems;
}

inline std::vector<dw_key> keys_of(const dw_conf* conf)
{
    std::vector<dw_key> keys;
    dw_key key = DW_KEY_INIT;
    while (check([&](dw_error* err) { return dw_conf_keys(conf, keys.size(), &key, err); }) == DW_OK
    )
        keys.push_back(key);
    return keys;
}

}  // namespace dualwrite::program
