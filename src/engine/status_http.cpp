#include <dualwrite/engine/status_http.hpp>
#include <dualwrite/engine/transport.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <list>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

#include "http_message.hpp"
#include "listening.hpp"
#include "status_page.hpp"

namespace dualwrite::engine {

namespace {

// Who opens more takes the place of the oldest.
constexpr std::size_t connections_max = 64;
// To say what is wanted; and for all of it, the answer on its way included.
constexpr std::int64_t request_limit_ms = 3'000;
constexpr std::int64_t connection_limit_ms = 15'000;

std::int64_t steady_now_ms() noexcept
{
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

// One request and its answer. Nothing blocks: a slow client costs a descriptor until its deadline.
class http_connection {
public:
    using responder = std::function<http_answer(const http_request&)>;

    http_connection(unique_fd fd, std::int64_t now_ms)
        : fd_(std::move(fd)), request_deadline_ms_(now_ms + request_limit_ms),
          deadline_ms_(now_ms + connection_limit_ms)
    {
    }

    int fd() const noexcept { return fd_.get(); }
    short wants() const noexcept { return sent_ < out_.size() ? POLLOUT : POLLIN; }
    std::int64_t deadline_ms() const noexcept
    {
        return answered() ? deadline_ms_ : request_deadline_ms_;
    }

    // False: it is over.
    bool on_ready(const responder& respond)
    {
        if (sent_ < out_.size()) return write();
        return answered() ? drain() : read(respond);
    }

private:
    bool answered() const noexcept { return !out_.empty(); }

    bool read(const responder& respond)
    {
        std::array<char, http_request::size_max> piece;
        const auto size = ::recv(fd_.get(), piece.data(), piece.size(), 0);
        if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
        in_.append(piece.data(), static_cast<std::size_t>(size));
        const auto request = parse_http_request(in_);
        if (request.is == http_request::state::incomplete) return true;
        out_ = http_text(respond(request), request.method == "HEAD");
        return write();
    }

    bool write()
    {
        const auto size = ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        sent_ += static_cast<std::size_t>(size);
        // Closing over bytes that were not read would take the answer back (RST).
        if (sent_ == out_.size()) ::shutdown(fd_.get(), SHUT_WR);
        return true;
    }

    bool drain()
    {
        std::array<char, http_request::size_max> piece;
        const auto size = ::recv(fd_.get(), piece.data(), piece.size(), 0);
        return size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
    }

    unique_fd fd_;
    std::string in_;
    std::string out_;
    std::size_t sent_{0};
    std::int64_t request_deadline_ms_;
    std::int64_t deadline_ms_;
};

class http_server final : public status_http {
public:
    explicit http_server(handlers from) : from_(std::move(from)) {}

    ~http_server() override
    {
        ending_.store(true);
        const std::uint64_t one = 1;
        if (thread_.joinable()) {
            (void)!::write(wake_.get(), &one, sizeof one);
            thread_.join();
        }
    }

    bool begin(const std::string& host, std::uint16_t port, unique_fd listener)
    {
        listener_ = listener ? std::move(listener) : listen(host, port);
        if (!listener_) return false;
        port_ = port_of(listener_.get());
        wake_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        if (!wake_) return false;
        thread_ = std::thread([this] { run(); });
        return true;
    }

    std::uint16_t port() const noexcept override { return port_; }
    unique_fd copy_of_listener() const override { return copy_of(listener_); }

private:
    static unique_fd listen(const std::string& host, std::uint16_t port)
    {
        const auto addresses = resolve(host, port);
        if (!addresses || addresses->empty()) return {};
        const auto& address = addresses->front();
        const auto family = address.storage.ss_family;
        unique_fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        const int on = 1;
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (::bind(fd.get(), address.get(), address.size) != 0) return {};
        if (::listen(fd.get(), connections_max) != 0) return {};
        return fd;
    }

    void run()
    {
        std::vector<pollfd> waits;
        while (!ending_.load()) {
            waits.assign({{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}});
            for (const auto& its : connections_) waits.push_back({its.fd(), its.wants(), 0});
            ::poll(waits.data(), waits.size(), next_deadline_ms());
            serve(waits);
            std::erase_if(connections_, [now = steady_now_ms()](const auto& its) {
                return its.deadline_ms() <= now;
            });
            if (waits[1].revents != 0) accept_some();
        }
    }

    // Milliseconds from now; -1: none.
    int next_deadline_ms() const
    {
        if (connections_.empty()) return -1;
        auto first = connections_.front().deadline_ms();
        for (const auto& its : connections_) first = std::min(first, its.deadline_ms());
        return static_cast<int>(std::max<std::int64_t>(first - steady_now_ms(), 0)) + 1;
    }

    void serve(const std::vector<pollfd>& waits)
    {
        const auto respond = [this](const http_request& request) { return answer(request); };
        auto next = waits.begin() + 2;
        for (auto its = connections_.begin(); its != connections_.end(); ++next) {
            const bool over = next->revents != 0 && !its->on_ready(respond);
            its = over ? connections_.erase(its) : std::next(its);
        }
    }

    void accept_some()
    {
        // Out of descriptors, the listener stays ready: a pause instead of a busy loop.
        constexpr auto pause = std::chrono::milliseconds(100);
        for (std::size_t i = 0; i < connections_max; ++i) {
            unique_fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)
            );
            if (!fd) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                    std::this_thread::sleep_for(pause);
                return;
            }
            if (connections_.size() == connections_max) connections_.pop_front();
            connections_.emplace_back(std::move(fd), steady_now_ms());
        }
    }

