#pragma once

#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "call.hpp"

// Configurations, proxies and jobs.

namespace dualwrite::python {

// A Python callable that the library's threads call. An exception in it is shown, as those of
// destructors are: nobody is there to catch it.
class log_target {
public:
    explicit log_target(py::object callable) : callable_(std::move(callable)) {}
    ~log_target()
    {
        const py::gil_scoped_acquire gil;
        callable_ = py::object();
    }
    log_target(const log_target&) = delete;
    log_target& operator=(const log_target&) = delete;

    static void write(int level, const char* text, size_t size, void* user)
    {
        const py::gil_scoped_acquire gil;
        try {
            const auto line = py::reinterpret_steal<py::object>(
                PyUnicode_DecodeUTF8(text, static_cast<Py_ssize_t>(size), "replace")
            );
            static_cast<log_target*>(user)->callable_(level, line);
        } catch (py::error_already_set& error) {
            error.restore();
            PyErr_WriteUnraisable(static_cast<log_target*>(user)->callable_.ptr());
        }
    }

private:
    py::object callable_;
};

class conf {
public:
    explicit conf(std::uint32_t command)
    {
        dw_conf* made = nullptr;
        check([&](dw_error* err) { return dw_conf_new(&made, command, err); });
        handle_ = {made, [](dw_conf* c) { dw_conf_free(&c); }};
    }

    void set(const std::string& key, const std::string& value)
    {
        check([&](dw_error* err) {
            return dw_conf_set(handle_.get(), key.c_str(), value.c_str(), err);
        });
    }
    std::string get(const std::string& key) const
    {
        return text_of([&](char** out, dw_error* err) {
            return dw_conf_get(handle_.get(), key.c_str(), out, err);
        });
    }
    void load_env()
    {
        check([&](dw_error* err) { return dw_conf_load_env(handle_.get(), err); });
    }
    void check_all() const
    {
        check([&](dw_error* err) { return dw_conf_check(handle_.get(), err); });
    }
    // Blocks for up to a minute, on a thread of its own: Ctrl-C gets through. What that still does
    // then nobody sees.
    std::string try_json() const
    {
        struct attempt {
            std::shared_ptr<dw_conf> conf;
            std::promise<std::pair<int, std::string>> ended;  // code, and report or why
        };
        const auto its = std::make_shared<attempt>();
        its->conf = handle_;
        auto ended = its->ended.get_future();
        std::thread([its] {
            dw_error err = DW_ERROR_INIT;
            char* text = nullptr;
            const int code = dw_conf_try(its->conf.get(), DW_REPORT_JSON, nullptr, &text, &err);
            its->ended.set_value({code, code < 0 ? err.message : text});
            dw_free(text);
        }).detach();
        for (bool is_over = false; !is_over;) {
            {
                const release_gil released;
                is_over =
                    ended.wait_for(std::chrono::milliseconds(100)) == std::future_status::ready;
            }
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        }
        const auto [code, text] = ended.get();
        if (code < 0) throw call_error(code, text.c_str());
        return text;
    }
    void set_log(py::object callable)
    {
        log_ = callable.is_none() ? nullptr : std::make_shared<log_target>(std::move(callable));
        check([&](dw_error* err) {
            return dw_conf_set_log(
                handle_.get(), log_ ? log_target::write : nullptr, log_.get(), err
            );
        });
    }
    py::list keys() const
    {
        py::list out;
        dw_key key = DW_KEY_INIT;
        for (size_t i = 0;; ++i) {
            if (check([&](dw_error* err) { return dw_conf_keys(handle_.get(), i, &key, err); }) !=
                DW_OK)
                return out;
            out.append(py::make_tuple(
                key.name, key.type, key.flags, key.default_text, key.value_name, key.group, key.help
            ));
        }
    }

    const dw_conf* handle() const noexcept { return handle_.get(); }
    std::shared_ptr<log_target> log() const noexcept { return log_; }

private:
    std::shared_ptr<dw_conf> handle_;
    std::shared_ptr<log_target> log_;
};

// A running proxy or job. Each call keeps it alive, so that close() on another thread cannot take
// it away; it is freed under the GIL, which is let go meanwhile: the library's threads may want it
// to log before they end.
template <class Handle> class running {
public:
    running(
        Handle* handle, void (*free)(Handle**), std::shared_ptr<log_target> log, const char* name
    )
        : log_(std::move(log)), name_(name), handle_(handle, [free](Handle* h) {
              const release_gil released;
              free(&h);
          })
    {
    }

    // Runs `call(handle, err)` without the GIL.
    template <class Call> int run(Call&& call) const
    {
        const auto kept = get();
        const release_gil released;
        return check([&](dw_error* err) { return call(kept.get(), err); });
    }

    // Waits in short steps, so that Ctrl-C gets through. True: ended; false: the time is over.
    template <class Wait> bool wait(std::optional<double> timeout_s, Wait&& wait) const
    {
        constexpr std::int64_t step_ms = 200;
        constexpr double ever_ms = 9e15;
        if (timeout_s && !(*timeout_s >= 0)) throw py::value_error("timeout must not be negative");
        const auto kept = get();
        auto left_ms =
            static_cast<std::int64_t>(std::min(timeout_s.value_or(ever_ms) * 1000, ever_ms));
        for (;;) {
            const auto now_ms = std::min(step_ms, left_ms);
            const int code =
                run([&](Handle*, dw_error* err) { return wait(kept.get(), now_ms, err); });
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            if (code == DW_OK) return true;
            left_ms -= now_ms;
            if (left_ms <= 0) return false;
        }
    }

    std::string text(int (*call)(const Handle*, char**, dw_error*)) const
    {
        const auto kept = get();
        return text_of([&](char** out, dw_error* err) { return call(kept.get(), out, err); });
    }

    std::shared_ptr<Handle> get() const
    {
        if (handle_) return handle_;
        throw call_error(DW_E_INVALID_ARGUMENT, name_);
    }
    std::shared_ptr<Handle> take() { return std::move(handle_); }

    // In a child after fork(): its threads are not here, and freeing it would wait for them. What
    // it has stays in memory until the child ends.
    void forget(const char* why)
    {
        if (handle_) new std::shared_ptr<Handle>(std::move(handle_));
        if (log_) new std::shared_ptr<log_target>(std::move(log_));
        handle_.reset();
        log_.reset();
        name_ = why;
    }

private:
    std::shared_ptr<log_target> log_;  // outlives the handle
    const char* name_;                 // what to say when it is closed
    std::shared_ptr<Handle> handle_;
};

class proxy {
public:
    explicit proxy(const conf& c)
        : running_(start(c), dw_proxy_free, c.log(), "the proxy is closed")
    {
    }

