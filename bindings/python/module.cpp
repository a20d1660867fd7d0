// The Python module _dualwrite: dualwrite.h, translated. What is comfortable stands in
// dualwrite/__init__.py.

#include <exception>
#include <utility>

#include "handles.hpp"
#include "parsing.hpp"

using namespace dualwrite::python;

namespace {

// dualwrite/__init__.py makes exceptions from code and text. Kept for ever: exceptions may be
// thrown until the interpreter is gone.
py::object& exception_maker()
{
    static auto* maker = new py::object();
    return *maker;
}

void translate(std::exception_ptr thrown)
{
    try {
        if (thrown) std::rethrow_exception(thrown);
    } catch (const call_error& error) {
        try {
            const py::object made = exception_maker()(error.code(), error.what());
            PyErr_SetObject(py::type::of(made).ptr(), made.ptr());
        } catch (py::error_already_set& other) {
            other.restore();
        }
    }
}

}  // namespace

PYBIND11_MODULE(_dualwrite, m)
{
    m.doc() = "dualwrite.h for Python; use the package dualwrite";
    m.def("version", &dw_version);
    // The exceptions' maker and the loggers are of one interpreter.
    m.def("in_main_interpreter", [] {
        return PyInterpreterState_Get() == PyInterpreterState_Main();
    });
    m.def("code_name", &dw_code_name, py::arg("code"));
    m.def("set_exception_maker", [](py::object maker) { exception_maker() = std::move(maker); });
    py::register_exception_translator(&translate);

    py::class_<conf>(m, "Conf")
        .def(py::init<std::uint32_t>(), py::arg("command"))
        .def("set", &conf::set, py::arg("key"), py::arg("value"))
        .def("get", &conf::get, py::arg("key"))
        .def("load_env", &conf::load_env)
        .def("check", &conf::check_all)
        .def("try_json", &conf::try_json)
        .def("set_log", &conf::set_log, py::arg("callable"))
        .def("keys", &conf::keys);

    py::class_<proxy>(m, "Proxy")
        .def(py::init<const conf&>(), py::arg("conf"))
        .def("close", &proxy::close)
        .def("forget", &proxy::forget)
        .def("stop", &proxy::stop, py::arg("drain_limit_ms"))
        .def("wait", &proxy::wait, py::arg("timeout_s"))
        .def("progress", &proxy::progress)
        .def("status_json", &proxy::status_json)
        .def("metrics_text", &proxy::metrics_text)
        .def_property_readonly("port", &proxy::port)
        .def_property_readonly("metrics_port", &proxy::metrics_port);

    py::class_<job>(m, "Job")
        .def(py::init<const conf&, bool>(), py::arg("conf"), py::arg("copying"))
        .def("close", &job::close)
        .def("forget", &job::forget)
        .def("cancel", &job::cancel)
        .def("set_pace", &job::set_pace, py::arg("to"))
        .def("wait", &job::wait, py::arg("timeout_s"))
        .def("progress", &job::progress)
        .def("error", &job::error)
        .def("report_json", &job::report_json);

    m.def("merge", &merge, py::arg("conf"), py::arg("report_json"));
    m.def("classify", &classify, py::arg("cql"));
    m.def("parse_envelope", &parse_envelope, py::arg("data"), py::arg("body_size_max"));
    m.def("parse_segment", &parse_segment, py::arg("data"), py::arg("lz4"));
}
