#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "call.hpp"

// Envelopes, segments and statements as tuples; dualwrite/__init__.py gives the fields names.

namespace dualwrite::python {

// None for what is not there.
template <class T> py::object known(T value, T missing)
{
    return value == missing ? py::object(py::none()) : py::object(py::int_(value));
}

inline py::tuple facts_of(const dw_statement* statement, std::int32_t child)
{
    dw_facts f = DW_FACTS_INIT;
    check([&](dw_error* err) { return dw_statement_facts(statement, child, &f, err); });
    py::list children;
    for (std::uint32_t i = 0; child == -1 && i < f.child_count; ++i)
        children.append(facts_of(statement, static_cast<std::int32_t>(i)));
    return py::make_tuple(
        f.kind,
        f.flags,
        f.batch_type,
        f.keyspace,
        f.table,
        f.marker_count,
        f.marker_first,
        known(f.timestamp_us, INT64_MIN),
        known(f.timestamp_marker, -1),
        known(f.ttl_s, -1),
        known(f.ttl_marker, -1),
        py::tuple(children)
    );
}

inline py::tuple classify(const py::str& cql)
{
    Py_ssize_t size = 0;
    const auto* text = PyUnicode_AsUTF8AndSize(cql.ptr(), &size);
    if (text == nullptr) throw py::error_already_set();
    dw_statement* made = nullptr;
    check([&](dw_error* err) { return dw_classify(&made, text, static_cast<size_t>(size), err); });
    struct release {
        void operator()(dw_statement* s) const noexcept { dw_statement_free(&s); }
    };
    const std::unique_ptr<dw_statement, release> statement(made);
    return facts_of(statement.get(), -1);
}

// Bytes of any object that has some; keeps it locked meanwhile.
class bytes_view {
public:
    explicit bytes_view(const py::object& object)
    {
        if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0)
            throw py::error_already_set();
    }
    ~bytes_view() { PyBuffer_Release(&view_); }
    bytes_view(const bytes_view&) = delete;
    bytes_view& operator=(const bytes_view&) = delete;

    const void* data() const noexcept { return view_.buf; }
    size_t size() const noexcept { return static_cast<size_t>(view_.len); }

private:
    Py_buffer view_{};
};

inline py::bytes to_bytes(const std::uint8_t* data, std::uint32_t size)
{
    return {reinterpret_cast<const char*>(data), size};
}

inline py::object parse_envelope(const py::object& data, std::uint32_t body_size_max)
{
    const bytes_view in(data);
    dw_envelope e = DW_ENVELOPE_INIT;
    const int code = check([&](dw_error* err) {
        return dw_envelope_parse(&e, in.data(), in.size(), body_size_max, err);
    });
    if (code == DW_NOT_YET) return py::none();
    return py::make_tuple(
        e.version,
        e.response != 0,
        e.flags,
        e.stream_id,
        e.opcode,
        to_bytes(e.body, e.body_size),
        e.wire_size
    );
}

inline py::object parse_segment(const py::object& data, bool lz4)
{
    const bytes_view in(data);
    std::vector<std::uint8_t> buffer(lz4 ? DW_SEGMENT_PAYLOAD_MAX : 0);
    dw_segment s = DW_SEGMENT_INIT;
    const int code = check([&](dw_error* err) {
        return dw_segment_parse(
            &s, in.data(), in.size(), lz4 ? DW_SEGMENT_LZ4 : 0, buffer.data(), buffer.size(), err
        );
    });
    if (code == DW_NOT_YET) return py::none();
    return py::make_tuple(
        to_bytes(s.payload, s.payload_size),
        (s.flags & DW_SEGMENT_SELF_CONTAINED) != 0,
        (s.flags & DW_SEGMENT_COMPRESSED) != 0,
        s.wire_size
    );
}

}  // namespace dualwrite::python