    void stop(std::optional<std::uint32_t> drain_limit_ms)
    {
        const auto limit = drain_limit_ms.value_or(DW_DRAIN_LIMIT_CONF);
        running_.run([&](dw_proxy* p, dw_error* err) { return dw_proxy_stop(p, limit, err); });
    }
    bool wait(std::optional<double> timeout_s) { return running_.wait(timeout_s, dw_proxy_wait); }
    void forget() { running_.forget("the proxy belongs to the process that was forked"); }
    // Threads that wait for it are told at once.
    void close()
    {
        if (const auto last = running_.take()) {
            const release_gil released;
            check([&](dw_error* err) { return dw_proxy_stop(last.get(), 0, err); });
        }
    }
    py::tuple progress() const
    {
        dw_proxy_progress p = DW_PROXY_PROGRESS_INIT;
        running_.run([&](dw_proxy* h, dw_error* err) { return dw_proxy_get_progress(h, &p, err); });
        return py::make_tuple(
            p.state,
            p.ready != 0,
            p.clients,
            p.backlog_writes,
            p.spool_bytes,
            p.backlog_age_ms,
            p.dead_letters
        );
    }
    std::string status_json() const { return running_.text(dw_proxy_status_json); }
    std::string metrics_text() const { return running_.text(dw_proxy_metrics_text); }
    std::uint16_t port() const { return dw_proxy_port(running_.get().get()); }
    std::uint16_t metrics_port() const { return dw_proxy_metrics_port(running_.get().get()); }

private:
    static dw_proxy* start(const conf& c)
    {
        dw_proxy* made = nullptr;
        const release_gil released;
        check([&](dw_error* err) { return dw_proxy_start(&made, c.handle(), err); });
        return made;
    }

    running<dw_proxy> running_;
};

class job {
public:
    job(const conf& c, bool copying)
        : running_(start(c, copying), dw_job_free, c.log(), "the job is closed")
    {
    }

    bool wait(std::optional<double> timeout_s) { return running_.wait(timeout_s, dw_job_wait); }
    void forget() { running_.forget("the job belongs to the process that was forked"); }
    void cancel()
    {
        running_.run([](dw_job* j, dw_error* err) { return dw_job_cancel(j, err); });
    }
    void set_pace(const conf& to)
    {
        running_.run([&](dw_job* j, dw_error* err) { return dw_job_set_pace(j, to.handle(), err); }
        );
    }
    // Threads that wait for it are told soon.
    void close()
    {
        if (const auto last = running_.take()) {
            const release_gil released;
            check([&](dw_error* err) { return dw_job_cancel(last.get(), err); });
        }
    }
    py::tuple progress() const
    {
        dw_job_progress p = DW_JOB_PROGRESS_INIT;
        running_.run([&](dw_job* j, dw_error* err) { return dw_job_get_progress(j, &p, err); });
        const auto eta = p.eta_s < 0 ? py::object(py::none()) : py::object(py::float_(p.eta_s));
        const auto table = std::string(p.table);
        return py::make_tuple(
            p.state,
            table,
            p.ranges_total,
            p.ranges_done,
            p.ranges_failed,
            p.ranges_skipped,
            p.rows,
            p.rows_estimated,
            p.cells,
            p.bytes,
            p.retries,
            p.missing,
            p.extra,
            p.differing,
            p.rechecked,
            p.elapsed_s,
            p.done_fraction,
            p.rows_per_s,
            eta,
            p.repaired
        );
    }
    std::string error() const { return running_.text(dw_job_error); }
    std::string report_json() const { return running_.text(dw_job_report_json); }

private:
    static dw_job* start(const conf& c, bool copying)
    {
        dw_job* made = nullptr;
        const release_gil released;
        const auto call = copying ? dw_job_copy : dw_job_validate;
        check([&](dw_error* err) { return call(&made, c.handle(), err); });
        return made;
    }

    running<dw_job> running_;
};

inline void merge(const conf& c, const std::string& report_json)
{
    const release_gil released;
    check([&](dw_error* err) { return dw_job_merge(c.handle(), report_json.c_str(), err); });
}

}  // namespace dualwrite::python
