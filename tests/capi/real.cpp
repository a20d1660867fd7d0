#include <dualwrite/dualwrite.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

// The real engine behind the C face, with clusters that are not there: what the fake engine of the
// other tests says is what this one says.

namespace {

class temporary_folder {
public:
    temporary_folder()
    {
        char name[] = "/tmp/dualwrite-capi-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path_ = name;
    }
    ~temporary_folder() { std::filesystem::remove_all(path_); }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

// Nobody listens on port 1.
dw_conf* conf_of(std::uint32_t command, const std::string& folder)
{
    dw_conf* conf = nullptr;
    REQUIRE(dw_conf_new(&conf, command, nullptr) == DW_OK);
    const auto set = [&](const char* key, const char* value) {
        CAPTURE(key);
        REQUIRE(dw_conf_set(conf, key, value, nullptr) == DW_OK);
    };
    set("source", "127.0.0.1:1");
    set("target", "127.0.0.1:1");
    set("disable-source-tls", "true");
    set("disable-target-tls", "true");
    set("state-dir", folder.c_str());
    if (command == DW_COMMAND_PROXY) {
        set("proxy-host", "127.0.0.1");
        set("proxy-port", "0");
        set("metrics-port", "0");
    } else {
        set("keyspace", "ks");
    }
    return conf;
}

std::string take(char* text)
{
    const std::string copy = text;
    dw_free(text);
    return copy;
}

}  // namespace

TEST_SUITE("capi/real")
{
    TEST_CASE("dw_proxy: serves without any cluster, tells its numbers, stops with nothing left")
    {
        const temporary_folder folder;
        auto* conf = conf_of(DW_COMMAND_PROXY, folder.path());
        dw_error err = DW_ERROR_INIT;
        dw_proxy* proxy = nullptr;
        const int started = dw_proxy_start(&proxy, conf, &err);
        REQUIRE_MESSAGE(started == DW_OK, err.message);
        CHECK(dw_proxy_port(proxy) != 0);
        CHECK(dw_proxy_metrics_port(proxy) != 0);

        dw_proxy_progress progress = DW_PROXY_PROGRESS_INIT;
        const int told = dw_proxy_get_progress(proxy, &progress, &err);
        REQUIRE_MESSAGE(told == DW_OK, err.message);
        CHECK(progress.state == DW_PROXY_RUNNING);
        CHECK(progress.ready == 0);
        CHECK(progress.clients == 0);
        CHECK(progress.backlog_writes == 0);

        char* text = nullptr;
        REQUIRE(dw_proxy_status_json(proxy, &text, &err) == DW_OK);
        const auto status = nlohmann::json::parse(take(text));
        CHECK(status.at("state") == "running");
        CHECK(status.at("version") == dw_version());
        REQUIRE(dw_proxy_metrics_text(proxy, &text, &err) == DW_OK);
        CHECK(take(text).find("# TYPE dualwrite_writes_total counter") != std::string::npos);

        // A second one on the same folder is refused, and says why.
        dw_proxy* second = nullptr;
        CHECK(dw_proxy_start(&second, conf, &err) == DW_E_LOCKED);
        CHECK(std::string(err.message).find(folder.path()) != std::string::npos);

        REQUIRE(dw_proxy_stop(proxy, DW_DRAIN_LIMIT_CONF, &err) == DW_OK);
        CHECK(dw_proxy_wait(proxy, 20'000, &err) == DW_OK);
        REQUIRE(dw_proxy_get_progress(proxy, &progress, &err) == DW_OK);
        CHECK(progress.state == DW_PROXY_STOPPED);
        CHECK(progress.backlog_writes == 0);
        dw_proxy_free(&proxy);
        dw_conf_free(&conf);
    }

    TEST_CASE("dw_job: looks for its clusters until it is cancelled or freed")
    {
        const temporary_folder folder;
        auto* conf = conf_of(DW_COMMAND_COPY, folder.path());
        dw_error err = DW_ERROR_INIT;
        dw_job* job = nullptr;
        const int started = dw_job_copy(&job, conf, &err);
        REQUIRE_MESSAGE(started == DW_OK, err.message);
        CHECK(dw_job_wait(job, 50, &err) == DW_NOT_YET);
        CHECK(dw_job_cancel(job, &err) == DW_OK);
        CHECK(dw_job_wait(job, 20'000, &err) == DW_OK);
        dw_job_progress progress = DW_JOB_PROGRESS_INIT;
        REQUIRE(dw_job_get_progress(job, &progress, &err) == DW_OK);
        CHECK(progress.state == DW_JOB_CANCELLED);
        char* text = nullptr;
        REQUIRE(dw_job_report_json(job, &text, &err) == DW_OK);
        const auto report = nlohmann::json::parse(take(text));
        CHECK(report.at("state") == "cancelled");
        CHECK(report.at("source") == "127.0.0.1:1");
        dw_job_free(&job);
        dw_conf_free(&conf);

        conf = conf_of(DW_COMMAND_VALIDATE, folder.path());
        REQUIRE(dw_job_validate(&job, conf, &err) == DW_OK);
        dw_job_free(&job);
        CHECK(job == nullptr);
        dw_conf_free(&conf);
    }
}
