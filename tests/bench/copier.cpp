// The limit of dual writing: copies bytes between a client and the source, sends every request to
// the target too, and drops the target's answers. It looks at nothing.
//
//   copier --source-port N --target-port N [--port N] [--cpu N]

#include <array>
#include <csignal>
#include <memory>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "wire.hpp"

namespace dualwrite::bench {

namespace {

enum role { client, source, target, roles };

struct session;

struct end {
    session* of{nullptr};
    int fd{-1};
    byte_buffer waiting;  // for this socket to have room
    bool wants_room{false};
};

struct session {
    std::array<end, roles> ends;
};

class copier {
public:
    explicit copier(const arguments& args)
        : source_port_(args.number("source-port", 0)), target_port_(args.number("target-port", 0))
    {
    }

    void run(int listener);

private:
    void accept_all(int listener);
    void add(session& to, role as, int fd);
    bool copy(session& of, role from);
    bool give(end& to, bytes_view bytes);
    bool flush(end& to);
    void watch(end& of);
    void drop(session* gone);

    long source_port_;
    long target_port_;
    int epoll_{::epoll_create1(0)};
    std::array<std::byte, read_size> buffer_{};
    end nobody_;  // stands for ends of sessions that ended in this turn
};

void copier::add(session& to, role as, int fd)
{
    non_blocking(fd);
    auto& made = to.ends[as];
    made.of = &to;
    made.fd = fd;
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &made}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void copier::accept_all(int listener)
{
    for (;;) {
        const int fd = ::accept4(listener, nullptr, nullptr, 0);
        if (fd < 0) return;
        no_delay(fd);
        auto made = std::make_unique<session>();
        add(*made, client, fd);
        add(*made, source, connect_to(source_port_));
        add(*made, target, connect_to(target_port_));
        made.release();  // until drop()
    }
}

bool copier::give(end& to, bytes_view bytes)
{
    if (to.waiting.empty()) {
        const auto sent = ::send(to.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return false;
        bytes = bytes.subspan(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    }
    to.waiting.append(bytes);
    if (!to.waiting.empty()) watch(to);
    return true;
}

bool copier::flush(end& to)
{
    const auto sent = ::send(to.fd, to.waiting.data(), to.waiting.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    to.waiting.consume(static_cast<std::size_t>(sent));
    if (to.waiting.empty()) watch(to);
    return true;
}

void copier::watch(end& of)
{
    const bool wants_room = !of.waiting.empty();
    if (wants_room == of.wants_room) return;
    of.wants_room = wants_room;
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &of}};
    if (wants_room) event.events |= EPOLLOUT;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, of.fd, &event);
}

// One read of `from`, to whoever wants it. False: the session has ended.
bool copier::copy(session& of, role from)
{
    const auto got = ::recv(of.ends[from].fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    const bytes_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    if (from == target) return true;
    if (from == source) return give(of.ends[client], bytes);
    return give(of.ends[source], bytes) && give(of.ends[target], bytes);
}

void copier::drop(session* gone)
{
    for (auto& end : gone->ends) ::close(end.fd);
    delete gone;
}

void copier::run(int listener)
{
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener, &event);
    epoll_event events[256];
    for (;;) {
        const int count = ::epoll_wait(epoll_, events, 256, -1);
        for (int i = 0; i < count; ++i) {
            auto* ready = static_cast<end*>(events[i].data.ptr);
            if (ready == nullptr) {
                accept_all(listener);
                continue;
            }
            auto* its = ready->of;
            if (its == nullptr) continue;
            const auto as = static_cast<role>(ready - its->ends.data());
            bool alive = true;
            if ((events[i].events & EPOLLOUT) != 0) alive = flush(*ready);
            if (alive && (events[i].events & ~EPOLLOUT) != 0) alive = copy(*its, as);
            if (alive) continue;
            for (int later = i + 1; later < count; ++later)
                for (auto& gone : its->ends)
                    if (events[later].data.ptr == &gone) events[later].data.ptr = &nobody_;
            drop(its);
        }
    }
}

}  // namespace

}  // namespace dualwrite::bench

int main(int argc, char** argv)
try {
    using namespace dualwrite::bench;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    const arguments args(argc, argv);
    pin(args.number("cpu", -1));
    copier(args).run(listen_on(args.number("port", 0)));
} catch (const std::exception& error) {
    std::fprintf(stderr, "copier: %s\n", error.what());
    return 1;
}
