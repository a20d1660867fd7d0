#include <dualwrite/dualwrite.h>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

// Proxies and jobs through the C face, with the fake engine behind it.

namespace {

// Sets a variable for one test case.
class with_variable {
public:
    with_variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
    ~with_variable() { ::unsetenv(name_); }
    with_variable(const with_variable&) = delete;
    with_variable& operator=(const with_variable&) = delete;

private:
    const char* name_;
};

struct conf_of {
    explicit conf_of(std::uint32_t command)
    {
        REQUIRE(dw_conf_new(&conf, command, nullptr) == DW_OK);
        set("source", "s");
        set("target", "t");
        set("state-dir", "/tmp");
        if (command != DW_COMMAND_PROXY) set("keyspace", "ks");
    }
    ~conf_of() { dw_conf_free(&conf); }
    conf_of(const conf_of&) = delete;
    conf_of& operator=(const conf_of&) = delete;

    void set(const char* key, const char* value)
    {
        REQUIRE(dw_conf_set(conf, key, value, nullptr) == DW_OK);
    }
    dw_conf* conf{nullptr};
};

std::string take(char* text)
{
    const std::string copy = text;
    dw_free(text);
    return copy;
}

}  // namespace

TEST_SUITE("capi/calls")
{
    TEST_CASE("dw_conf_try: reports what it saw, as text or JSON, and counts the problems")
    {
        const with_variable problem("FAKE_PROBLEM", "the target is asleep");
        for (const auto command : {DW_COMMAND_PROXY, DW_COMMAND_COPY, DW_COMMAND_VALIDATE}) {
            conf_of c(command);
            std::size_t problems = 7;
            char* text = nullptr;
            REQUIRE(dw_conf_try(c.conf, DW_REPORT_TEXT, &problems, &text, nullptr) == DW_OK);
            CHECK(problems == 1);
            CHECK(take(text).find("problem: the target is asleep\n") != std::string::npos);
            REQUIRE(dw_conf_try(c.conf, DW_REPORT_CQL, nullptr, &text, nullptr) == DW_OK);
            CHECK(std::string(text).empty());
            dw_free(text);
            REQUIRE(dw_conf_try(c.conf, DW_REPORT_JSON, nullptr, &text, nullptr) == DW_OK);
            CHECK(take(text).find(R"("problems":["the target is asleep"])") != std::string::npos);
            c.set("target", "");
            dw_error err = DW_ERROR_INIT;
            CHECK(dw_conf_try(c.conf, DW_REPORT_TEXT, &problems, &text, &err) == DW_E_CONFIG);
            CHECK(text == nullptr);
            CHECK(std::string(err.message) == "The argument 'target' is required");
        }
    }

    TEST_CASE("dw_proxy: starts, tells, drains, stops")
    {
        const with_variable backlog("FAKE_BACKLOG", "500");
        conf_of c(DW_COMMAND_PROXY);
        c.set("proxy-port", "0");
        c.set("metrics-port", "0");
        dw_proxy* proxy = nullptr;
        REQUIRE(dw_proxy_start(&proxy, c.conf, nullptr) == DW_OK);
        CHECK(dw_proxy_port(proxy) == 4711);
        CHECK(dw_proxy_metrics_port(proxy) == 4712);

        dw_proxy_progress progress = DW_PROXY_PROGRESS_INIT;
        REQUIRE(dw_proxy_get_progress(proxy, &progress, nullptr) == DW_OK);
        CHECK(progress.state == DW_PROXY_RUNNING);
        CHECK(progress.ready == 1);
        CHECK(progress.clients == 3);
        CHECK(progress.backlog_writes == 500);
        CHECK(progress.spool_bytes == 50'000);
        CHECK(progress.backlog_age_ms == 1500);
        CHECK(dw_proxy_wait(proxy, 0, nullptr) == DW_NOT_YET);

        char* text = nullptr;
        REQUIRE(dw_proxy_metrics_text(proxy, &text, nullptr) == DW_OK);
        CHECK(take(text) == "fake_metric 1\n");
        REQUIRE(dw_proxy_status_json(proxy, &text, nullptr) == DW_OK);
        CHECK(take(text).find("\"backlog\"") != std::string::npos);

        CHECK(dw_proxy_reload(proxy, nullptr) == DW_OK);
        {
            const with_variable bad("FAKE_RELOAD", "f.jks: the password is wrong");
            dw_error error = DW_ERROR_INIT;
            CHECK(dw_proxy_reload(proxy, &error) == DW_E_CONFIG);
            CHECK(std::string(error.message) == "f.jks: the password is wrong");
        }

        REQUIRE(dw_proxy_stop(proxy, DW_DRAIN_LIMIT_CONF, nullptr) == DW_OK);
        dw_proxy_get_progress(proxy, &progress, nullptr);
        CHECK(progress.state == DW_PROXY_DRAINING);
        CHECK(dw_proxy_wait(proxy, -1, nullptr) == DW_OK);
        dw_proxy_get_progress(proxy, &progress, nullptr);
        CHECK(progress.state == DW_PROXY_STOPPED);
        CHECK(progress.backlog_writes == 0);
        dw_proxy_free(&proxy);
        CHECK(proxy == nullptr);
        dw_proxy_free(&proxy);
        dw_proxy_free(nullptr);
    }

    TEST_CASE("dw_proxy_stop: the drain limit of the conf ends a drain that takes too long")
    {
        const with_variable backlog("FAKE_BACKLOG", "100000000");
        conf_of c(DW_COMMAND_PROXY);
        c.set("drain-limit", "40ms");
        dw_proxy* proxy = nullptr;
        REQUIRE(dw_proxy_start(&proxy, c.conf, nullptr) == DW_OK);
        REQUIRE(dw_proxy_stop(proxy, DW_DRAIN_LIMIT_CONF, nullptr) == DW_OK);
        CHECK(dw_proxy_wait(proxy, 10'000, nullptr) == DW_OK);
        dw_proxy_progress progress = DW_PROXY_PROGRESS_INIT;
        dw_proxy_get_progress(proxy, &progress, nullptr);
        CHECK(progress.backlog_writes > 0);
        dw_proxy_free(&proxy);
    }

    TEST_CASE("dw_proxy_free: completes a wait on another thread with DW_E_SHUTDOWN")
    {
        const with_variable backlog("FAKE_BACKLOG", "100000000");
        const conf_of c(DW_COMMAND_PROXY);
        dw_proxy* proxy = nullptr;
        REQUIRE(dw_proxy_start(&proxy, c.conf, nullptr) == DW_OK);
        std::atomic<int> code{DW_OK};
        std::thread waiter([&code, proxy] { code = dw_proxy_wait(proxy, -1, nullptr); });
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        dw_proxy_free(&proxy);
        waiter.join();
        CHECK(code == DW_E_SHUTDOWN);
    }

    TEST_CASE("dw_proxy_wait: says why the proxy stopped by itself")
    {
        const with_variable failure("FAKE_FAILURE", "the spool cannot be written");
        const conf_of c(DW_COMMAND_PROXY);
        dw_proxy* proxy = nullptr;
        dw_error err = DW_ERROR_INIT;
        REQUIRE(dw_proxy_start(&proxy, c.conf, &err) == DW_OK);
        CHECK(dw_proxy_wait(proxy, -1, &err) == DW_E_SYSTEM);
        CHECK(std::string(err.message) == "the spool cannot be written");
        dw_proxy_free(&proxy);
    }

    TEST_CASE("dw_proxy_start: a failure leaves NULL, a code and a sentence")
    {
        struct row {
            const char* asked;
            int code;
            const char* text;
        };
        for (const auto& its : {
                 row{"locked", DW_E_LOCKED, "used by process 1"},
                 row{"connect", DW_E_CONNECT, "cannot connect"},
                 row{"throw", DW_E_INTERNAL, "a fake failure"},
                 row{"memory", DW_E_NO_MEMORY, "out of memory"},
                 row{"system", DW_E_SYSTEM, "in use"},
             }) {
            CAPTURE(its.asked);
            const with_variable start("FAKE_START", its.asked);
            const conf_of c(DW_COMMAND_PROXY);
            auto* proxy = reinterpret_cast<dw_proxy*>(std::uintptr_t{8});
            dw_error err = DW_ERROR_INIT;
            CHECK(dw_proxy_start(&proxy, c.conf, &err) == its.code);
            CHECK(proxy == nullptr);
            CHECK(std::string(err.message).find(its.text) != std::string::npos);
        }
    }

    TEST_CASE("dw_job: runs to its end and reports")
    {
        const with_variable rows("FAKE_ROWS", "3000");
        const with_variable result("FAKE_RESULT", "different");
        const conf_of c(DW_COMMAND_VALIDATE);
        dw_job* job = nullptr;
        REQUIRE(dw_job_validate(&job, c.conf, nullptr) == DW_OK);
        CHECK(dw_job_wait(job, 10'000, nullptr) == DW_OK);
        dw_job_progress progress = DW_JOB_PROGRESS_INIT;
        REQUIRE(dw_job_get_progress(job, &progress, nullptr) == DW_OK);
        CHECK(progress.state == DW_JOB_DIFFERENT);
        CHECK(progress.rows == 3000);
        CHECK(progress.cells == 9000);
        CHECK(progress.missing == 2);
        CHECK(std::string(progress.table) == "ks.t");
        char* text = nullptr;
        REQUIRE(dw_job_report_json(job, &text, nullptr) == DW_OK);
        CHECK(take(text) == "{\"rows\":3000}");
        REQUIRE(dw_job_error(job, &text, nullptr) == DW_OK);
        CHECK(take(text).empty());
        dw_job_free(&job);
        CHECK(job == nullptr);
    }

    TEST_CASE(
        "dw_job_merge: takes a report, says what is wrong with another, and needs a copy's conf"
    )
    {
        dw_error err = DW_ERROR_INIT;
        const conf_of c(DW_COMMAND_COPY);
        CHECK(dw_job_merge(c.conf, "{}", &err) == DW_OK);
        CHECK(dw_job_merge(c.conf, "[]", &err) == DW_E_INVALID_ARGUMENT);
        CHECK(std::string(err.message).find("no report of") != std::string::npos);
        CHECK(dw_job_merge(c.conf, nullptr, &err) == DW_E_INVALID_ARGUMENT);
        CHECK(dw_job_merge(nullptr, "{}", &err) == DW_E_INVALID_ARGUMENT);
        const conf_of other(DW_COMMAND_VALIDATE);
        CHECK(dw_job_merge(other.conf, "{}", &err) == DW_E_INVALID_ARGUMENT);
    }

    TEST_CASE("dw_job_cancel: ends a job early")
    {
        const with_variable rows("FAKE_ROWS", "100000000");
        const conf_of c(DW_COMMAND_COPY);
        dw_job* job = nullptr;
        REQUIRE(dw_job_copy(&job, c.conf, nullptr) == DW_OK);
        CHECK(dw_job_wait(job, 20, nullptr) == DW_NOT_YET);
        CHECK(dw_job_cancel(job, nullptr) == DW_OK);
        CHECK(dw_job_wait(job, 10'000, nullptr) == DW_OK);
        dw_job_progress progress = DW_JOB_PROGRESS_INIT;
        dw_job_get_progress(job, &progress, nullptr);
        CHECK(progress.state == DW_JOB_CANCELLED);
        dw_job_free(&job);
    }

    TEST_CASE("dw_job_free: completes a wait on another thread with DW_E_SHUTDOWN")
    {
        const with_variable rows("FAKE_ROWS", "100000000");
        const conf_of c(DW_COMMAND_COPY);
        dw_job* job = nullptr;
        REQUIRE(dw_job_copy(&job, c.conf, nullptr) == DW_OK);
        std::atomic<int> code{DW_OK};
        std::thread waiter([&code, job] { code = dw_job_wait(job, -1, nullptr); });
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        dw_job_free(&job);
        waiter.join();
        CHECK(code == DW_E_SHUTDOWN);
    }

    TEST_CASE("dw_conf_set_log: lines come with their level, from the one that is asked for")
    {
        conf_of c(DW_COMMAND_PROXY);
        std::string seen;
        const auto log = [](int level, const char* text, size_t size, void* user) {
            *static_cast<std::string*>(user) +=
                std::to_string(level) + std::string(text, size) + '\n';
        };
        REQUIRE(dw_conf_set_log(c.conf, log, &seen, nullptr) == DW_OK);
        dw_proxy* proxy = nullptr;
        REQUIRE(dw_proxy_start(&proxy, c.conf, nullptr) == DW_OK);
        dw_proxy_free(&proxy);
        CHECK(seen == "1fake proxy started\n2fake proxy: warning line\n");
        seen.clear();
        c.set("log-level", "warning");
        REQUIRE(dw_proxy_start(&proxy, c.conf, nullptr) == DW_OK);
        dw_proxy_free(&proxy);
        CHECK(seen == "2fake proxy: warning line\n");
    }

    TEST_CASE("every call: NULL, wrong confs and structs are errors with a text, not crashes")
    {
        dw_error err = DW_ERROR_INIT;
        const conf_of proxy_conf(DW_COMMAND_PROXY);
        const conf_of copy_conf(DW_COMMAND_COPY);
        dw_conf* conf = nullptr;
        dw_proxy* proxy = nullptr;
        dw_job* job = nullptr;
        char* text = nullptr;
        dw_proxy_progress no_size{};
        dw_statement* statement = nullptr;
        const auto refused = [&](int code) {
            CHECK(code == DW_E_INVALID_ARGUMENT);
            CHECK(err.code == DW_E_INVALID_ARGUMENT);
            CHECK(*err.message != '\0');
            err = dw_error DW_ERROR_INIT;
        };
        refused(dw_conf_new(nullptr, DW_COMMAND_PROXY, &err));
        refused(dw_conf_new(&conf, 0, &err));
        refused(dw_conf_new(&conf, 3, &err));
        refused(dw_conf_new(&conf, 128, &err));
        refused(dw_conf_set(nullptr, "a", "b", &err));
        refused(dw_conf_set(proxy_conf.conf, nullptr, "b", &err));
        refused(dw_conf_set(proxy_conf.conf, "threads", nullptr, &err));
        refused(dw_conf_get(proxy_conf.conf, "threads", nullptr, &err));
        refused(dw_conf_get(nullptr, "threads", &text, &err));
        refused(dw_conf_keys(proxy_conf.conf, 0, nullptr, &err));
        refused(dw_conf_load_env(nullptr, &err));
        refused(dw_conf_check(nullptr, &err));
        refused(dw_conf_try(nullptr, DW_REPORT_TEXT, nullptr, &text, &err));
        refused(dw_conf_try(proxy_conf.conf, DW_REPORT_TEXT, nullptr, nullptr, &err));
        refused(dw_conf_try(proxy_conf.conf, 3, nullptr, &text, &err));
        refused(dw_runs_list(nullptr, DW_REPORT_TEXT, nullptr, &text, &err));
        refused(dw_runs_list(copy_conf.conf, DW_REPORT_TEXT, nullptr, &text, &err));
        REQUIRE(dw_conf_new(&conf, DW_COMMAND_RUNS, &err) == DW_OK);
        refused(dw_runs_list(conf, DW_REPORT_CQL, nullptr, &text, &err));
        refused(dw_runs_list(conf, DW_REPORT_TEXT, nullptr, nullptr, &err));
        refused(dw_conf_try(conf, DW_REPORT_TEXT, nullptr, &text, &err));
        dw_conf_free(&conf);
        refused(dw_job_set_pace(nullptr, copy_conf.conf, &err));
        refused(dw_proxy_start(nullptr, proxy_conf.conf, &err));
        refused(dw_proxy_start(&proxy, nullptr, &err));
        refused(dw_proxy_start(&proxy, copy_conf.conf, &err));
        refused(dw_proxy_stop(nullptr, 0, &err));
        refused(dw_proxy_wait(nullptr, 0, &err));
        refused(dw_proxy_status_json(nullptr, &text, &err));
        refused(dw_job_copy(&job, proxy_conf.conf, &err));
        refused(dw_job_validate(&job, copy_conf.conf, &err));
        refused(dw_job_cancel(nullptr, &err));
        refused(dw_spool_inspect(nullptr, DW_REPORT_TEXT, nullptr, nullptr, nullptr, &text, &err));
        refused(dw_spool_inspect("s", DW_REPORT_TEXT, nullptr, nullptr, nullptr, nullptr, &err));
        refused(dw_spool_inspect("s", 7, nullptr, nullptr, nullptr, &text, &err));
        refused(dw_spool_salvage("s", nullptr, DW_REPORT_TEXT, nullptr, &text, &err));
        refused(dw_spool_salvage(nullptr, "t", DW_REPORT_TEXT, nullptr, &text, &err));
        refused(dw_spool_salvage("s", "t", DW_REPORT_TEXT, nullptr, nullptr, &err));
        refused(dw_letters_list(nullptr, 0, nullptr, nullptr, nullptr, &err));
        refused(dw_letters_list("s", 4, nullptr, nullptr, nullptr, &err));
        refused(dw_letters_export("s", 0, nullptr, nullptr, &err));
        refused(dw_classify(&statement, nullptr, 1, &err));
        refused(dw_classify(nullptr, "", 0, &err));
        refused(dw_statement_facts(nullptr, -1, nullptr, &err));
        CHECK(dw_proxy_port(nullptr) == 0);

        REQUIRE(dw_proxy_start(&proxy, proxy_conf.conf, &err) == DW_OK);
        refused(dw_proxy_get_progress(proxy, &no_size, &err));
        refused(dw_proxy_get_progress(proxy, nullptr, &err));
        refused(dw_proxy_metrics_text(proxy, nullptr, &err));
        dw_proxy_free(&proxy);
    }
}
