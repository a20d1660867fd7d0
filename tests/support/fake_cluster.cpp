#include "fake_cluster.hpp"

#include <algorithm>
#include <chrono>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "clock.hpp"
#include "fake_cluster_connection.hpp"
#include "vanish.hpp"

namespace dualwrite::test {

namespace {

constexpr int listen_backlog = 1024;

// Bound, so that the port stays ours; it takes connections only after listen().
engine::unique_fd bind_loopback(std::uint16_t& port)
{
    engine::unique_fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd.get(), raw, size) != 0 || ::getsockname(fd.get(), raw, &size) != 0)
        throw std::runtime_error("fake_cluster: no port");
    port = ntohs(address.sin_port);
    return fd;
}

}  // namespace

fake_cluster::fake_cluster(std::string name, settings its)
    : name_(std::move(name)), settings_(std::move(its)), listener_(bind_loopback(port_)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    ::listen(listener_.get(), listen_backlog);
    add_table("k", "t");
    thread_ = std::thread([this] { run(); });
}

fake_cluster::~fake_cluster()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake();
    thread_.join();
}

void fake_cluster::wake() noexcept
{
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void fake_cluster::run()
{
    std::unique_lock lock(mutex_);
    while (!stopping_) serve(lock);
    for (auto& [id, c] : connections_) ended_[id] = {c->received, c->sent};
    connections_.clear();
}

// One round: waits for something to happen, then handles all of it.
void fake_cluster::serve(std::unique_lock<std::mutex>& lock)
{
    std::vector<pollfd> waits{{wake_.get(), POLLIN, 0}};
    if (accepting_) waits.push_back({listener_.get(), POLLIN, 0});
    const auto first = waits.size();
    std::vector<std::uint64_t> ids;
    std::int64_t limit =
        due_.empty() ? -1 : std::max<std::int64_t>(due_.begin()->first - now_ms(), 0);
    for (const auto& [id, c] : connections_) {
        const auto events = (reading_ ? POLLIN : 0) | (c->out.empty() ? 0 : POLLOUT);
        if (c->piece != 0 && !c->out.empty()) limit = 1;
        waits.push_back({c->fd.get(), static_cast<short>(events), 0});
        ids.push_back(id);
    }
    lock.unlock();
    ::poll(waits.data(), waits.size(), static_cast<int>(limit));
    lock.lock();
    if (rebind_) {
        // Bound again without listen(): connecting is refused and nobody else gets the port.
        listener_.reset();
        listener_ = bind_loopback(port_);
        rebind_ = false;
    }
    std::uint64_t count = 0;
    if ((waits[0].revents & POLLIN) != 0) [[maybe_unused]]
        const auto got = ::read(wake_.get(), &count, sizeof count);
    if (first == 2 && accepting_ && waits[1].revents != 0) accept_one();
    send_due();
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto& c = *connections_.at(ids[i]);
        const auto events = waits[first + i].revents;
        if (!c.broken && (events & (POLLIN | POLLHUP | POLLERR)) != 0) read(c);
        if (!c.broken && !c.out.empty()) write(c);
        if (c.closing && c.out.empty()) c.broken = true;
    }
    std::erase_if(connections_, [this](auto& entry) {
        auto& c = *entry.second;
        if (c.broken) ended_[c.id] = {std::move(c.received), std::move(c.sent)};
        return c.broken;
    });
    changed_.notify_all();
}

void fake_cluster::accept_one()
{
    for (;;) {
        engine::unique_fd fd(
            ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)
        );
        if (!fd) return;
        const int on = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto made = std::make_unique<connection>();
        made->id = ++accepted_;
        made->fd = std::move(fd);
        connections_.emplace(made->id, std::move(made));
    }
}

void fake_cluster::read(connection& c)
{
    std::vector<std::byte> space(256 * 1024);
    const auto got = ::recv(c.fd.get(), space.data(), space.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        c.broken = true;
        return;
    }
    const bytes_view bytes(space.data(), static_cast<std::size_t>(got));
    c.received += as_text(bytes);
    c.decoder.feed(bytes);
    while (!c.broken && !c.closing) {
        const auto next = c.decoder.next();
        if (!next) {
            ++malformed_;
            c.broken = true;
            return;
        }
        if (!*next) break;
        take(c, **next);
    }
    flush(c);
}

// What was answered in this round, in one go.
void fake_cluster::flush(connection& c)
{
    std::vector<protocol::envelope_view> views;
    for (const auto& [header, body] : c.gathered) views.push_back({header, as_bytes(body)});
    if (settings_.pack_answers) {
        c.encoder.append_many(c.out, views);
    } else {
        for (const auto& [header, body] : views) c.encoder.append(c.out, header, body);
    }
    c.gathered.clear();
}

void fake_cluster::write(connection& c)
{
    const auto* const from = c.out.data() + c.out_sent;
    const auto left = c.out.size() - c.out_sent;
    const auto size = c.piece == 0 ? left : std::min(c.piece, left);
    const auto put = ::send(c.fd.get(), from, size, MSG_NOSIGNAL);
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) {
        c.broken = true;
        return;
    }
    c.sent.append(reinterpret_cast<const char*>(from), static_cast<std::size_t>(put));
    c.out_sent += static_cast<std::size_t>(put);
    if (c.out_sent != c.out.size()) return;
    c.out.clear();
    c.out_sent = 0;
}

void fake_cluster::send_due()
{
    while (!due_.empty() && due_.begin()->first <= now_ms()) {
        auto next = due_.extract(due_.begin()).mapped();
        const auto found = connections_.find(next.connection);
        if (found == connections_.end() || found->second->broken) continue;
        send(*found->second, next.request, next.how);
        flush(*found->second);
    }
}

void fake_cluster::answer_request(connection& c, const record& request, const reply& how)
{
    if (how.what == reply::kind::held) {
        held_.push_back(request);
    } else if (how.delay_ms > 0) {
        due_.emplace(now_ms() + how.delay_ms, answer{c.id, request, how});
    } else {
        send(c, request, how);
    }
}

void fake_cluster::answer_held()
{
    {
        const std::lock_guard lock(mutex_);
        for (const auto& request : std::exchange(held_, {}))
            due_.emplace(now_ms(), answer{request->connection, request, reply::normal()});
    }
    wake();
}

void fake_cluster::set_reading(bool reads)
{
    {
        const std::lock_guard lock(mutex_);
        reading_ = reads;
    }
    wake();
}

void fake_cluster::vanish()
{
    const std::lock_guard lock(mutex_);
    for (auto& [id, c] : connections_) test::vanish(c->fd.get());
}

void fake_cluster::down()
{
    {
        const std::lock_guard lock(mutex_);
        accepting_ = false;
        rebind_ = true;
    }
    drop_connections();
}

void fake_cluster::up()
{
    {
        const std::lock_guard lock(mutex_);
        ::listen(listener_.get(), listen_backlog);
        accepting_ = true;
    }
    wake();
}

void fake_cluster::drop_connections()
{
    std::unique_lock lock(mutex_);
    const auto last = accepted_;
    for (auto& [id, c] : connections_) c->broken = true;
    wake();
    changed_.wait(lock, [&] {
        return !rebind_ && (connections_.empty() || connections_.begin()->first > last);
    });
}

}  // namespace dualwrite::test
