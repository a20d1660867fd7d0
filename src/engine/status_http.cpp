#include <dualwrite/engine/status_http.hpp>

#include <chrono>
#include <httplib.h>
#include <thread>

namespace dualwrite::engine {

namespace {

// A connection holds a thread until it has its answer or its time is up.
constexpr std::size_t threads = 4;
constexpr std::size_t request_size_max = 8 * 1024;
constexpr time_t timeout_s = 1;

constexpr auto index_text = "dualwrite\n\n"
                            "/metrics      Prometheus\n"
                            "/status.json  the same and more, for people and scripts\n"
                            "/healthz      200 while the process lives\n"
                            "/readyz       200 when the source answers, else 503\n";

class http_server final : public status_http {
public:
    explicit http_server(handlers from) : from_(std::move(from))
    {
        server_.new_task_queue = [] { return new httplib::ThreadPool(threads); };
        // The library's default shares the port with whoever has it already.
        server_.set_socket_options([](int fd) {
            const int on = 1;
            ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        });
        server_.set_payload_max_length(request_size_max);
        server_.set_read_timeout(timeout_s);
        server_.set_write_timeout(timeout_s);
        server_.set_keep_alive_timeout(timeout_s);  // for the first request, too
        // A scraper that kept its connection would keep a thread.
        server_.set_keep_alive_max_count(1);
        route();
    }

    ~http_server() override
    {
        server_.stop();
        if (thread_.joinable()) thread_.join();
    }

    bool begin(const std::string& host, std::uint16_t port)
    {
        if (port == 0) {
            const auto bound = server_.bind_to_any_port(host);
            if (bound <= 0) return false;
            port_ = static_cast<std::uint16_t>(bound);
        } else {
            if (!server_.bind_to_port(host, port)) return false;
            port_ = port;
        }
        thread_ = std::thread([this] { server_.listen_after_bind(); });
        // stop() before the thread listens would be lost.
        while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return true;
    }

    std::uint16_t port() const noexcept override { return port_; }

private:
    void route()
    {
        using request = httplib::Request;
        using response = httplib::Response;
        server_.Get("/", [](const request&, response& to) {
            to.set_content(index_text, "text/plain; charset=utf-8");
        });
        server_.Get("/metrics", [this](const request&, response& to) {
            to.set_content(from_.metrics_text(), "text/plain; version=0.0.4; charset=utf-8");
        });
        server_.Get("/status.json", [this](const request&, response& to) {
            to.set_content(from_.status_json() + "\n", "application/json");
        });
        server_.Get("/healthz", [](const request&, response& to) {
            to.set_content("ok\n", "text/plain");
        });
        server_.Get("/readyz", [this](const request&, response& to) {
            const bool ready = from_.ready();
            to.status = ready ? 200 : 503;
            to.set_content(ready ? "ready\n" : "the source does not answer\n", "text/plain");
        });
    }

    handlers from_;
    httplib::Server server_;
    std::thread thread_;
    std::uint16_t port_{0};
};

}  // namespace

result<std::unique_ptr<status_http>>
status_http::start(const std::string& host, std::uint16_t port, handlers from, std::string& why)
{
    auto made = std::make_unique<http_server>(std::move(from));
    if (!made->begin(host, port)) {
        why = "cannot serve metrics on " + host + ":" + std::to_string(port) +
              ": the address is in use or not one of this machine; use another --metrics-port";
        return fail(errc::invalid_argument);
    }
    return std::unique_ptr<status_http>(std::move(made));
}

}  // namespace dualwrite::engine