    http_answer answer(const http_request& request) const
    {
        using state = http_request::state;
        if (request.is == state::too_large)
            return {.status = "431 Request Header Fields Too Large", .body = "too large\n"};
        if (request.is == state::bad)
            return {.status = "400 Bad Request", .body = "this port speaks plain HTTP/1.1\n"};
        if (request.method != "GET" && request.method != "HEAD")
            return {
                .status = "405 Method Not Allowed",
                .body = "nothing can be changed here\n",
                .header = "Allow: GET, HEAD\r\n"};
        try {
            return content(request.path);
        } catch (const std::exception&) {
            return {.status = "500 Internal Server Error", .body = "no memory for the answer\n"};
        }
    }

    http_answer content(std::string_view path) const
    {
        if (path == "/")
            return {
                .type = "text/html; charset=utf-8",
                .body = std::string(status_page::html),
                .header = status_page::headers};
        if (path == "/metrics")
            return {
                .type = "text/plain; version=0.0.4; charset=utf-8", .body = from_.metrics_text()};
        if (path == "/status.json")
            return {.type = "application/json", .body = from_.status_json() + "\n"};
        if (path == "/healthz") return {.body = "ok\n"};
        if (path == "/readyz") {
            if (from_.ready()) return {.body = "ready\n"};
            return {.status = "503 Service Unavailable", .body = "the source does not answer\n"};
        }
        return {
            .status = "404 Not Found",
            .body = "there is / /metrics /status.json /healthz "
                    "/readyz\n"};
    }

    handlers from_;
    unique_fd listener_;
    unique_fd wake_;
    std::list<http_connection> connections_;  // oldest first
    std::atomic<bool> ending_{false};
    std::thread thread_;
    std::uint16_t port_{0};
};

}  // namespace

result<std::unique_ptr<status_http>> status_http::start(
    const std::string& host, std::uint16_t port, handlers from, std::string& why, unique_fd listener
)
{
    auto made = std::make_unique<http_server>(std::move(from));
    if (!made->begin(host, port, std::move(listener))) {
        why = "cannot serve metrics on " + host + ":" + std::to_string(port) +
              ": the address is in use or not one of this machine; use another --metrics-port";
        return fail(errc::invalid_argument);
    }
    return std::unique_ptr<status_http>(std::move(made));
}

}  // namespace dualwrite::engine
