#pragma once

#include <dualwrite/dualwrite.h>

#include <pybind11/pybind11.h>

#include <memory>
#include <stdexcept>
#include <string>

// Calls of dualwrite.h from Python: failures as exceptions, texts as strings.

namespace dualwrite::python {

namespace py = pybind11;
using release_gil = py::gil_scoped_release;

class call_error : public std::runtime_error {
public:
    call_error(int code, const char* text) : std::runtime_error(text), code_(code) {}
    int code() const noexcept { return code_; }

private:
    int code_;
};

template <class Call> int check(Call&& call)
{
    dw_error err = DW_ERROR_INIT;
    const int code = call(&err);
    if (code < 0) throw call_error(code, err.message);
    return code;
}

// The text that `call` gives out. Without the GIL: the library may log meanwhile.
template <class Call> std::string text_of(Call&& call)
{
    char* text = nullptr;
    {
        const release_gil released;
        check([&](dw_error* err) { return call(&text, err); });
    }
    const std::unique_ptr<char, decltype(&dw_free)> owned(text, dw_free);
    return owned.get();
}

}  // namespace dualwrite::python
