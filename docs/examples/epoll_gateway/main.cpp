// A gateway of one's own on epoll that adds dual writing: `epoll_gateway PORT SOURCE TARGET`, three
// ports of this machine. SIGTERM ends it.
//
// It uses the layers below the engine only: bytes come in and decisions go out, so that sockets,
// threads and time stay its own. It is built without exceptions and without RTTI.
//
// What it leaves out, and the engine has: writes wait in memory, so that a crash loses those that
// the target lacks; statements that need the source's state or the schema of a table (lightweight
// transactions, lists, counters, DDL) are only reported; TTLs are not shortened by the lag; TLS;
// version 5.

#include <cinttypes>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <list>

#include "session.hpp"

namespace {

using namespace example;

volatile std::sig_atomic_t ending = 0;

std::int64_t now_ms(clockid_t which)
{
    timespec now{};
    ::clock_gettime(which, &now);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// What the gateway's people know of their tables; a larger one reads system_schema.
std::shared_ptr<const dualwrite::replication::table_shapes> known_tables()
{
    auto out = std::make_shared<dualwrite::replication::table_shapes>();
    (*out)[{"shop", "orders"}] = {.partition_key = {{"id", "int"}}};
    (*out)[{"shop", "visits"}] = {.partition_key = {{"page", "text"}}, .counter = true};
    return out;
}

class acceptor final : public watcher {
public:
    acceptor(poller& on, std::uint16_t port)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0))
    {
        const int yes = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        auto address = loopback(port);
        auto* const raw = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        good_ = ::bind(fd_, raw, size) == 0 && ::listen(fd_, 128) == 0 &&
                ::getsockname(fd_, raw, &size) == 0;
        port_ = ntohs(address.sin_port);
        on.add(fd_, this, EPOLLIN);
    }
    ~acceptor() override { ::close(fd_); }

    bool good() const noexcept { return good_; }
    int port() const noexcept { return port_; }
    // A client that came since the last call; -1: none.
    int take() noexcept { return std::exchange(client_, -1); }
    void on_ready(std::uint32_t) override
    {
        client_ = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }

private:
    int fd_;
    int client_{-1};
    bool good_{false};
    int port_{0};
};

// What the writers make of answers.
verdict of_target(const mutation&, const protocol::error_view* error)
{
    using dualwrite::policy::target_action;
    if (error == nullptr) return verdict::done;
    switch (dualwrite::policy::judge_target(*error, true).action) {
    case target_action::done:
        return verdict::done;
    case target_action::permanent:
        return verdict::never;
    default:
        return verdict::again;
    }
}

verdict of_source(const mutation& its, const protocol::error_view* error)
{
    using dualwrite::policy::outcome;
    if (error == nullptr) return verdict::done;
    const auto what = dualwrite::policy::outcome_of(*error, !its.several);
    if (what == outcome::unknown) return verdict::again;
    return what == outcome::applied ? verdict::done : verdict::never;
}

class gateway {
public:
    gateway(std::uint16_t port, std::uint16_t source, std::uint16_t target)
        : source_port_(source), acceptor_(poller_, port),
          target_(
              poller_,
              target,
              of_target,
              [this](mutation&& its, verdict what, std::string_view why) {
                  if (what == verdict::done) return void(++at_target_);
                  report(its.table, why);
              }
          ),
          source_again_(
              poller_,
              source,
              of_source,
              [this](mutation&& its, verdict what, std::string_view) {
                  if (what == verdict::done) target_.push(std::move(its));
              }
          )
    {
        dual_.statements.set_shapes(known_tables());
        dual_.target = &target_;
        dual_.source_again = &source_again_;
        dual_.now_ms = [] { return now_ms(CLOCK_REALTIME); };
        dual_.not_replicated = [this](std::string_view table, std::string_view why) {
            report(table, why);
        };
    }

    int run()
    {
        if (!acceptor_.good()) return std::perror("cannot listen"), 1;
        std::printf("listening on %d\n", acceptor_.port());
        std::fflush(stdout);
        while (ending == 0) turn();
        std::printf(
            "%" PRIu64 " writes at the target, %zu on their way, %" PRIu64 " not replicated\n",
            at_target_,
            target_.backlog() + source_again_.backlog(),
            not_replicated_
        );
        return 0;
    }

private:
    void turn()
    {
        poller_.turn(50);
        if (const int client = acceptor_.take(); client >= 0) admit(client);
        const auto now = now_ms(CLOCK_MONOTONIC);
        target_.tick(now);
        source_again_.tick(now);
        sessions_.remove_if([](const session& its) { return its.ended(); });
        for (auto& its : sessions_) its.balance();
    }

    void admit(int client)
    {
        const int source = connect_to(source_port_);
        if (source < 0) return void(::close(client));
        sessions_.emplace_back(poller_, client, source, dual_);
    }

    void report(std::string_view table, std::string_view why)
    {
        ++not_replicated_;
        std::fprintf(
            stderr,
            "not replicated: %.*s: %.*s\n",
            static_cast<int>(table.size()),
            table.data(),
            static_cast<int>(why.size()),
            why.data()
        );
    }

    poller poller_;
    std::uint16_t source_port_;
    acceptor acceptor_;
    cluster_writer target_;
    cluster_writer source_again_;
    dual_writing dual_;
    std::list<session> sessions_;
    std::uint64_t at_target_{0};
    std::uint64_t not_replicated_{0};
};

}  // namespace

int main(int argc, char** argv)
{
    if (argc != 4) return std::fputs("usage: epoll_gateway PORT SOURCE TARGET\n", stderr), 2;
    struct sigaction on_end {};
    on_end.sa_handler = [](int) { ending = 1; };
    ::sigaction(SIGTERM, &on_end, nullptr);
    ::sigaction(SIGINT, &on_end, nullptr);
    const auto port = [&](int i) { return static_cast<std::uint16_t>(std::atoi(argv[i])); };
    return gateway(port(1), port(2), port(3)).run();
}
